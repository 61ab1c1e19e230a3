"""The size of a rehearsal: recipes of seconds, and data that are always at hand."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from training.recipe import Recipe
from zoo.architectures import CPCArchitecture, Stack

_METHODS: dict[str, dict[str, int]] = {
    "cpc": {"context_width": 8, "context_blocks": 1, "target_dim": 8},
    "instance-discrimination": {"negatives": 16},
    "moco": {"splits": 2, "queue": 64},
}


_NETWORK = CPCArchitecture(
    family="cpc",
    patch=12,
    stride=4,
    stem_channels=8,
    stacks=(
        Stack(blocks=1, channels=8),
        Stack(blocks=1, channels=8),
        Stack(blocks=1, channels=16),
    ),
)
"""The smallest there is, for every method: a ResNet-18 has too many weights for a rehearsal."""


def small(recipe: Recipe) -> Recipe:
    """The same method on a small network and small views, for one short epoch."""
    augmentation = recipe.augmentation.model_copy(update={"size": 32})
    method = recipe.method.model_copy(update=_METHODS.get(recipe.method.name, {}))
    return recipe.model_copy(
        update={
            "architecture": _NETWORK, "augmentation": augmentation, "method": method, "batch": 4,
            "epochs": 1, "warmup_epochs": 0, "compile": False, "phases": (), "stored_side": 32,
        }
    )  # fmt: skip


def write_photos(folder: Path, n: int = 10, side: int = 32) -> None:
    """Pieces of two photos, each a class, in train and test splits."""
    rng = np.random.default_rng(0)
    for name, photo in zip("ab", load_sample_images().images, strict=True):
        for number in range(n):
            split = "train" if number < n - 4 else "test"
            path = folder / split / name / f"{number:03d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            top, left = (rng.integers(limit - side + 1) for limit in photo.shape[:2])
            Image.fromarray(photo[top : top + side, left : left + side]).save(path, quality=95)
