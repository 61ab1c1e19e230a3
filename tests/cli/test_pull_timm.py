"""`zoo pull timm/NAME`, and a transformer of timm's as an ONNX file, served: as timm has them."""

import base64
import io
import json
import signal
import socket
import urllib.request
import warnings

import numpy as np
import pytest
from PIL import Image

from tests.cli.command import invoke, read_until, started
from tests.hub import started_hub
from zoo.images import read_square
from zoo.runtimes import open_runtime
from zoo.store import find_package

NAME = "timm/test_vit.r160_in1k"
BIT = {
    "crop_size": {"height": 160, "width": 160},
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "BitImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
    "size": {"shortest_edge": 168},
}


@pytest.fixture(scope="module")
def vit(torchvision):
    """timm's smallest vision transformer, with random weights and its classifier."""
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    return timm.create_model("test_vit").eval()


@pytest.fixture(autouse=True)
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "user" / "huggingface"))
    with started_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def photo():
    """A JPEG that is no square, upright as stored."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 12, 3), np.uint8)
    image = Image.fromarray(coarse).resize((400, 300), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def as_timm_has_it(model, data):
    """Unit length."""
    import torch  # noqa: PLC0415
    from timm.data.config import resolve_model_data_config  # noqa: PLC0415
    from timm.data.transforms_factory import create_transform  # noqa: PLC0415

    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    with torch.no_grad():
        pooled = model.forward_head(
            model.forward_features(transform(Image.open(io.BytesIO(data)))[None]), pre_logits=True
        )
    row = pooled[0].numpy()
    return row / np.linalg.norm(row)


def repository(model, **changes):
    """The files that timm's own `push_to_hf_hub` writes."""
    from safetensors.torch import save  # noqa: PLC0415

    config = {
        "architecture": "test_vit",
        "num_classes": 1000,
        "num_features": 64,
        "pretrained_cfg": model.pretrained_cfg | {"tag": "r160_in1k"},
    }
    return {
        "config.json": json.dumps(config | changes).encode(),
        "model.safetensors": save(model.state_dict()),
    }


def test_a_network_of_timm(hub, vit):
    commit = hub.push(NAME, repository(vit), license="apache-2.0")
    # The name without a tag means timm's default weights.
    out, err = invoke("pull", "timm/test_vit")
    assert out.startswith("test_vit.r160_in1k@1 ")
    assert "apache-2.0" in err
    package = find_package("test_vit.r160_in1k")
    names = {source.name for source in package.manifest.provenance.sources}
    assert f"hf/{NAME}@{commit}/model.safetensors" in names
    block = package.manifest.input
    assert (block.size, block.crop, block.interpolation) == (160, 0.95, "bicubic")
    data = photo()
    found = open_runtime(package).embed(read_square(data, block)[None])[0]
    assert found @ as_timm_has_it(vit, data) / np.linalg.norm(found) >= 0.999
    assert "installed already" in invoke("pull", NAME)[1]


def test_what_is_not_timms(hub, vit, home):
    files = repository(vit)
    hub.push("timm/other", files | {"config.json": b"[]"})
    hub.push("timm/newer", repository(vit, architecture="vit_of_tomorrow"))
    hub.push("timm/bare", {"README.md": b""})
    hub.push("timm/wrong", repository(vit, architecture="test_vit2"))
    for name, words in {
        "other": "not as timm writes it",
        "newer": "vit_of_tomorrow",
        "bare": "none of timm's models",
        "wrong": "refuses its weights",
    }.items():
        error = invoke("pull", f"timm/{name}", code=1)[1]
        assert words in error
        assert error.count("\n") == 1
    assert "--file" in invoke("pull", "timm/other", "--file", "a.onnx", code=1)[1]
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_an_onnx_file_of_it_is_served(hub, vit, tmp_path):
    import torch  # noqa: PLC0415

    pytest.importorskip("faiss")

    class Tokens(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vit = vit

        def forward(self, values):
            return self.vit.forward_features(values)

    file = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(  # by tracing, as most files on the hub were made
            Tokens().eval(), (torch.zeros(1, 3, 160, 160),), file, dynamo=False,
            input_names=["pixel_values"], output_names=["last_hidden_state"],
            dynamic_axes={"pixel_values": {0: "batch"}, "last_hidden_state": {0: "batch"}},
        )  # fmt: skip
    files = {"onnx/model.onnx": file.read_bytes()}
    described = {"config.json": {"model_type": "vit"}, "preprocessor_config.json": BIT}
    hub.push("org/vit", files | {n: json.dumps(c).encode() for n, c in described.items()})
    invoke("pull", "hf/org/vit")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = photo()
    with started("serve", "--port", port, "--model", "vit") as process:
        read_until(process, "Try:")
        body = json.dumps({"input": [base64.b64encode(data).decode()]}).encode()
        url = f"http://127.0.0.1:{port}/v1/embeddings"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            content = json.load(answer)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert np.array(content["data"][0]["embedding"]) @ as_timm_has_it(vit, data) >= 0.999
