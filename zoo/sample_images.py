"""Real images that come with a library, for golden vectors."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from zoo.arrays import Pixels
from zoo.images import InputBlock, Photo, square


def sample_squares(block: InputBlock, count: int = 16) -> Pixels:
    """Squares of many sizes cut from scikit-learn's two sample photos (CC BY 2.0), at fixed places.

    uint8 (count, size, size, 3).
    """
    rng = np.random.default_rng(0)
    photos = [Image.fromarray(image) for image in load_sample_images().images]
    squares = []
    for number in range(count):
        photo = photos[number % len(photos)]
        side = int(rng.integers(min(photo.size) // 6, min(photo.size)))
        left = int(rng.integers(photo.size[0] - side))
        top = int(rng.integers(photo.size[1] - side))
        crop = photo.crop((left, top, left + side, top + side))
        squares.append(square(Photo(crop, orientation=1), block))
    return np.stack(squares)
