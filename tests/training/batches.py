"""What tests of methods begin with: a method with fresh weights, and a batch of images."""

from typing import Any

import torch
from torch import Generator, Tensor

from training.augment import Augmentation
from training.methods import Batch, MethodSettings, build_method
from training.recipe import Recipe
from zoo.architectures import Architecture


def fresh(
    settings: MethodSettings,
    architecture: Architecture,
    augmentation: Augmentation,
    images: int | None = None,
    **others: Any,
) -> Any:
    """A method as the loop would build it, by the seed 0; `others` are of the recipe."""
    recipe = Recipe(method=settings, architecture=architecture, augmentation=augmentation, **others)
    torch.manual_seed(0)
    return build_method(settings, recipe.setup(images))


def batch(
    images: Tensor, size: int, generator: Generator | int = 0, index: list[int] | None = None
) -> Batch:
    """A first step's batch without labels; a generator is begun with the seed that is given."""
    if isinstance(generator, int):
        generator = torch.Generator().manual_seed(generator)
    place = torch.arange(len(images)) if index is None else torch.tensor(index)
    return Batch(images, place, torch.full_like(place, -1), 0, size, generator)
