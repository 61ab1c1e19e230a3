"""What cannot be imported is refused in words that say what it is, and leaves nothing behind."""

import os
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from onnx import TensorProto, helper, numpy_helper

from tests.foreign_onnx import SIZE, Builder, convolutions, save, transformer
from zoo.errors import ImportRefusedError, InstalledError
from zoo.importing import Origin, Said, import_onnx

SAID = Said(range="-1-1")


@pytest.fixture
def refused(tmp_path, home):
    """refused(model or bytes, said): the one line that it is refused with."""
    path = tmp_path / "model.onnx"

    def run(model, said=SAID):
        if isinstance(model, bytes):
            path.write_bytes(model)
        elif model is not None:
            save(model, path)
        with pytest.raises(ImportRefusedError) as caught:
            import_onnx(path, "mine", "1", said, Origin())
        assert not [found for found in home.rglob("*") if not found.is_dir()]
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        return message

    return run


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello\n", "not an ONNX file"),
        (os.urandom(2000), "not an ONNX file"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b'{"error": "gated"}', "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "git-lfs"),
        (b"\xef\xbb\xbf<html><body>Sign in</body></html>", "web page"),
        (b"PK\x03\x04" + bytes(100), "a zip, as PyTorch writes checkpoints"),
        (safetensors.numpy.save({"a": np.zeros(3)}), "weights as safetensors"),
    ],
)
def test_files_that_are_something_else(refused, content, words):
    assert words in refused(content)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_that_is_cut_short(refused, share):
    content = convolutions().SerializeToString()
    assert "cut short" in refused(content[: int(share * len(content))])


def test_a_model_without_a_network(refused):
    model = convolutions()
    del model.graph.node[:]
    assert "without a network" in refused(model)


def graph_of(inputs, outputs, *operators):
    """A chain of operators from the first input to the first output."""
    b = Builder()
    value, last = next(iter(inputs)), next(iter(outputs))
    for number, (operator, attributes) in enumerate(operators):
        name = last if number + 1 == len(operators) else None
        more = attributes.pop("also", ())
        value = b.add(operator, value, *more, name=name, **attributes)
    return b.model(inputs, outputs)


IMAGE = (TensorProto.FLOAT, ["n", 3, SIZE, SIZE])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"words": (TensorProto.FLOAT, ["n", 77])}, ["words (n x 77)", "4 axes"]),
        ({"a": IMAGE, "b": IMAGE}, ["2 inputs", "a (n x 3 x 32 x 32)", "b ("]),
        ({"x": (TensorProto.FLOAT, ["n", 1, 32, 32])}, ["3 colours", "n x 1 x 32 x 32", "x"]),
        ({"x": (TensorProto.FLOAT, ["n", 3, 32, 64])}, ["n x 3 x 32 x 64", "square"]),
        ({"x": (TensorProto.INT32, ["n", 3, 32, 32])}, ["int32", "uint8 or floats"]),
    ],
)
def test_inputs_that_are_no_image(refused, inputs, words):
    names = list(inputs)
    steps = [("Add", {"also": names[1:]})] if len(names) > 1 else []
    model = graph_of(inputs, {"out": ["n", "d"]}, *steps, ("Flatten", {}))
    message = refused(model, Said(range="-1-1", layout=None))
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (("ReduceMean", {"keepdims": 0}), "its output is no shape for 1 image(s)"),
        (("Unsqueeze", {"also": ["axes"]}), "its output out is n x 1 x 3 x 32 x 32"),
    ],
)
def test_outputs_of_another_rank(refused, operator, words):
    model = graph_of({"x": IMAGE}, {"out": None}, operator)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axes"))
    message = refused(model)
    assert words in message
    assert "choose another with --output" in message


def test_outputs_that_are_not_there(refused):
    message = refused(convolutions(), Said(range="-1-1", output="featurs"))
    assert "no output featurs" in message
    assert "features (batch x 24)" in message


def test_a_pool_that_does_not_fit(refused):
    said = Said(range="-1-1", pool="cls")
    assert "--pool can be none" in refused(convolutions(), said)
    assert "--pool can be mean" in refused(convolutions(end="map"), said)
    assert "--pool can be cls or mean" in refused(transformer(), Said(range="-1-1", pool="none"))


def beside(tmp_path, location):
    """A model whose weights lie in `location`."""
    model = convolutions()
    tensor = model.graph.initializer[0]
    content, shape = tensor.raw_data, list(tensor.dims)
    tensor.CopyFrom(TensorProto(name="stem.weight", data_type=TensorProto.FLOAT, dims=shape))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model, content


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret"])
def test_weights_outside_of_the_folder(refused, tmp_path, location):
    model, content = beside(tmp_path, location)
    (tmp_path.parent / "secret").write_bytes(content)
    message = refused(model)
    assert "'stem.weight'" in message
    assert "outside" in message


@pytest.mark.parametrize("link", ["file", "folder"])
def test_weights_behind_a_link(refused, tmp_path, link):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    model, content = beside(tmp_path, "weights" if link == "file" else "folder/weights")
    (outside / "weights").write_bytes(content)
    target = (outside / "weights") if link == "file" else outside
    (tmp_path / ("weights" if link == "file" else "folder")).symlink_to(target)
    assert "symbolic link" in refused(model)


def test_weights_that_are_missing_or_cut_short(refused, tmp_path):
    model, content = beside(tmp_path, "weights")
    assert "not there" in refused(model)
    (tmp_path / "weights").write_bytes(content[:-4])
    message = refused(model)
    assert "'stem.weight'" in message


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_nan_in_a_weight_is_named(refused, dtype):
    kind = TensorProto.FLOAT if dtype == np.float32 else TensorProto.FLOAT16
    model = convolutions(kind=kind)
    values = numpy_helper.to_array(model.graph.initializer[1]).copy()
    values[3, 2, 1, 0] = np.nan
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(values, "body.weight"))
    message = refused(model)
    assert "'body.weight'" in message
    assert "NaN" in message


def test_operators_that_the_runtime_lacks(refused):
    b = Builder()
    b.add("Fancy", "x", name="row", domain="com.example")
    model = b.model({"x": IMAGE}, {"row": ["n", 4]}, opsets=[helper.make_opsetid("com.example", 1)])
    message = refused(model)
    assert "ONNX Runtime refuses it" in message
    assert "Fancy" in message
    assert "\n" not in message


@pytest.mark.parametrize("opset", [5, 999])
def test_opsets_that_the_runtime_lacks(refused, opset):
    model = convolutions()
    model.opset_import[0].version = opset
    assert "opset" in refused(model).lower()


def constant_output(value):
    b = Builder()
    zero = b.add("Mul", "x", b.constant("zero", np.float32(0)))
    row = b.add("Flatten", b.add("GlobalAveragePool", zero))
    b.add("Add", row, b.constant("value", np.array([value, 1, 2], np.float32)), name="row")
    return b.model({"x": IMAGE}, {"row": ["n", 3]})


def test_an_output_that_is_the_same_for_all_photos(refused):
    assert "same for all photos" in refused(constant_output(0.0))


def test_an_output_that_is_not_finite(refused):
    model = graph_of({"x": IMAGE}, {"row": ["n", "d"]}, ("Log", {}), ("Flatten", {}))
    assert "not finite" in refused(model)


def test_a_batch_of_several_that_is_fixed(refused):
    b = Builder()
    value = b.add("Flatten", b.add("GlobalAveragePool", "x"))
    b.add("Add", value, b.weight("w", 2, 3), name="row")
    message = refused(b.model({"x": (TensorProto.FLOAT, [2, 3, SIZE, SIZE])}, {"row": [2, 3]}))
    assert "batch is fixed at 2" in message
    assert "dynamic batch axis" in message


def test_all_that_is_missing_is_said_at_once(refused):
    """A line for each, with the option that gives it."""
    model = transformer(size=SIZE, outputs=("last_hidden_state",))
    for position, name in ((1, "c"), (2, "h"), (3, "w")):
        model.graph.input[0].type.tensor_type.shape.dim[position].dim_param = name
    lines = refused(model, Said()).splitlines()[1:]
    options = [line.split()[0] for line in lines]
    assert options == ["--pool", "--layout", "--size", "--range", "--mean", "--std"]
    two = transformer(outputs=("last_hidden_state", "pooler_output"))
    message = refused(two, Said(range="-1-1"))
    assert "--output NAME: it has last_hidden_state (batch x 17 x 16), pooler_output" in message


def test_two_towers_and_no_word_which(refused):
    """As in CLIP: the outputs are listed, one of which needs the image alone."""
    b = Builder()
    b.add("Flatten", b.add("GlobalAveragePool", "image"), name="image_embeds")
    b.add("MatMul", "words", b.weight("w", 4, 3), name="text_embeds")
    text = (TensorProto.FLOAT, ["n", 4])
    outputs = {"text_embeds": ["n", 3], "image_embeds": ["n", 3]}
    message = refused(b.model({"words": text, "image": IMAGE}, outputs))
    assert "words (n x 4), image (n x 3 x 32 x 32)" in message
    assert "--output NAME: it has text_embeds (n x 3), image_embeds (n x 3)" in message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(range="-1-1", size=64), "--size says 64"),
        (Said(range="-1-1", layout="nhwc"), "not nhwc"),
        (Said(range="0-1", mean=(0, 0, 0), std=(0, 1, 1)), "--std must be above 0"),
        (Said(range="-1-1", resize=16), "less than the 32"),
    ],
)
def test_options_that_contradict_the_file(refused, said, words):
    assert words in refused(convolutions(), said)


def test_uint8_takes_no_normalisation(refused):
    assert "leave out --range" in refused(convolutions(kind=TensorProto.UINT8))


def test_a_version_that_is_installed(tmp_path):
    path = save(convolutions(), tmp_path / "model.onnx")
    import_onnx(path, "mine", "1", SAID, Origin())
    with pytest.raises(InstalledError, match="choose another version"):
        import_onnx(path, "mine", "1", SAID, Origin())


FULL = """
import resource, signal, sys
from pathlib import Path
from zoo.importing import Origin, Said, import_onnx
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    import_onnx(Path(sys.argv[1]), "mine", "1", Said(range="-1-1"), Origin())
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("limit", [500, 10_000, 17_500])
def test_a_disk_that_is_full(tmp_path, home, limit):
    """In the weights, and in what follows them."""
    path = save(convolutions(), tmp_path / "model.onnx")
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, str(limit)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "File too large", done.stderr
    assert not [found for found in home.rglob("*") if not found.is_dir()]
