"""`zoo pull hf/ORG/REPO` from a hub on loopback that answers as Hugging Face's does."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.command import invoke, zoo
from tests.foreign_onnx import DIM, SIZE, convolutions, save, transformer
from tests.hub import LOGIN, started_hub
from zoo.manifest import OutputLayer
from zoo.store import find_package

SIGLIP = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": SIZE, "width": SIZE},
}
DINOV2 = SIGLIP | {
    "crop_size": {"height": SIZE, "width": SIZE},
    "do_center_crop": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "size": {"shortest_edge": 40},
}


def described(kind, processor):
    """The small files of a repository."""
    return {
        "README.md": b"# A model\n",
        "config.json": json.dumps({"model_type": kind}).encode(),
        "preprocessor_config.json": json.dumps(processor).encode(),
    }


def dinov2(seed=0, **more):
    model = transformer(seed=seed).SerializeToString()
    return described("dinov2", DINOV2) | {"onnx/model.onnx": model} | more


@pytest.fixture(autouse=True)
def hub(monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "ZOO_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "user" / "huggingface"))
    with started_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def refused(home):
    """refused(address, *options): the one line that it is refused with; nothing is left."""

    def run(*arguments, **environment):
        before = {path for path in home.rglob("*") if path.is_file()}
        _, error = invoke("pull", *arguments, code=1, **environment)
        assert error.startswith("error: ")
        assert error.count("\n") == 1, error
        assert {path for path in home.rglob("*") if path.is_file()} == before
        return error

    return run


def test_dinov2(hub, home, tmp_path):
    commit = hub.push("onnx-community/dinov2-small", dinov2(), license="apache-2.0")
    out, err = invoke("pull", "hf/onnx-community/dinov2-small")
    assert out == f"dinov2-small@1 {home / 'packages' / 'dinov2-small' / '1'}\n"
    assert "the first token of the output last_hidden_state" in err
    assert "apache-2.0" in err
    manifest = find_package("dinov2-small").manifest
    block = manifest.input
    assert (block.size, block.crop, block.squash) == (SIZE, 0.8, False)
    assert block.interpolation == "bicubic"
    assert block.mean == pytest.approx((0.485, 0.456, 0.406))
    names = {source.name for source in manifest.provenance.sources}
    for path in ("onnx/model.onnx", "preprocessor_config.json"):
        assert f"hf/onnx-community/dinov2-small@{commit}/{path}" in names
    assert "golden vectors hold" in invoke("verify", "dinov2-small")[0]
    assert not list((home / "partial").iterdir())
    assert not (tmp_path / "user").exists()
    # Again: nothing but the question whether it has moved.
    hub.requests.clear()
    assert "installed already" in invoke("pull", "hf/onnx-community/dinov2-small")[1]
    assert [r.path.partition("?")[0] for r in hub.requests] == [
        "/api/models/onnx-community/dinov2-small/revision/main"
    ]


def test_towers_of_clip_and_siglip(hub, refused, tmp_path):
    """Of both towers in one file and the image's alone, the image's; its weights beside it."""
    save(convolutions(), tmp_path / "vision_model.onnx", "vision_model.onnx_data")
    tower = {f"onnx/{path.name}": path.read_bytes() for path in tmp_path.glob("vision_model.*")}
    assert len(tower) == 2
    both = transformer(outputs=("last_hidden_state", "pooler_output"), seed=1)
    clip = described("clip", DINOV2) | tower | {"onnx/model.onnx": b"", "onnx/text_model.onnx": b""}
    hub.push("Xenova/clip-tiny", clip, license="mit")
    invoke("pull", "hf/Xenova/clip-tiny")
    assert layer_of("clip-tiny").output == "features"
    siglip = described("siglip", SIGLIP) | {"onnx/vision_model.onnx": both.SerializeToString()}
    hub.push("Xenova/SigLIP_tiny", siglip)
    invoke("pull", "hf/Xenova/SigLIP_tiny", "--name", "siglip", "--version", "7")
    manifest = find_package("siglip@7").manifest
    assert layer_of("siglip@7").output == "pooler_output"
    assert (manifest.dim, manifest.input.squash) == (DIM, True)
    said = ("--output", "last_hidden_state", "--pool", "mean")
    shown = invoke("pull", "hf/Xenova/SigLIP_tiny", *said)[1]
    assert "--version" in refused("hf/Xenova/SigLIP_tiny", "--output", "pooler_output")
    assert "the mean of the output last_hidden_state" in shown
    assert find_package("siglip_tiny").manifest.dim == 16


def layer_of(reference):
    layer = find_package(reference).manifest.layer
    assert isinstance(layer, OutputLayer)
    return layer


def test_revisions(hub, refused):
    first = hub.push("org/vit", dinov2())
    invoke("pull", "hf/org/vit")
    # Another card, the same weights: the same package.
    hub.push("org/vit", dinov2() | {"README.md": b"# Better words"})
    assert "installed already" in invoke("pull", "hf/org/vit")[1]
    second = hub.push("org/vit", dinov2(seed=1))
    before = find_package("vit").manifest.space
    error = refused("hf/org/vit")
    assert first in error
    assert second in error
    assert "--version" in error
    assert find_package("vit").manifest.space == before
    # Neither does another rule pass for the same.
    hub.push("org/vit", dinov2() | described("dinov2", SIGLIP))
    assert "preprocessor_config.json" in refused("hf/org/vit")
    assert "installed already" in invoke("pull", f"hf/org/vit@{first}")[1]
    invoke("pull", f"hf/org/vit@{second}", "--version", "2")
    assert find_package("vit@2").manifest.space != before
    hub.push("org/vit", dinov2(seed=2), branch="refs/pr/1")
    invoke("pull", "hf/org/vit@refs/pr/1", "--version", "3")
    assert "no revision 'gone'" in refused("hf/org/vit@gone")


def test_a_name_that_something_else_has(hub, refused, make_package):
    make_package("vit")
    hub.push("org/vit", dinov2())
    assert "--name" in refused("hf/org/vit")
    hub.push("other/twin", dinov2())
    invoke("pull", "hf/other/twin", "--name", "mine")
    assert "hf/other/twin@" in refused("hf/org/vit", "--name", "mine")


def test_licences(hub, refused):
    hub.push("org/nc", dinov2(), license="cc-by-nc-4.0")
    error = refused("hf/org/nc")
    assert "cc-by-nc-4.0" in error
    assert "--accept-licence" in error
    assert not hub.asked("model.onnx")
    invoke("pull", "hf/org/nc", "--accept-licence")
    assert find_package("nc").manifest.provenance.weights_licence == "cc-by-nc-4.0"
    # Named, in the file of the card alone, and that of the model it was made from.
    hub.push("org/named", dinov2(), license="other", license_name="apple-amlr")
    hub.push("org/file", dinov2() | {"README.md": b"---\nlicense: cc-by-nc-sa-4.0\n---\n"})
    hub.push("org/base", dinov2(), license="cc-by-nc-nd-4.0")
    hub.push("org/made", dinov2(), base_model=["org/base"])
    hub.repos["org/named"].card["license_link"] = "LICENSE.md"
    for name, word in (("named", "amlr"), ("file", "nc-sa"), ("made", "hf/org/base")):
        assert word in refused(f"hf/org/{name}")


def test_which_file(hub, refused):
    hub.push("org/none", described("dinov2", DINOV2))
    assert "no ONNX file" in refused("hf/org/none")
    hub.push("timm/vit", described("vit", DINOV2))
    assert "zoo pull timm/vit" in refused("hf/timm/vit")
    one, two = (transformer(seed=seed).SerializeToString() for seed in (0, 1))
    hub.push("org/two", described("vit", DINOV2) | {"a.onnx": one, "b/c.onnx": two})
    error = refused("hf/org/two")
    assert "--file a.onnx, b/c.onnx" in error
    assert "b/c.onnx" in refused("hf/org/two", "--file", "c.onnx")
    invoke("pull", "hf/org/two", "--file", "b/c.onnx")
    assert any("/b/c.onnx" in s.name for s in find_package("two").manifest.provenance.sources)
    assert "--version" in refused("hf/org/two", "--file", "a.onnx")


def test_what_is_missing_is_asked_for(hub, refused):
    files = dinov2()
    del files["preprocessor_config.json"]
    hub.push("org/bare", files | {"config.json": b"{}"})
    error = refused("hf/org/bare")
    for word in ("hf/org/bare/onnx/model.onnx", "--pool", "--range", "hf download org/bare"):
        assert word in error


@pytest.mark.parametrize("location", ["../../secret", "/etc/passwd", "missing.bin"])
def test_weights_that_lie_elsewhere(hub, refused, location):
    model = convolutions()
    tensor = model.graph.initializer[0]
    shape = list(tensor.dims)
    tensor.Clear()
    tensor.name, tensor.data_type, tensor.data_location = "stem.weight", 1, 1
    tensor.dims.extend(shape)
    tensor.external_data.add(key="location", value=location)
    hub.push("org/odd", dinov2() | {"onnx/model.onnx": model.SerializeToString()})
    error = refused("hf/org/odd")
    assert "hf/org/odd/onnx/model.onnx" in error
    assert location in error


@pytest.mark.parametrize("content", [b"", b"text", LOGIN, b"PK\x03\x04" + bytes(50)])
def test_files_that_are_no_onnx(hub, refused, content):
    hub.push("org/odd", dinov2() | {"onnx/model.onnx": content})
    assert "hf/org/odd/onnx/model.onnx: " in refused("hf/org/odd")


def test_gated_and_missing(hub, refused):
    hub.push("org/gated", dinov2())
    hub.repos["org/gated"].denies = "GatedRepo"
    hub.push("org/private", dinov2())
    hub.repos["org/private"].denies = "RepoNotFound"
    for environment in ({}, {"HF_TOKEN": "hf_wrong_s3cr3t"}):
        error = refused("hf/org/gated", **environment)
        assert f"accept its terms at {hub.url}/org/gated" in error
        assert "HF_TOKEN" in error
        for name in ("private", "nothing"):
            error = refused(f"hf/org/{name}", **environment)
            assert "check the name" in error
            assert "s3cr3t" not in error
    for name in ("gated", "private"):
        invoke("pull", f"hf/org/{name}", HF_TOKEN="hf_right")
    # The token goes to the hub, and to no host that it redirects to.
    tokens = {(r.host.partition(":")[0], r.token) for r in hub.requests}
    assert ("127.0.0.1", "Bearer hf_right") in tokens
    assert {token for host, token in tokens if host == "localhost"} == {None}
    assert hub.asked("/storage/")


def page(where):
    """A login page in place of whatever has `where` in its path."""

    def fault(handler):
        found = where in handler.path
        if found:
            handler.send(200, LOGIN, {"Content-Type": "text/html"})
        return found

    return fault


def other(handler):
    found = "/storage/" in handler.path
    if found:
        handler.send(200, b"x" * 30_000)
    return found


def short(handler):
    found = "/storage/" in handler.path
    if found:
        handler.send(200, b"x", length=1_000_000)
        handler.close_connection = True
    return found


def status(code):
    def fault(handler):
        handler.send(code, b"")
        return True

    return fault


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (page("/api/models"), "login"),
        (page("/resolve/"), "login"),
        (page("/storage/"), "pull again"),
        (other, "pull again"),
        (status(429), "429"),
        (status(500), "500"),
        (lambda h: bool(h.send(200, b"[]")) or True, "does not answer as a hub"),
    ],
)
def test_a_hub_that_is_none(hub, refused, fault, words):
    hub.push("org/vit", dinov2())
    hub.fault = fault
    error = refused("hf/org/vit", HF_TOKEN="hf_s3cr3t")
    assert words in error
    assert "s3cr3t" not in error


def test_no_network(refused):
    for address in ("http://127.0.0.1:9", "http://user:s3cr3t@127.0.0.1:9", "http://no.invalid"):
        error = refused("hf/org/vit", HF_ENDPOINT=address)
        assert "cannot be reached" in error
        assert "s3cr3t" not in error
    assert "HF_TOKEN" in refused("hf/org/vit", HF_TOKEN="hf_ключ")


KEEP = """
import sys
from huggingface_hub import hf_hub_download
for path in sys.argv[1:]:
    hf_hub_download("org/vit", path)
"""


def test_offline_it_takes_what_other_programs_keep(hub, refused):
    hub.push("org/vit", dinov2() | {"README.md": b"---\nlicense: mit\n---\n"})
    for switch in ("HF_HUB_OFFLINE", "ZOO_OFFLINE"):
        assert "the network is not asked" in refused("hf/org/vit", **{switch: "1"})
    assert not hub.requests
    subprocess.run([sys.executable, "-c", KEEP, *dinov2()], check=True, env=dict(os.environ))
    hub.requests.clear()
    zoo("pull", "hf/org/vit", HF_HUB_OFFLINE="1")
    assert not hub.requests
    assert find_package("vit").manifest.provenance.weights_licence == "mit"


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from cli import app
app(["pull", "hf/org/vit"], prog_name="zoo")
"""


@pytest.mark.parametrize("limit", [4_000, 17_500])
def test_a_disk_that_is_full(hub, home, limit):
    """While a file arrives, and while the package is made of it."""
    files = dinov2() | {"onnx/model.onnx": convolutions().SerializeToString()}
    assert len(files["onnx/model.onnx"]) > 10_000
    hub.push("org/vit", files)
    done = zoo(limit, code=1, program=(sys.executable, "-c", FULL))
    assert done.stderr.count("\n") == 1
    assert "full" in done.stderr
    assert "make room" in done.stderr
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_wrong_usage(refused):
    for address in ("hf/org", "hf/", "hf/org/a/b", "hf/../a", "hf/org/a@", "hf/org/a--b"):
        assert "give hf/ORG/REPO" in refused(address)
    assert "--file" in refused("simclr-r50x1", "--file", "a.onnx")
    assert "leave out" in refused("hf/org/vit", "--registry", "/tmp")
    assert "--name" in refused("hf/org/vit", "--name", "My Model")
