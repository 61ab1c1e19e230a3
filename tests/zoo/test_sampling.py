"""Squares as TensorFlow 1 samples them, beside PyTorch's sampling at the same places."""

import io
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from zoo.arrays import Pixels
from zoo.images import InputBlock, read_square
from zoo.sampling import resample


@pytest.fixture(scope="module")
def photo() -> Pixels:
    found: Pixels = load_sample_images().images[0]
    return found


def sampled(square: Pixels, size: int, mode: Literal["bilinear", "bicubic"]) -> Pixels:
    """PyTorch's grid_sample, whose cubic is the same, at the places that TensorFlow 1 reads."""
    torch: Any = pytest.importorskip("torch")
    axes = [torch.arange(size) * (side / size) / (side - 1) * 2 - 1 for side in square.shape[:2]]
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    found = torch.nn.functional.grid_sample(
        torch.from_numpy(square).permute(2, 0, 1)[None].double(),
        torch.stack([columns, rows], dim=-1)[None].double(),
        mode=mode,
        padding_mode="border",
        align_corners=True,
    )
    result: Pixels = found[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    return result


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("side", [400, 97, 33])
def test_it_reads_the_nearest_pixels_at_the_same_places(
    photo: Pixels, mode: Literal["bilinear", "bicubic"], side: int
) -> None:
    square = np.ascontiguousarray(photo[:side, 100 : 100 + side])
    found = resample(square, 96, mode).astype(int)
    off = np.abs(found - sampled(square, 96, mode).astype(int))
    assert off.max() <= 1  # TensorFlow reads the cubic from a table
    assert off.mean() < 0.05


def png(pixels: Pixels, orientation: int = 1) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("height", "width", "side", "top", "left"),
    [
        # tf.round(0.875 * side), and ((whole - side) + 1) // 2 before it
        (64, 64, 56, 4, 4),
        (37, 50, 32, 3, 9),
        (50, 37, 32, 9, 3),
        (36, 91, 32, 2, 30),  # 31.5 is rounded to the even number
        (41, 60, 36, 3, 12),
        (1, 9, 1, 0, 4),
    ],
)
def test_the_square_is_googles(height: int, width: int, side: int, top: int, left: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    block = InputBlock(size=32, crop=0.875, antialias=False)
    expected = resample(pixels[top : top + side, left : left + side], 32, "bicubic")
    np.testing.assert_array_equal(read_square(png(pixels), block), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_cut_from_the_photo_as_it_is_seen(orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)
    block = InputBlock(size=32, crop=0.875, antialias=False)
    turned = Image.open(io.BytesIO(png(pixels, orientation)))
    upright = np.asarray(ImageOps.exif_transpose(turned))
    np.testing.assert_array_equal(
        read_square(png(pixels, orientation), block), read_square(png(upright), block)
    )


def test_a_block_without_it_is_written_as_before() -> None:
    assert "antialias" not in InputBlock(size=32).model_dump(mode="json")
    assert InputBlock(size=32, antialias=False).model_dump(mode="json")["antialias"] is False
