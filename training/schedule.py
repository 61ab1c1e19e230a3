"""Which images each step takes, and how they are divided over processes and passes."""

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError
from training.methods import Setup, check_method
from training.recipe import Recipe

Rows = npt.NDArray[np.int64]


class BatchSchedule:
    """Which images each step takes, and what the recipe's method is built for.

    A batch comes from one source, so that nothing but the image tells its views from the others;
    within an epoch each image is taken at most once. The batch of a step is the same whatever the
    number of `ranks`; each takes `share` consecutive rows of it, in `parts` passes.

    Raises:
        TrainingError: no source fills a batch, a batch cannot be divided, or the recipe's method
            does not go with these images or processes.
    """

    def __init__(self, recipe: Recipe, sizes: list[int], ranks: int = 1) -> None:
        self.recipe, self.sizes, self.ranks = recipe, sizes, ranks
        self.share, self.parts = _division(recipe, ranks)
        self.setup = _setup(recipe, sum(sizes), ranks)
        self.per_epoch = sum(size // recipe.batch for size in sizes)
        if self.per_epoch == 0:
            raise TrainingError(
                f"no source has the {recipe.batch} images of a batch (there are {sizes}): "
                "add images or lower the recipe's batch"
            )
        self.steps = max(1, round(recipe.epochs * self.per_epoch))
        self.warmup = min(self.steps, round(recipe.warmup_epochs * self.per_epoch))
        self._epoch = -1
        self._batches: list[tuple[int, Rows]] = []

    def epoch(self, step: int) -> float:
        """How many epochs are done when `step` steps are."""
        return step / self.per_epoch

    def batch(self, step: int, rank: int = 0) -> tuple[int, Rows]:
        """The number of the source and the rows that a rank takes from it."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._batches = self._shuffled(epoch)
            self._epoch = epoch
        source, rows = self._batches[position]
        return source, rows[rank * self.share : (rank + 1) * self.share]

    def _shuffled(self, epoch: int) -> list[tuple[int, Rows]]:
        rng = np.random.default_rng([self.recipe.seed, epoch])
        batches = []
        for number, size in enumerate(self.sizes):
            order = rng.permutation(size)
            for start in range(0, size - self.recipe.batch + 1, self.recipe.batch):
                batches.append((number, np.sort(order[start : start + self.recipe.batch])))
        return [batches[i] for i in rng.permutation(len(batches))]


def _setup(recipe: Recipe, images: int, ranks: int) -> Setup:
    setup = recipe.setup(images, ranks)
    try:
        check_method(recipe.method, setup)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    return setup


def _division(recipe: Recipe, ranks: int) -> tuple[int, int]:
    """Images a rank, and passes they are taken in."""
    share, rest = divmod(recipe.batch, ranks)
    if rest:
        raise TrainingError(
            f"a batch of {recipe.batch} images cannot be shared equally by {ranks} processes: "
            "start another number of them, or change the recipe's batch"
        )
    if share < 2:
        raise TrainingError(
            f"a batch of {recipe.batch} images leaves {share} to each of {ranks} processes, and "
            "batch normalisation needs two: start fewer, or raise the recipe's batch"
        )
    if recipe.microbatch is None or recipe.microbatch >= share:
        return share, 1
    parts, rest = divmod(share, recipe.microbatch)
    if rest:
        raise TrainingError(
            f"the {share} images of a process cannot be taken {recipe.microbatch} at a time: "
            "choose a microbatch that divides them"
        )
    return share, parts
