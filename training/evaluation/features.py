"""Features of a labelled source, computed once and read by every protocol."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sources import DataError, Entry, read_files, source_digest, source_name
from zoo.arrays import Pixels, Vectors
from zoo.encoders import Run
from zoo.files import whole_file
from zoo.images import ImageError, InputBlock
from zoo.package import Package
from zoo.squares import read_squares

StageProgress = Callable[[str, int, int], None]
"""Called with the name of the stage, how much of it is done, and of how much."""

_BATCH = 256


@dataclass(frozen=True)
class EvaluatedModel:
    """A method to evaluate.

    name: in tables. identity: what its features are cached under; another whenever they would be.
    block: how an image becomes the square that `embed` takes, as in the gateway.
    embed: uint8 (n, size, size, 3) -> float32 (n, dim), of any length.
    source: what its network is read from; None for what has none to train on.
    """

    name: str
    identity: str
    block: InputBlock
    embed: Callable[[Pixels], Vectors]
    source: Run | Package | None = None


@dataclass(frozen=True)
class Features:
    """n images as vectors.

    vectors: float32 (n, dim), unit length. labels: int64 (n,), positions in `classes`.
    paths: of the n images inside their source. unreadable: images left out, with the reason.
    """

    vectors: Vectors
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    unreadable: dict[str, str]


def embed_source(
    embedder: EvaluatedModel,
    source: Path,
    entries: list[Entry],
    cache: Path | None = None,
    progress: StageProgress | None = None,
) -> Features:
    """Features of the entries of a folder or tar, read from `cache` where it has them.

    Raises:
        DataError: no image can be read, or the embedder's vectors are not finite.
    """
    file = cache and cache / f"features-{_key(embedder, source, entries)}.npz"
    if file is None or not file.is_file():
        rows, vectors, unreadable = _embed_all(embedder, source, entries, progress)
        if file is not None:
            _save(file, rows, vectors, unreadable)
    else:
        with np.load(file) as saved:
            rows, vectors = saved["rows"], saved["vectors"]
            unreadable = json.loads(str(saved["unreadable"]))
    return _features(vectors, [entries[row] for row in rows], unreadable)


def gather(parts: Sequence[Features], entries: list[Entry]) -> Features:
    """The features of `entries`, in their order, out of those of several parts of a source."""
    unreadable = {path: why for part in parts for path, why in part.unreadable.items()}
    vectors = np.concatenate([part.vectors for part in parts])
    row = {path: i for i, path in enumerate(path for part in parts for path in part.paths)}
    kept = [entry for entry in entries if entry.path in row]
    lost = {entry.path: unreadable[entry.path] for entry in entries if entry.path not in row}
    return _features(vectors[[row[entry.path] for entry in kept]], kept, lost)


def unit_length(vectors: Vectors) -> Vectors:
    """Rows (n, d) to unit length; a row of zeros, which has no direction, points everywhere alike.

    Such rows are rare but real: the gradients of a flat image are all zero.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = np.full_like(vectors, vectors.shape[1] ** -0.5)
    return np.where(norms > 0, vectors / np.where(norms > 0, norms, 1), flat)


def _features(vectors: Vectors, entries: list[Entry], unreadable: dict[str, str]) -> Features:
    classes = tuple(sorted({entry.label for entry in entries}))
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[entry.label] for entry in entries], np.int64)
    return Features(vectors, labels, classes, tuple(e.path for e in entries), unreadable)


def _key(embedder: EvaluatedModel, source: Path, entries: list[Entry]) -> str:
    parts = [embedder.identity, embedder.block.model_dump_json(), source_digest(source, entries)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _embed_all(
    embedder: EvaluatedModel, source: Path, entries: list[Entry], progress: StageProgress | None
) -> tuple[npt.NDArray[np.int64], Vectors, dict[str, str]]:
    """Rows of the entries that could be read (in order), their vectors, and the others' reasons."""
    rows: list[int] = []
    chunks: list[Vectors] = []
    unreadable: dict[str, str] = {}
    done = 0
    for batch in read_squares(read_files(source, entries), embedder.block, _BATCH):
        good = [(row, square) for row, square in batch if not isinstance(square, ImageError)]
        unreadable |= {entries[r].path: str(e) for r, e in batch if isinstance(e, ImageError)}
        if good:
            vectors = np.asarray(embedder.embed(np.stack([s for _, s in good])), np.float32)
            finite = np.isfinite(vectors).all(axis=1)
            if not finite.all():
                path = entries[good[int(finite.argmin())][0]].path
                raise DataError(f"{embedder.name} gives a vector that is not finite for {path}")
            rows += [row for row, _ in good]
            chunks.append(unit_length(vectors))
        done += len(batch)
        if progress:
            progress(f"{embedder.name}: embedding {source_name(source)}", done, len(entries))
    if not rows:
        raise DataError(f"{source}: none of its {len(entries)} images can be read")
    order = np.argsort(rows)
    return np.array(rows, np.int64)[order], np.concatenate(chunks)[order], unreadable


def _save(
    file: Path, rows: npt.NDArray[np.int64], vectors: Vectors, unreadable: dict[str, str]
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as partial:
        np.savez(partial, rows=rows, vectors=vectors, unreadable=json.dumps(unreadable))
