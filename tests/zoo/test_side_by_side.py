"""Several encoders on the same images."""

import io

import numpy as np
import pytest
from onnx import TensorProto
from PIL import Image

from tests.foreign_onnx import Builder, save
from zoo.images import read_square
from zoo.importing import Origin, Said, import_onnx
from zoo.package import read_package
from zoo.runtimes import open_runtime
from zoo.side_by_side import embed_side_by_side


def files(count):
    """Photos of noise; the last is black."""
    rng, found = np.random.default_rng(0), []
    for number in range(count):
        pixels = rng.integers(60, 256, (40, 30, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels * np.uint8(number < count - 1)).save(buffer, "PNG")
        found.append(buffer.getvalue())
    return found


@pytest.fixture
def of_brightness(tmp_path, home):
    """of_brightness(name, operator): the mean colour, times a function of its sum."""

    def make(name, operator, more=0.0):
        builder = Builder()
        mean = builder.add("ReduceMean", "x", builder.extents("axes", 2, 3), keepdims=0)
        total = builder.add("ReduceSum", mean, builder.extents("one", 1))
        colour = builder.add("Add", mean, builder.constant("more", np.float32(more)))
        builder.add("Mul", colour, builder.add(operator, total), name="h")
        model = builder.model({"x": (TensorProto.FLOAT, ["n", 3, 16, 16])}, {"h": ["n", 3]})
        path = save(model, tmp_path / f"{name}.onnx")
        said = Said(range="0-1", mean=(0, 0, 0), std=(1, 1, 1))
        return import_onnx(path, name, "1", said, Origin("", "", "", "MIT", "MIT", ""))

    return make


def measure(packages, images):
    return embed_side_by_side(packages, lambda: enumerate(images), len(images), seconds=0.01)


def test_an_image_that_one_cannot_embed_is_left_out_for_all(make_package, of_brightness):
    tiny = read_package(make_package())
    packages = [tiny, of_brightness("logarithm", "Log"), of_brightness("root", "Sqrt")]
    images = files(40)
    calls = []
    found = embed_side_by_side(
        packages, lambda: enumerate(images), 40, 0.01, lambda *call: calls.append(call)
    )
    assert not found.failed
    assert found.left_out[39] in {
        "logarithm@1: its vector is not finite",
        "root@1: its vector is all zeros",
    }
    assert found.rows.tolist() == list(range(39))
    assert {name: vectors.shape for name, vectors in found.vectors.items()} == {
        "tiny@1": (39, 12),
        "logarithm@1": (39, 3),
        "root@1": (39, 3),
    }
    squares = np.stack([read_square(data, tiny.manifest.input) for data in images[:39]])
    vectors = open_runtime(tiny).embed(squares)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors["tiny@1"], vectors, atol=1e-6)
    assert calls == [(p.manifest.reference, done, 40) for p in packages for done in (0, 32, 40)]
    cost = found.figures["tiny@1"]
    assert cost.memory > 20e6
    assert cost.file_bytes == sum(
        (tiny.path / name).stat().st_size for name in ("encoder.onnx", "encoder.safetensors")
    )
    assert found.speeds["tiny@1"] == cost.median_images_per_second > 0


def test_an_encoder_that_fails_is_named_and_the_others_go_on(make_package, of_brightness):
    damaged = make_package("damaged")
    weights = bytearray((damaged / "encoder.safetensors").read_bytes())
    weights[-200:-100] = bytes(100)
    (damaged / "encoder.safetensors").write_bytes(weights)
    packages = [
        read_package(damaged),
        of_brightness("logarithm", "Log"),
        of_brightness("e", "Exp", more=0.5),
    ]
    found = measure(packages, files(9))
    assert set(found.vectors) == {"e@1"}
    assert "golden" in found.failed["damaged@1"]
    assert found.failed["logarithm@1"] == (
        "it embeds only 8 of 9 images: of another, its vector is not finite"
    )
    assert not found.left_out
    assert len(found.rows) == 9


def test_where_all_fail_there_is_no_vector(of_brightness):
    found = measure([of_brightness("logarithm", "Log")], files(2))
    assert (found.vectors, found.rows.tolist()) == ({}, [])


def test_an_image_that_cannot_be_read_any_more_is_left_out(make_package):
    found = measure([read_package(make_package())], [*files(11), b"gone"])
    assert found.rows.tolist() == list(range(11))
    assert "not an image" in found.left_out[11]
