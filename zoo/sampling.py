"""Resizing as TensorFlow 1 did it: each value from the nearest pixels alone, without antialiasing.

`tf.compat.v1.image.resize_bicubic` and `resize_bilinear` with their defaults (no aligned corners,
no half-pixel centres): value i of n lies at i * side / n, counted from the centre of the first
pixel; pixels outside repeat the edge. The cubic is Keys' with a = -0.75.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from zoo.arrays import Pixels

_A = -0.75
_STEPS = 1024  # TensorFlow reads the cubic from a table of so many steps


def resample(square: Pixels, size: int, interpolation: Literal["bilinear", "bicubic"]) -> Pixels:
    """uint8 (height, width, 3) -> uint8 (size, size, 3), clipped to 0-255."""
    rows, row_weights = _taps(square.shape[0], size, interpolation)
    columns, column_weights = _taps(square.shape[1], size, interpolation)
    total = np.zeros((size, size, square.shape[2]), np.float32)
    for row, row_weight in zip(rows, row_weights, strict=True):
        lines = square[row]  # (size, width, 3), once for all columns
        line = np.zeros_like(total)
        for column, column_weight in zip(columns, column_weights, strict=True):
            line += lines[:, column] * column_weight[None, :, None]
        total += line * row_weight[:, None, None]
    result: Pixels = np.clip(np.rint(total), 0, 255).astype(np.uint8)
    return result


def _taps(
    side: int, size: int, interpolation: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Of each value, the pixels that count and their weights: two arrays (taps, size)."""
    place = np.arange(size, dtype=np.float32) * np.float32(side / size)
    first = np.floor(place).astype(np.int64)
    share = place - first
    offsets: tuple[int, ...]
    if interpolation == "bilinear":
        offsets, weights = (0, 1), np.stack([1 - share, share])
    else:
        share = np.rint(share * _STEPS) / _STEPS
        offsets = (-1, 0, 1, 2)
        near, far = _near, _far
        weights = np.stack([far(1 + share), near(share), near(1 - share), far(2 - share)])
    pixels = np.clip(first + np.array(offsets)[:, None], 0, side - 1)
    return pixels, weights.astype(np.float32)


def _near(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Keys' cubic up to one pixel away."""
    result: npt.NDArray[np.floating] = ((_A + 2) * x - (_A + 3)) * x * x + 1
    return result


def _far(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """From one to two pixels away."""
    result: npt.NDArray[np.floating] = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return result
