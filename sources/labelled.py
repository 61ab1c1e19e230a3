"""The labelled images of a source that can be read, and which of them show the same photo."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sources.entry import DataError, Entry
from sources.listing import list_source, read_files
from sources.near_duplicates import near_pairs
from sources.subset import Subset
from zoo.arrays import Labels, Pixels
from zoo.images import ImageError, InputBlock
from zoo.progress import Progress
from zoo.squares import read_squares

_LOOK = InputBlock(size=48)
"""How an image is looked at for copies."""


@dataclass(frozen=True)
class Labelled:
    """n labelled images of a source.

    entries: where they are. labels: (n,), positions in `classes`.
    classes: the names of all labels, sorted, also of those whose images are all left out.
    groups: (n,), the same number for images of one class that show the same photo.
    left_out: files that are not among them, by path, with the reason of each.
    """

    entries: list[Entry]
    classes: tuple[str, ...]
    labels: Labels
    groups: npt.NDArray[np.int64]
    left_out: dict[str, str]

    @property
    def copies(self) -> int:
        """How many show a photo that another one shows."""
        return int((np.unique(self.groups, return_counts=True)[1] - 1).sum())

    def without(self, lost: Mapping[int, str]) -> "Labelled":
        """Without some images, given by number with the reason of each."""
        rows = [row for row in range(len(self.entries)) if row not in lost]
        return Labelled(
            [self.entries[row] for row in rows],
            self.classes,
            self.labels[rows],
            self.groups[rows],
            self.left_out | {self.entries[row].path: why for row, why in lost.items()},
        )


def read_labelled(
    source: Path, subset: Subset | None = None, progress: Progress | None = None
) -> Labelled:
    """Look at every image of a source, or of a part of it, once.

    Left out are images that cannot be read, those without a label, and those whose very bytes lie
    under two labels, of which nobody knows the right one.

    Raises:
        DataError: the source cannot be used, or no image is left.
    """
    subset = subset or Subset()
    listing = list_source(source)
    chosen = subset.found(source, listing.entries)
    inside = f"{subset.prefix}/" if subset.prefix else ""
    left_out = {one.path: one.reason for one in listing.passed_over if one.path.startswith(inside)}
    left_out |= {entry.path: "it has no label" for entry in chosen if not entry.label}
    entries = [entry for entry in chosen if entry.label]
    if not entries:
        raise DataError(
            f"{source}: none of its {len(chosen)} images has a label: put them into a folder a "
            "class, or add a labels.csv (path,label)"
        )
    squares, digests, unreadable = _look(source, entries, progress)
    left_out |= unreadable | _contradicted(entries, digests)
    rows = [row for row, entry in enumerate(entries) if entry.path not in left_out]
    if not rows:
        path, why = next(iter(left_out.items()))
        raise DataError(f"{source}: none of its images can be used, such as {path} ({why})")
    kept = [entries[row] for row in rows]
    classes = tuple(sorted({entry.label for entry in entries}))
    labels = np.array([classes.index(entry.label) for entry in kept], np.int64)
    groups = _groups(np.stack([squares[r] for r in rows]), [digests[r] for r in rows], labels)
    return Labelled(kept, classes, labels, groups, left_out)


def _look(
    source: Path, entries: list[Entry], progress: Progress | None
) -> tuple[dict[int, Pixels], dict[int, bytes], dict[str, str]]:
    """Small squares and digests of the files that can be read, by row; why the others cannot."""
    squares: dict[int, Pixels] = {}
    digests: dict[int, bytes] = {}
    unreadable: dict[str, str] = {}

    def digested() -> Iterator[tuple[int, bytes]]:
        for row, data in read_files(source, entries):
            digests[row] = hashlib.sha256(data).digest()
            yield row, data

    done = 0
    for batch in read_squares(digested(), _LOOK, batch=64):
        for row, square in batch:
            if isinstance(square, ImageError):
                unreadable[entries[row].path] = str(square)
            else:
                squares[row] = square
        done += len(batch)
        if progress:
            progress(done, len(entries))
    return squares, digests, unreadable


def _contradicted(entries: list[Entry], digests: dict[int, bytes]) -> dict[str, str]:
    """Images whose very bytes have another label elsewhere, each with where that is."""
    found: dict[bytes, list[Entry]] = {}
    for row, digest in digests.items():
        found.setdefault(digest, []).append(entries[row])
    return {
        entry.path: f"the same file has the label {other.label!r} as {other.path}"
        for same in found.values()
        for entry in same
        for other in [next((one for one in same if one.label != entry.label), None)]
        if other
    }


def _groups(squares: Pixels, digests: Sequence[bytes], labels: Labels) -> npt.NDArray[np.int64]:
    """The same number for images of one class that are near-duplicates, through others too."""
    first: dict[tuple[bytes, int], int] = {}
    keys = zip(digests, labels.tolist(), strict=True)
    pairs = [(first.setdefault(key, row), row) for row, key in enumerate(keys)]
    for label in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == label)
        pairs += [(int(members[a]), int(members[b])) for a, b in near_pairs(squares[members])]
    one, other = np.array(pairs).T
    graph = coo_array((np.ones(len(pairs)), (one, other)), shape=(len(labels), len(labels)))
    groups: npt.NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups
