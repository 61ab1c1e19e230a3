"""What the training tests share: real images."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_sample_images

Cropper = Callable[..., npt.NDArray[np.uint8]]


@pytest.fixture(scope="session")
def crops() -> Cropper:
    """crops(n, height, width=height, seed=0, photo=None): pieces of two photos, uint8 RGB."""
    photos = load_sample_images().images

    def cut(
        n: int, height: int, width: int | None = None, seed: int = 0, photo: int | None = None
    ) -> npt.NDArray[np.uint8]:
        width = width or height
        rng = np.random.default_rng(seed)
        pieces = []
        for _ in range(n):
            image = photos[rng.integers(len(photos)) if photo is None else photo]
            top = rng.integers(image.shape[0] - height + 1)
            left = rng.integers(image.shape[1] - width + 1)
            pieces.append(image[top : top + height, left : left + width])
        return np.stack(pieces)

    return cut
