"""What comes before training: checks that take no time, and images that are read once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sources import Listing, list_entries, list_source
from training.checkpoint import check_resumable
from training.data import Packed, leave_out_near, pack
from training.recipe import Recipe
from training.schedule import BatchSchedule


class Watch(Protocol):
    """What is told while images are read."""

    def reading(self, source: Path, done: int, total: int) -> None:
        """So many of a source's images are read."""

    def read(self, source: Path, images: Packed) -> None:
        """A source is read."""

    def left_out(self, images: Packed, source: Path, count: int) -> None:
        """So many of these were near-duplicates of images of a source, and are left out."""


def check_trainable(
    recipe: Recipe, data: Sequence[Path], exclude_near: Sequence[Path], run: Path, processes: int
) -> list[Listing]:
    """That training can begin, or go on, before any image is decoded; what each source has.

    Raises:
        DataError: a source cannot be used.
        TrainingError: the folder of the run cannot be used, or the images are too few.
    """
    check_resumable(run, recipe)
    for source in exclude_near:
        list_entries(source)
    listings = [list_source(source, "train") for source in data]
    BatchSchedule(recipe, [len(listing.entries) for listing in listings], processes)
    return listings


def read_sources(
    data: Sequence[Path], exclude_near: Sequence[Path], side: int, cache: Path, watch: Watch
) -> list[Packed]:
    """The train splits of `data`, without what is nearly the same as an image of `exclude_near`.

    Raises:
        DataError: a source has no readable images.
    """
    sources = [_read(path, side, cache, "train", watch) for path in data]
    for path in exclude_near:
        others = _read(path, side, cache, None, watch)
        for index, source in enumerate(sources):
            sources[index] = leave_out_near(source, others)
            watch.left_out(source, path, len(source) - len(sources[index]))
    return sources


def _read(source: Path, side: int, cache: Path, split: str | None, watch: Watch) -> Packed:
    images = pack(
        source, cache, side, split, lambda done, total: watch.reading(source, done, total)
    )
    watch.read(source, images)
    return images
