"""`zoo pull` of a public checkpoint from a real web server, with the real conversion."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images
from typer.testing import CliRunner

from cli import app
from tests.foreign import google_tensors, write_bundle
from zoo.catalog import FOLDER
from zoo.download import unfinished
from zoo.package import file_digest
from zoo.store import find_package

NAME, STEM = "simclr-r50x1", "model.ckpt-225206"
DATA = f"{STEM}.data-00000-of-00001"


def zoo(*arguments, code=0):
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"NO_COLOR": "1"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def published(nginx, tmp_path, monkeypatch):
    """A server with SimCLR's checkpoint as Google lays it out, and a catalog that names it."""
    pytest.importorskip("torch")
    server = nginx()
    write_bundle(server.www / STEM, google_tensors(1))
    entry, *_ = (FOLDER / f"{NAME}.toml").read_text().partition("[[sources]]")
    entry += '[[sources]]\nformat = "tf-bundle"\nlayout = "google-simclr"\n'
    for name in (f"{STEM}.index", DATA):
        entry += f'[[sources.files]]\nurl = "{server.url}/{name}"\n'
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / f"{NAME}.toml").write_text(entry)
    monkeypatch.setattr("zoo.catalog.FOLDER", tmp_path / "catalog")
    yield server


def flip(path, place):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 4]))


def test_a_checkpoint_is_pulled_and_serves(published, home, tmp_path):
    data = published.www / DATA
    flip(data, 5_000)  # within the first tensor
    _, error = zoo("pull", NAME, code=1)
    assert "'base_model/conv2d/kernel' is damaged (its CRC32C differs)" in error
    assert [path for path in home.rglob("*") if path.is_file()] == []

    flip(data, 5_000)  # mended, it is downloaded again
    out, error = zoo("pull", NAME)
    assert out == f"{NAME}@2 {home / 'packages' / NAME / '2'}\n"
    assert "licence: Apache-2.0" in error
    assert unfinished() == []
    _, *sources = find_package(NAME).manifest.provenance.sources
    assert [(source.name, source.sha256) for source in sources] == [
        (f"{published.url}/{name}", file_digest(published.www / name))
        for name in (f"{STEM}.index", DATA)
    ]
    assert json.loads(zoo("verify", NAME, "--json")[0])
    (tmp_path / "photos").mkdir()
    Image.fromarray(load_sample_images().images[0]).save(tmp_path / "photos" / "a.png")
    zoo("embed", tmp_path / "photos", "--model", NAME, "--out", tmp_path / "out.parquet")
    (embedding,) = pq.read_table(tmp_path / "out.parquet")["embedding"].to_pylist()
    assert len(embedding) == 2048
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
