"""What the training tests share: torchvision as the reference, and real images."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_sample_images

Cropper = Callable[..., npt.NDArray[np.uint8]]

_libraries = []


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, also beside a build of PyTorch that cannot load its compiled extension.

    Without the extension the import stops at "operator torchvision::nms does not exist" and cannot
    be tried again in one process, so the operators it looks for are declared first; none is run.
    """
    torch = pytest.importorskip("torch")
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        pytest.skip("torchvision, the reference of the augmentations, is not installed")
    try:
        for extension in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(extension)
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)  # its definitions go when it does
    return importlib.import_module("torchvision")


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
