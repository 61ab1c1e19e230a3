"""What is imported gives what the file gives, for every kind of encoder."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from tests.foreign_onnx import DIM, SIZE, Builder, convolutions, save, transformer
from zoo.errors import PackageError
from zoo.importing import Origin, Said, import_onnx
from zoo.package import verify
from zoo.runtimes import open_runtime
from zoo.runtimes.golden import agreement, read_golden

MEAN, STD = (0.5, 0.25, 0.125), (0.2, 0.3, 0.4)
IMAGES = np.random.default_rng(7).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def import_model(tmp_path):
    """import_model(model, external=None, **said): the package of a model."""

    def run(model, external=None, name="mine", **said):
        path = save(model, tmp_path / f"{name}.onnx", external)
        return import_onnx(path, name, "1", Said(**said), Origin())

    return run


def outputs(model, values):
    """What the model's own graph gives, one image at a time."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in values])


def normalised(images, dtype=np.float32):
    return ((images / 255 - MEAN) / STD).astype(dtype)


def planes(values):
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def served(package, images=IMAGES):
    verify(package)
    return open_runtime(package).embed(images)


RULE: dict[str, Any] = {"range": "0-1", "mean": MEAN, "std": STD}


@pytest.mark.parametrize("external", [None, "weights.bin", "model.onnx_data"])
@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_floats_in_both_layouts(import_model, layout, batch, external):
    model = convolutions(layout, batch=batch)
    values = normalised(IMAGES)
    expected = outputs(model, planes(values) if layout == "nchw" else values)
    package = import_model(model, external, **RULE)
    found = served(package)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert package.manifest.dim == DIM
    assert package.manifest.input.size == SIZE


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_uint8_is_given_as_it_is(import_model, layout):
    model = convolutions(layout, TensorProto.UINT8)
    package = import_model(model)
    expected = outputs(model, planes(IMAGES) if layout == "nchw" else IMAGES)
    np.testing.assert_allclose(served(package), expected, rtol=1e-4, atol=1e-5)
    assert package.manifest.input.mean == (0, 0, 0)
    assert package.manifest.input.std == (1 / 255, 1 / 255, 1 / 255)


def test_float16_stays_float16(import_model):
    model = convolutions(kind=TensorProto.FLOAT16)
    package = import_model(model, **RULE)
    expected = outputs(model, planes(normalised(IMAGES, np.float16)))
    assert agreement(served(package), expected).cosine_min > 1 - 1e-5
    assert {tensor.dtype for tensor in load_file(package.weights).values()} == {np.dtype("f2")}


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
def test_opsets(import_model, opset):
    model = convolutions(end="map", opset=opset)
    expected = outputs(model, planes(normalised(IMAGES))).mean(axis=(2, 3))
    np.testing.assert_allclose(served(import_model(model, **RULE)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("end", "axes"), [("map", (2, 3)), ("cells first", (1, 2))])
def test_feature_maps_are_averaged_over_their_cells(import_model, layout, end, axes):
    model = convolutions(layout, end=end)
    values = normalised(IMAGES)
    expected = outputs(model, planes(values) if layout == "nchw" else values).mean(axis=axes)
    package = import_model(model, **RULE)
    np.testing.assert_allclose(served(package), expected, rtol=1e-4, atol=1e-5)
    assert package.manifest.layer.pool == "mean"


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_tokens(import_model, pool, batch):
    """With a batch of 1 written into it in every way, each image runs alone."""
    model = transformer(batch)
    tokens = outputs(model, planes(normalised(IMAGES)))
    expected = tokens[:, 0] if pool == "cls" else tokens.mean(axis=1)
    found = served(import_model(model, pool=pool, **RULE))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_one_graph_with_two_outputs_is_two_spaces(import_model):
    model = transformer(outputs=("last_hidden_state", "pooler_output"))
    packages = [
        import_model(model, name="cls", output="last_hidden_state", pool="cls", **RULE),
        import_model(model, name="mean", output="last_hidden_state", pool="mean", **RULE),
        import_model(model, name="row", output="pooler_output", **RULE),
    ]
    manifests = [package.manifest for package in packages]
    assert len({manifest.architecture.graph for manifest in manifests}) == 1
    assert len({manifest.space for manifest in manifests}) == 3
    assert [manifest.dim for manifest in manifests] == [16, 16, DIM]
    # What the chosen output does not need is left behind.
    kept = [set(load_file(package.weights)) for package in packages]
    assert ["pooler.weight" in names for names in kept] == [False, False, True]


def test_a_value_inside_the_graph_and_inputs_it_does_not_need(import_model):
    """As in CLIP, whose one file has a tower for images and one for texts."""
    b = Builder()
    image = b.add("GlobalAveragePool", b.add("Relu", "pixel_values", name="inner"))
    image = b.add("MatMul", b.add("Flatten", image), b.weight("image.weight", 3, 8))
    b.add("Add", image, b.weight("bias", 8), name="image_embeds")
    text = b.add("Gather", b.weight("words", 9, 8), "input_ids")
    text = b.add("ReduceMean", text, b.constant("axes", np.array([1], np.int64)), keepdims=0)
    b.add("MatMul", "image_embeds", b.add("Transpose", text), name="logits")
    model = b.model(
        {
            "input_ids": (TensorProto.INT64, ["texts", "words"]),
            "pixel_values": (TensorProto.FLOAT, ["images", 3, SIZE, SIZE]),
        },
        {"logits": ["images", "texts"]},
    )
    package = import_model(model, output="image_embeds", **RULE)
    assert set(load_file(package.weights)) == {"image.weight", "bias"}
    values = np.maximum(planes(normalised(IMAGES)), 0).mean(axis=(2, 3))
    weights = load_file(package.weights)
    expected = values @ weights["image.weight"] + weights["bias"]
    np.testing.assert_allclose(served(package), expected, rtol=1e-4, atol=1e-5)


def test_there_is_no_network_of_it_in_pytorch(import_model):
    for module in ("torch", "skimage"):
        pytest.importorskip(module)
    from training.evaluation import baselines_of, embedder_of  # noqa: PLC0415
    from zoo.encoders import load_served  # noqa: PLC0415

    package = import_model(convolutions(), **RULE)
    with pytest.raises(PackageError, match="imported as an ONNX graph"):
        load_served(package)
    assert [model.name for model in baselines_of(embedder_of(package))] == ["pixels", "HOG"]


def quantised(dynamic):
    """int8 weights with a zero point, dequantised; or ranges found over the whole batch."""
    b = Builder()
    kernel = b.rng.integers(-128, 128, (DIM, 3, 8, 8)).astype(np.int8)
    if dynamic:
        b.nodes.append(
            helper.make_node("DynamicQuantizeLinear", ["pixel_values"], ["low", "scale", "zero"])
        )
        value = b.add("ConvInteger", "low", b.constant("kernel", kernel), "zero", strides=[8, 8])
        value = b.add("Cast", value, to=TensorProto.FLOAT)
        value = b.add("Mul", value, "scale")
    else:
        scale = b.constant("scale", b.rng.uniform(0.01, 0.02, DIM).astype(np.float32))
        zero = b.constant("zero", np.zeros(DIM, np.int8))
        kernel = b.add("DequantizeLinear", b.constant("kernel", kernel), scale, zero, axis=0)
        value = b.add("Conv", "pixel_values", kernel, strides=[8, 8])
    value = b.add("GlobalAveragePool", b.add("Relu", value))
    b.add("Flatten", value, name="row")
    square = ["batch", 3, SIZE, SIZE]
    return b.model({"pixel_values": (TensorProto.FLOAT, square)}, {"row": ["batch", DIM]})


@pytest.mark.parametrize("dynamic", [False, True])
def test_quantised_weights_stay_as_stored(import_model, dynamic):
    """Dynamic ranges are of a whole batch, and would let an embedding follow its neighbours."""
    model = quantised(dynamic)
    package = import_model(model, **RULE)
    weights = load_file(package.weights)
    assert weights["kernel"].dtype == np.int8
    stored = next(t for t in model.graph.initializer if t.name == "kernel")
    np.testing.assert_array_equal(weights["kernel"], numpy_helper.to_array(stored))
    expected = outputs(model, planes(normalised(IMAGES)))
    np.testing.assert_allclose(served(package), expected, rtol=1e-3, atol=1e-3)


def test_names_that_the_package_uses_itself(import_model):
    """A graph whose input is called `images`, or whose inner value is called `embedding`."""
    b = Builder()
    value = b.add("Conv", "images", b.weight("zoo.0", 8, 3, 8, 8), strides=[8, 8])
    b.add("Flatten", b.add("GlobalAveragePool", value, name="embedding"), name="zoo.1")
    square = ["batch", 3, SIZE, SIZE]
    model = b.model({"images": (TensorProto.FLOAT, square)}, {"zoo.1": ["batch", 8]})
    expected = outputs(model, planes(normalised(IMAGES)))
    found = served(import_model(model, **RULE))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_package_graph_with_its_weights_is_imported_again(import_model, tmp_path):
    """Its metadata says how photos become its input; nothing has to be said."""
    said = RULE | {"crop": 0.75, "interpolation": "bilinear"}
    first = import_model(convolutions(), **said)
    again = import_onnx(first.graph, "again", "1", Said(), Origin())
    block, before = again.manifest.input, first.manifest.input
    assert (block.size, block.crop, block.interpolation) == (SIZE, 0.75, "bilinear")
    assert before.mean == MEAN
    np.testing.assert_array_equal(served(again), served(first))


def test_golden_vectors_hold_clear_mistakes(import_model):
    golden = read_golden(import_model(convolutions(), **RULE).golden)
    assert set(golden.controls) == {"normalisation", "channel-order", "layout"}
    for wrong in golden.controls.values():
        assert agreement(wrong, golden.embeddings).cosine_min < 0.999


def test_a_mistake_that_cannot_be_seen_is_left_out(import_model):
    """Grey is the same for red first and blue first."""
    b = Builder()
    grey = b.add("ReduceMean", "pixel_values", b.constant("colours", np.array([1], np.int64)))
    value = b.add("Conv", grey, b.weight("w", DIM, 1, 8, 8), strides=[8, 8])
    b.add("Flatten", b.add("GlobalAveragePool", b.add("Relu", value)), name="row")
    square = ["batch", 3, SIZE, SIZE]
    model = b.model({"pixel_values": (TensorProto.FLOAT, square)}, {"row": ["batch", DIM]})
    golden = read_golden(import_model(model, range="-1-1").golden)
    assert set(golden.controls) == {"normalisation", "layout"}


def test_torchvision(torchvision, tmp_path, import_model):
    """PyTorch's own normalisation and network against the package."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Identity()
    path = tmp_path / "resnet18.onnx"
    torch.onnx.export(
        network.eval(),
        (torch.zeros(2, 3, 64, 64),),
        path,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        verbose=False,
    )
    package = import_onnx(path, "resnet18", "1", Said(**RULE), Origin())
    images = np.random.default_rng(3).integers(0, 256, (4, 64, 64, 3), np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(planes(normalised(images)))).numpy()
    assert agreement(served(package, images), expected).cosine_min > 1 - 1e-6
    onnx.checker.check_model(str(package.graph))
