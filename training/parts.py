"""A step's batch, in the parts that pass through the network together."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.augment import share_generator
from training.methods import AnyMethod, Batch
from training.methods.method import named, unnamed
from training.schedule import BatchSchedule


def parts_of(
    method: AnyMethod,
    schedule: BatchSchedule,
    step: int,
    rank: int,
    images: tuple[Tensor, Tensor, Tensor],
) -> list[Callable[[], Any]]:
    """What makes the views of each part of a process's images, the same at every call.

    It also seeds the global generators, so that what is drawn inside the network depends on
    the seed, the step, the rank and the part alone, and a run goes on as if it had never stopped.

    Args:
        images: of the process, their index and their labels, as `Batch` has them.
    """
    recipe, parts = schedule.recipe, schedule.parts
    size = recipe.view_size(step, schedule.steps)

    def make(part: int, pixels: Tensor, index: Tensor, labels: Tensor) -> Any:
        seed_draws(recipe.seed, step, rank, part)
        seed = recipe.seed * 1_000_003 + step
        generator = share_generator(seed, rank * parts + part, schedule.ranks * parts)
        views = method.views(Batch(pixels, index, labels, step, size, generator))
        seed_draws(recipe.seed, step, rank, part)
        return unnamed({name: _laid_out(tensor) for name, tensor in named(views).items()})

    pieces = zip(*(tensor.chunk(parts) for tensor in images), strict=True)
    return [partial(make, part, *piece) for part, piece in enumerate(pieces)]


def seed_draws(*place: int) -> None:
    """Begin the global generators of torch, NumPy and Python anew, by the place in the run."""
    seed = int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0])
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def _laid_out(tensor: Tensor) -> Tensor:
    """Pictures as convolutions are fastest on."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
