"""Random samples of images, read as the gateway would."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from sources.entry import DataError
from sources.listing import list_entries, read_files
from sources.near_duplicates import near_duplicates
from zoo.arrays import Pixels
from zoo.images import ImageError, InputBlock, read_square

_SMALL = InputBlock(size=48)


def sample_squares(sources: Sequence[Path], block: InputBlock, count: int) -> Pixels:
    """Some `count` images of the train splits, as many of each source: uint8 (n, size, size, 3).

    Raises:
        DataError: a source cannot be used, or none of the images can be read.
    """
    found = _sample(sources, block, count, "train", None)
    if not found:
        raise DataError(f"none of the images of {sources[0]} can be read")
    return np.stack([square for _, square in found])


def sample_apart(
    sources: Sequence[Path], exclude: Sequence[Path], block: InputBlock, count: int
) -> Iterator[tuple[Pixels, int]]:
    """Of each source what `sample_squares` gives, without near-duplicates of images of `exclude`.

    exclude: all their images count, of whatever split.

    Returns:
        For each source its squares, uint8 (n, size, size, 3), and how many were left out.

    Raises:
        DataError: a source cannot be used, or none of its images is left.
    """
    every = [square for path in exclude for square in _all_small(path)]
    others = np.stack(every) if every else None
    for path in sources:
        squares = sample_squares([path], block, count // len(sources))
        near = np.zeros(len(squares), bool) if others is None else near_duplicates(squares, others)
        if near.all():
            raise DataError(f"{path}: each of its images is nearly one that is to be left out")
        yield squares[~near], int(near.sum())


def sample_labelled(
    sources: Sequence[Path], block: InputBlock, count: int, classes: int
) -> list[tuple[str, Pixels]]:
    """Label and square, uint8 (size, size, 3), of some `count` images of all splits, shuffled.

    They are of at most `classes` classes, so that each has several, as many of each source.

    Raises:
        DataError: a source cannot be used.
    """
    return _sample(sources, block, count, None, classes)


def _all_small(source: Path) -> list[Pixels]:
    """All images of a source, small as they are compared."""
    count = len(list_entries(source))
    return [square for _, square in _sample([source], _SMALL, count, None, None)]


def _sample(
    sources: Sequence[Path],
    block: InputBlock,
    count: int,
    split: str | None,
    classes: int | None,
) -> list[tuple[str, Pixels]]:
    rng = np.random.default_rng(0)
    found = []
    for source in sources:
        entries = list_entries(source, split)
        if classes:
            labels = sorted({entry.label for entry in entries})
            kinds = set(rng.permutation(labels)[: max(2, classes // len(sources))])
            entries = [entry for entry in entries if entry.label in kinds]
        rows = np.sort(rng.permutation(len(entries))[: count // len(sources)])
        chosen = [entries[row] for row in rows]
        for row, data in read_files(source, chosen):
            with suppress(ImageError):
                found.append((chosen[row].label, read_square(data, block)))
    return [found[row] for row in rng.permutation(len(found))]
