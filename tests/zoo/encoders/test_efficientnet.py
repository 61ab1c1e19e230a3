"""EfficientNet-Lite0 is timm's network, in PyTorch and as the graph that is drawn without it."""

import importlib

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx.external_data_helper import load_external_data_for_model
from safetensors.torch import save_file

from zoo.architectures import EfficientNetLiteArchitecture, same_padding
from zoo.encoders import ServedEncoder, load_weights
from zoo.errors import PackageError
from zoo.graphs.efficientnet import PREFIX, lite0_graph
from zoo.graphs.rewrite import refer_to_weights, write_graph
from zoo.images import InputBlock
from zoo.manifest import WEIGHTS, Layer
from zoo.runtimes.golden import agreement
from zoo.sample_images import sample_squares

ARCHITECTURE = EfficientNetLiteArchitecture(family="efficientnet-lite")


@pytest.fixture(scope="module")
def timm(torchvision):
    pytest.importorskip("timm")
    return importlib.import_module("timm")


@pytest.fixture(scope="module")
def theirs(timm):
    """timm's network with lively random weights and statistics."""
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.get_buffer("running_mean"), std=0.1)
            torch.nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    return network


def block_of(size):
    return InputBlock(size=size, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


def served_with(network, size):
    served = ServedEncoder(ARCHITECTURE, Layer(stages=("layer4",)), block_of(size), 1280)
    weights = {
        PREFIX + name: tensor.clone()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    load_weights(served, weights, "timm")
    return served.eval(), weights


# Sides that are even and odd on the way down pad in other ways.
@pytest.mark.parametrize("size", [224, 223, 97, 64])
@torch.no_grad()
def test_it_is_timms_network(theirs, tmp_path, size):
    served, weights = served_with(theirs, size)
    images = sample_squares(block_of(size), 3)
    batch = torch.from_numpy(images)
    expected = theirs((batch.permute(0, 3, 1, 2).float() - 127) / 128).numpy()
    assert agreement(served(batch).numpy(), expected).cosine_min > 1 - 1e-10

    save_file(weights, tmp_path / WEIGHTS)
    model = lite0_graph(block_of(size))
    refer_to_weights(model, tmp_path / WEIGHTS)
    write_graph(model, tmp_path / "graph.onnx", {})
    session = ort.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["embedding"], {"images": images})
    assert found.dtype == np.float32
    assert agreement(found, expected).cosine_min > 1 - 1e-10


def test_the_weights_stay_in_their_own_file(theirs, tmp_path):
    _, weights = served_with(theirs, 64)
    save_file(weights, tmp_path / WEIGHTS)
    model = lite0_graph(block_of(64))
    refer_to_weights(model, tmp_path / WEIGHTS)
    write_graph(model, tmp_path / "graph.onnx", {"name": "x"})
    assert (tmp_path / "graph.onnx").stat().st_size < 60_000
    whole = onnx.load(tmp_path / "graph.onnx", load_external_data=False)
    load_external_data_for_model(whole, str(tmp_path))
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in whole.graph.initializer}
    for name, tensor in weights.items():
        np.testing.assert_array_equal(stored[name], tensor.numpy())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w | {"encoder.extra": torch.ones(2)}, "does not use .*encoder.extra"),
        (lambda w: w | {"encoder.bn1.bias": torch.ones(2)}, "encoder.bn1.bias: the graph has"),
    ],
)
def test_a_graph_refers_to_all_weights_in_their_shapes(theirs, tmp_path, change, says):
    _, weights = served_with(theirs, 64)
    save_file(change(weights), tmp_path / WEIGHTS)
    with pytest.raises(ValueError, match=says):
        refer_to_weights(lite0_graph(block_of(64)), tmp_path / WEIGHTS)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_tensorflows(kernel, stride):
    for size in range(5, 40):
        before, after = same_padding(size, kernel, stride)
        assert after - before in (0, 1)
        assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
    assert same_padding(224, 3, 2) == (0, 1)
    assert same_padding(7, 3, 2) == (1, 1)


def test_only_the_last_stage_is_served():
    with pytest.raises(PackageError, match="serves layer4 alone, not layer3"):
        ServedEncoder(ARCHITECTURE, Layer(stages=("layer3",)), block_of(64), 112)


@torch.no_grad()
def test_cells_of_a_grid_keep_where_things_are(theirs):
    served, weights = served_with(theirs, 64)
    grid = ServedEncoder(ARCHITECTURE, Layer(stages=("layer4",), grid=2), block_of(64), 4 * 1280)
    load_weights(grid, weights, "timm")
    batch = torch.from_numpy(sample_squares(block_of(64), 2))
    cells = grid.eval()(batch).unflatten(1, (1280, 4))
    torch.testing.assert_close(cells.mean(dim=2), served(batch), rtol=1e-4, atol=1e-5)
