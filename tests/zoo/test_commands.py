"""The `zoo` command as a user meets it: a process, its output and its exit code."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from zoo.images import read_square
from zoo.package import read_package
from zoo.runtimes import open_runtime

ZOO = [sys.executable, "-m", "cli"]
ENVIRONMENT = {"COLUMNS": "200", "NO_COLOR": "1"}
RECIPES = Path(__file__).parents[2] / "training" / "recipes"

needs_training = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "lightning_fabric", "tensorboard"))),
    reason="the train extra is not installed",
)


def zoo(*arguments, code=0, **environment):
    done = subprocess.run(
        [*ZOO, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | ENVIRONMENT | environment,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def photos(tmp_path):
    """Five images in two folders, and two files that are none."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "deep/c.png", "deep/er/d.webp", "deep/e.PNG"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8)).save(path)
    (folder / "notes.txt").write_text("not looked at")
    (folder / "deep" / "broken.jpg").write_text("text")
    (folder / "empty.png").write_bytes(b"")
    return folder


def test_help_reads_well_and_loads_nothing_heavy():
    text = zoo("--help").stdout
    for name in ("list", "show", "verify", "train", "export", "embed", "serve"):
        assert f" {name} " in text
        assert "Example: " in zoo(name, "--help").stdout
    heavy = ["torch", "fastapi", "faiss", "onnxruntime", "pyarrow", "numpy", "sklearn", "pydantic"]
    code = f"import sys, cli; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_version():
    assert zoo("--version").stdout.startswith("zoo 0.")


def test_list_names_models_and_what_is_broken(make_package):
    whole, broken = make_package("tiny"), make_package("torn")
    (broken / "golden.npz").unlink()
    content = json.loads(zoo("list", "--json").stdout)
    (row,) = [m for m in content["models"] if m["model"] == "tiny@1"]
    assert (row["dim"], row["input"], row["path"]) == (12, 16, str(whole))
    assert row["space"] == read_package(whole).manifest.space
    assert [b["path"] for b in content["broken"]] == [str(broken)]
    table = zoo("list")
    assert "tiny@1" in table.stdout
    assert "golden.npz" in table.stderr


def test_show_gives_the_manifest(make_package):
    folder = make_package()
    manifest = json.loads((folder / "model.json").read_text())
    shown = json.loads(zoo("show", "tiny", "--json").stdout)
    assert shown == manifest | {"path": str(folder)}
    assert manifest["space"] in zoo("show", "tiny@1").stdout


def test_unknown_models_are_one_line(make_package):
    make_package()
    error = zoo("show", "tinny", code=1).stderr
    assert error.startswith("error: no model 'tinny' is installed; there is tiny; the catalog has")
    assert error.count("\n") == 1


def test_verify_tells_whole_from_damaged(make_package):
    make_package("tiny")
    torn = make_package("torn")
    data = bytearray((torn / "encoder.safetensors").read_bytes())
    data[-1] ^= 1
    (torn / "encoder.safetensors").write_bytes(data)
    assert "golden vectors hold" in zoo("verify", "tiny").stdout
    done = zoo("verify", "tiny", "torn", "none", "--json", code=1)
    good, bad, unknown = json.loads(done.stdout)["results"]
    assert good["ok"]
    proven = {runtime["variant"]: runtime["cosine_min"] for runtime in good["runtimes"]}
    assert "onnxruntime-fp32" in proven
    assert ("openvino-fp32" in proven) == bool(importlib.util.find_spec("openvino"))
    assert min(proven.values()) > 0.9999
    assert not bad["ok"]
    assert "encoder.safetensors" in bad["error"]
    assert "no model 'none'" in unknown["error"]
    assert "torn@1" in zoo("verify", "--all", code=1).stderr
    zoo("verify", code=2)


def test_embed_tells_images_by_content_under_any_name(make_package, photos, tmp_path):
    make_package()
    folder = tmp_path / "names"
    folder.mkdir()
    jpeg = (photos / "b.jpg").read_bytes()
    for name in (b"bad\xff.jpg", b"a.HEIC", b"b.jfif", b"c", b".hidden.jpg"):
        (folder / os.fsdecode(name)).write_bytes(jpeg)
    (folder / "notes.txt").write_bytes(b"words")
    out = tmp_path / "out.parquet"
    done = zoo("embed", folder, "--out", out, "--model", "tiny")
    rows = pq.read_table(out).to_pylist()
    assert {row["path"] for row in rows} == {r"bad\xff.jpg", "a.HEIC", "b.jfif", "c"}
    assert all(row["embedding"] for row in rows)
    assert "notes.txt: passed over: not an image" in done.stderr
    assert "2 files were passed over" in done.stderr


def test_embed_writes_every_image_and_lists_the_unreadable(make_package, photos, tmp_path):
    package = read_package(make_package())
    out = tmp_path / "out.parquet"
    done = zoo("embed", photos, "--out", out, "--model", "tiny", "--batch", 2)
    assert "deep/broken.jpg: not an image" in done.stderr
    assert "2 of 7 images could not be read" in done.stderr
    table = pq.read_table(out)
    rows = {row["path"]: row for row in table.to_pylist()}
    assert set(rows) == {
        *("a.png", "b.jpg", "deep/c.png", "deep/er/d.webp", "deep/e.PNG"),
        *("deep/broken.jpg", "empty.png"),
    }
    assert str(table.schema.field("embedding").type).endswith("float>[12]")
    assert rows["empty.png"]["embedding"] is None
    assert "0 bytes" in rows["empty.png"]["error"]
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    assert metadata["model"] == "tiny@1"
    assert metadata["space"] == package.manifest.space
    assert metadata["variant"] == "onnxruntime-fp32"
    square = read_square((photos / "deep/c.png").read_bytes(), package.manifest.input)
    expected = open_runtime(package).embed(square[None])[0]
    np.testing.assert_allclose(
        rows["deep/c.png"]["embedding"], expected / np.linalg.norm(expected), atol=1e-5
    )
    assert [p.name for p in tmp_path.glob(".out*")] == []


def test_embed_fails_whole(make_package, tmp_path):
    make_package()
    folder, out = tmp_path / "none", tmp_path / "kept.parquet"
    folder.mkdir()
    out.write_text("from before")
    assert "no images found" in zoo("embed", folder, "--out", out, code=1).stderr
    (folder / "a.jpg").write_text("text")
    failed = zoo("embed", folder, "--out", out, "--model", "tiny", code=1)
    assert "none of its 1 images can be read" in failed.stderr
    assert out.read_text() == "from before"
    assert sorted(p.name for p in tmp_path.glob("*.parquet*")) == ["kept.parquet"]
    away = tmp_path / "away" / "x.parquet"
    assert "give another --out" in zoo("embed", folder, "--out", away, code=1).stderr
    zoo("embed", tmp_path / "absent", "--out", out, code=2)


def test_the_shell_completes_models_and_recipes(make_package):
    make_package()

    def completions(line, count):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(count), "_ZOO_COMPLETE": "complete_bash"}
        return zoo(**words).stdout.split()

    assert completions("zoo show ti", 2) == ["tiny", "tiny@1"]
    assert completions("zoo verify tiny@", 2) == ["tiny@1"]
    assert "simclr-r18-small-cpu" in completions("zoo train simclr", 2)


def test_serve_says_where_it_listens_and_stops_cleanly(make_package):
    pytest.importorskip("faiss")
    make_package()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with started("serve", "--port", port, "--model", "tiny") as process:
        read_until(process, f"curl http://127.0.0.1:{port}/v1/models")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models") as answer:
            assert "tiny" in answer.read().decode()
        taken = zoo("serve", "--port", port, "--model", "tiny", code=1).stderr
        assert "in use" in taken
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_serve_refuses_an_unknown_model(make_package):
    pytest.importorskip("faiss")
    done = zoo("serve", "--port", 1, "--model", "nope", code=1)
    assert "nope" in done.stderr


def test_evaluate_measures_a_model_and_its_baselines(make_package, tmp_path):
    for module in ("torch", "skimage", "matplotlib"):
        pytest.importorskip(module)
    make_package()
    rng = np.random.default_rng(0)
    for label, shade in {"red": (200, 20, 20), "blue": (20, 20, 200)}.items():
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(14):
            noise = (rng.integers(0, 40, (24, 24, 3)) + shade).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / "set" / label / f"{number}.png")
    command = ("evaluate", "tiny", "--data", tmp_path / "set", "--draws", 3)
    content = json.loads(zoo(*command, "--baselines", "--json").stdout)
    values = {(a["method"], a["protocol"]): a["value"] for a in content["accuracies"]}
    assert values["tiny@1", "few-label-10"] > 0.9
    assert values["pixels", "few-label-10"] > 0.9
    assert {d["method"] for d in content["differences"]} == {"tiny@1"}
    assert "labels.csv" in zoo(*command, "--protocol", "knn", code=1).stderr


RECIPE = """
from training.augment import Augmentation
from training.recipe import Recipe

recipe = Recipe(augmentation=Augmentation(size=16), stored_side=16, batch=4, epochs=500)
"""


@needs_training
def test_train_stops_on_request_and_goes_on(photos, tmp_path):
    recipe, run, held_out = tmp_path / "mine.py", tmp_path / "run", tmp_path / "held-out"
    recipe.write_text(RECIPE)
    held_out.mkdir()
    (held_out / "copy.png").write_bytes((photos / "a.png").read_bytes())
    command = ("train", recipe, "--data", photos, "--out", run, "--exclude-near", held_out)
    done = []
    for request in (signal.SIGINT, signal.SIGTERM):
        with started(*command) as process:
            text = read_until(process, "step ")
            process.send_signal(request)
            text += process.stderr.read()
            assert process.wait() == 130
        assert "deep/broken.jpg: not an image" in text
        assert "1 of 5 images left out" in text
        assert "the same command goes on" in text
        done.append([json.loads(line)["step"] for line in (run / "log.jsonl").open()])
    assert done[1] == list(range(1, len(done[1]) + 1))
    assert len(done[1]) > len(done[0]) >= 1


@needs_training
def test_train_lists_its_recipes_without_loading_them():
    said = zoo("train", "--recipes").stdout
    names = {path.stem.replace("_", "-") for path in RECIPES.glob("[!_]*.py")}
    assert names == {line.split()[0] for line in said.splitlines()[1:-1]}
    assert "SimCLR, ResNet-18 with the CIFAR stem, on CIFAR-10 at 32 px." in said


def test_train_refuses_before_it_works(photos, tmp_path):
    out = tmp_path / "run"
    unknown = zoo("train", "simclr-r81", "--data", photos, "--out", out, code=1)
    assert "simclr-r18-small-cpu" in unknown.stderr
    (tmp_path / "file").write_text("")
    blocked = zoo(
        "train", "simclr-r18-small-cpu", "--data", photos, "--out", tmp_path / "file/x", code=1
    )
    assert "file" in blocked.stderr
    gone = zoo("train", "simclr-r18-small-cpu", "--data", tmp_path / "x", "--out", out, code=1)
    assert "x: no such folder, tar or Parquet file" in gone.stderr
    few = zoo("train", "simclr-r18-small-cpu", "--data", photos, "--out", out, code=1)
    assert "no source has the 256 images of a batch" in few.stderr
    assert "photos: " not in few.stderr, "no image is decoded for it"
    shared = zoo(
        "train", "simclr-r18-small-cpu", "--data", photos, "--out", out, code=1, WORLD_SIZE="3"
    )
    assert "a batch of 256 images cannot be shared equally by 3 processes" in shared.stderr


@contextlib.contextmanager
def started(*arguments):
    process = subprocess.Popen(
        [*ZOO, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def read_until(process, text):
    """What the process has said on standard error, up to the line that holds `text`."""
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"the process ended without saying {text!r}: {said}")


def test_the_doctor_says_what_is_there(home):
    report = json.loads(zoo("doctor", "--json").stdout)
    assert report["ok"]
    assert report["checks"]["onnxruntime"]["devices"][0] == "cpu"
    assert report["checks"]["store"]["home"] == str(home)
    text = zoo("doctor").stdout
    assert "The gateway can serve here." in text
    assert "onnxruntime" in text


def test_the_doctor_says_what_to_mend(tmp_path):
    (tmp_path / "file").write_text("")
    report = json.loads(zoo("doctor", "--json", code=1, ZOO_HOME=str(tmp_path / "file")).stdout)
    assert not report["ok"]
    assert "ZOO_HOME" in report["checks"]["store"]["problem"]
