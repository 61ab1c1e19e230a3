"""Real images that come with a library, for golden vectors."""

from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from zoo.arrays import Pixels
from zoo.images import InputBlock, Photo, decode, square


def sample_squares(block: InputBlock, count: int = 16) -> Pixels:
    """Squares of many sizes cut from scikit-learn's two sample photos (CC BY 2.0), at fixed places.

    uint8 (count, size, size, 3).
    """
    rng = np.random.default_rng(0)
    # As files: importing scikit-learn takes longer than all the rest.
    folder = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/images")))
    photos = [decode((folder / name).read_bytes()).pixels for name in ("china.jpg", "flower.jpg")]
    squares = []
    for number in range(count):
        photo = photos[number % len(photos)]
        side = int(rng.integers(min(photo.size) // 6, min(photo.size)))
        left = int(rng.integers(photo.size[0] - side))
        top = int(rng.integers(photo.size[1] - side))
        crop = photo.crop((left, top, left + side, top + side))
        squares.append(square(Photo(crop, orientation=1), block))
    return np.stack(squares)
