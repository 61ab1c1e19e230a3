"""`zoo import`, and what can be done with what it made."""

import base64
import io
import json
import signal
import socket
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.cli.command import invoke, read_until, started, zoo
from tests.foreign_onnx import SIZE, convolutions, save, transformer
from zoo.runtimes import open_runtime
from zoo.store import find_package

SAID = ("--range", "0-1", "--mean", "0.5,0.4,0.3", "--std", "0.25")
ORIGIN = {
    "--method": "dino",
    "--trained-on": "my photos",
    "--terms": "my own",
    "--weights-licence": "CC-BY-4.0",
    "--code-licence": "MIT",
    "--citation": "A. Author 2026",
}


@pytest.fixture
def file(tmp_path):
    return save(transformer(), tmp_path / "vit.onnx", "vit.onnx_data")


def test_all_that_is_said_is_in_the_package(file):
    origin = [word for pair in ORIGIN.items() for word in pair]
    said = (*SAID, "--pool", "cls", "--resize", "40", "--interpolation", "bilinear", *origin)
    out, err = invoke("import", file, "--name", "vit", *said)
    assert out.startswith("vit@1 ")
    assert "the first token of the output last_hidden_state" in err
    assert "least cosine with the file 1.0000000" in err
    manifest = find_package("vit").manifest
    assert manifest.input.model_dump() == {
        "size": SIZE,
        "crop": 0.8,
        "interpolation": "bilinear",
        "mean": (0.5, 0.4, 0.3),
        "std": (0.25, 0.25, 0.25),
    }
    shown = invoke("show", "vit")[0] + (find_package("vit").path / "card.md").read_text()
    for text in ORIGIN.values():
        assert shown.lower().count(text.lower()) >= 2
    names = {source.name for source in manifest.provenance.sources}
    assert names == {"my photos", "vit.onnx"}
    # The next one is a version of its own.
    again = json.loads(invoke("import", file, "--name", "vit", *said, "--json")[0])
    assert again["model"] == "vit@2"
    assert find_package("vit@2").manifest.space == manifest.space


def test_ranges(tmp_path):
    path = save(convolutions(), tmp_path / "cnn.onnx")
    for version, said, mean, std in (
        ("1", ("--range", "-1-1"), 0.5, 0.5),
        ("2", ("--range", "0-255", "--mean", "127", "--std", "128"), 127 / 255, 128 / 255),
        ("3", ("--range", "0-1", "--mean", "0", "--std", "1"), 0, 1),
        ("4", ("--range", "0-255", "--mean", "0", "--std", "1"), 0, 1 / 255),
    ):
        invoke("import", path, "--name", "cnn", *said)
        block = find_package(f"cnn@{version}").manifest.input
        assert block.mean == pytest.approx((mean,) * 3)
        assert block.std == pytest.approx((std,) * 3)


def test_an_imported_model_is_like_any_other(file, tmp_path, photos):
    invoke("import", file, "--name", "vit", "--pool", "mean", *SAID)
    other = save(convolutions(), tmp_path / "cnn.onnx")
    invoke("import", other, "--name", "cnn", *SAID)
    space = find_package("vit").manifest.space
    assert "vit@1" in invoke("list")[0]
    assert "golden vectors hold" in invoke("verify", "vit")[0]
    assert "layer.output" in invoke("compat", "vit", "cnn", code=1)[0]
    rows = json.loads(invoke("bench", "vit", "--seconds", "0.1", "--batch", "2", "--json")[0])
    measured = {row.get("variant"): row for row in rows["results"]}
    assert measured["onnxruntime-fp32"]["cosine_min"] > 0.99999
    invoke("embed", photos, "--out", tmp_path / "out.parquet", "--model", "vit")
    registry, tar = tmp_path / "registry", tmp_path / "vit.tar"
    invoke("push", "vit", "--registry", registry)
    invoke("save", "vit", "--out", tar)
    for command in (("pull", "vit", "--registry", registry), ("load", tar)):
        invoke("rm", "vit")
        invoke(*command)
        assert find_package("vit").manifest.space == space


def test_it_is_served(file):
    pytest.importorskip("faiss")
    invoke("import", file, "--name", "vit", "--pool", "cls", *SAID)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started("serve", "--port", port, "--model", "vit") as process:
        read_until(process, "Try:")
        pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        body = json.dumps({"input": [png(pixels)]}).encode()
        url = f"http://127.0.0.1:{port}/v1/embeddings"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            content = json.load(answer)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    expected = open_runtime(find_package("vit")).embed(pixels[None])[0]
    found = content["data"][0]["embedding"]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)
    assert content["space"] == find_package("vit").manifest.space


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_what_is_missing_is_asked_for(file):
    error = zoo("import", file, "--name", "vit", code=1).stderr
    lines = error.splitlines()
    assert lines[0].startswith(f"error: {file}: ")
    options = ["--pool", "--range", "--mean", "--std"]
    assert [line.split()[0] for line in lines[1:]] == options
    for option in options:
        assert option in invoke("import", "--help")[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mean", "a"), "neither one number nor three"),
        (("--std", "1,2"), "neither one number nor three"),
        (("--crop", "0.5", "--resize", "40"), "say the same"),
        (("--size", "4"), "--size"),
        (("--range", "0-2"), "--range"),
    ],
)
def test_wrong_usage(file, arguments, words):
    assert words in invoke("import", file, "--name", "vit", *arguments, code=2)[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>sign in</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        (b"text", "not an ONNX file"),
    ],
)
def test_other_files_are_one_line(tmp_path, home, content, words):
    path = tmp_path / "file.onnx"
    path.write_bytes(content)
    error = zoo("import", path, "--name", "vit", code=1).stderr
    assert error.startswith(f"error: {path}: ")
    assert words in error
    assert error.count("\n") == 1
    assert not home.exists()


def test_a_name_that_cannot_be(file):
    error = invoke("import", file, "--name", "My Model", "--pool", "cls", *SAID, code=1)[1]
    assert "My Model" in error
