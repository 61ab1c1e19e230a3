"""Random samples of images, read as the gateway would."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from sources.entry import DataError
from sources.listing import list_entries, read_files
from zoo.arrays import Pixels
from zoo.images import ImageError, InputBlock, read_square


def sample_squares(sources: Sequence[Path], block: InputBlock, count: int) -> Pixels:
    """Some `count` images of the train splits, as many of each source: uint8 (n, size, size, 3).

    Raises:
        DataError: a source cannot be used, or none of the images can be read.
    """
    found = _sample(sources, block, count, "train", None)
    if not found:
        raise DataError(f"none of the images of {sources[0]} can be read")
    return np.stack([square for _, square in found])


def sample_labelled(
    sources: Sequence[Path], block: InputBlock, count: int, classes: int
) -> list[tuple[str, Pixels]]:
    """Label and square, uint8 (size, size, 3), of some `count` images of all splits, shuffled.

    They are of at most `classes` classes, so that each has several, as many of each source.

    Raises:
        DataError: a source cannot be used.
    """
    return _sample(sources, block, count, None, classes)


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
