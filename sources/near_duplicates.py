"""Images that show the same photo: copies, brighter or smaller ones, other crops of the centre."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE = 12
_SHARES = (1.0, 0.92, 0.85, 0.78)
_CROPS = [(1.0, share) for share in _SHARES] + [(share, 1.0) for share in _SHARES[1:]]
THRESHOLD = 0.975
"""Correlation above which two images are one photo."""


def near_duplicates(
    images: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8], threshold: float = THRESHOLD
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
    for start, likeness in _likeness(images, others):
        found[start : start + len(likeness)] |= likeness.max(axis=1) > threshold
    return found


def near_pairs(images: npt.NDArray[np.uint8]) -> set[tuple[int, int]]:
    """The pairs (a, b), a < b, of uint8 (n, side, side, 3) that are near-duplicates."""
    pairs = set()
    for start, likeness in _likeness(images, images):
        for a, b in np.argwhere(likeness > THRESHOLD):
            first, second = sorted((start + int(a), int(b)))
            if first != second:
                pairs.add((first, second))
    return pairs


def _likeness(
    images: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """A row number, and the correlations of the images from there on with the others, by crops."""
    for share, other in _CROPS:
        references = _descriptors(others, other)
        for start in range(0, len(images), 4096):
            yield start, _descriptors(images[start : start + 4096], share) @ references.T


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
