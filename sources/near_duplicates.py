"""Finding images of one set that show the same photo as an image of another."""

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE = 12


def near_duplicates(
    images: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8], threshold: float = 0.975
) -> npt.NDArray[np.bool_]:
    """Which of `images` correlate with any of `others` above `threshold` once both are tiny.

    The measure is the correlation of 12 x 12 pixels in colour, over the central crops of several
    sizes of either image, so that two centre crops of one photo meet.

    Args:
        images: uint8 (n, side, side, 3). others: uint8 (m, side, side, 3), any side.

    Returns:
        bool (n,).
    """
    found = np.zeros(len(images), bool)
    shares = (1.0, 0.92, 0.85, 0.78)
    for share, other in [(1.0, s) for s in shares] + [(s, 1.0) for s in shares[1:]]:
        references = _descriptors(others, other)
        for start in range(0, len(images), 4096):
            chunk = slice(start, start + 4096)
            likeness = _descriptors(images[chunk], share) @ references.T
            found[chunk] |= likeness.max(axis=1) > threshold
    return found


def _descriptors(images: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.float32]:
    """The central `share` of each image, tiny, zero mean and unit length: (n, 432)."""
    side = images.shape[1]
    margin = side * (1 - share) / 2
    box = (margin, margin, side - margin, side - margin)
    rows = np.empty((len(images), _SIDE * _SIDE * 3), np.float32)
    for row, pixels in zip(rows, images, strict=True):
        small = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX, box)
        row[:] = np.asarray(small, np.float32).ravel()
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows
