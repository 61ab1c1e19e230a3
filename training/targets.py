"""What a teacher makes of the images of a run: each embedded once, kept in the run's folder."""

import hashlib
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from training.data import Packed, alone
from training.errors import TrainingError
from zoo.arrays import Vectors
from zoo.images import Photo, square
from zoo.package import Package
from zoo.progress import Progress
from zoo.runtimes import Execution, Runtime, open_runtime
from zoo.runtimes.protocol import Device

Targets = npt.NDArray[np.float16]

_CHUNK = 64
"""Images at a time; an interrupted file is taken up after whole chunks, so that it comes equal."""


def teacher_targets(
    teacher: Package, sources: Sequence[Packed], run: Path, progress: Progress | None = None
) -> Targets:
    """The teacher's embedding of every image as it is stored, source after source.

    A stored image is prepared as the teacher's `input` block says and embedded by the runtime that
    serves it. The file is named by a digest of the teacher's space and the pixels, so that it is
    never taken for another; one that was interrupted is gone on with. Of several processes one
    embeds and the others wait.

    Returns:
        Unit length, float16 (images, dim), a read-only memory map in the run's folder.

    Raises:
        TrainingError: the disk has no room, or an embedding is not finite.
        RuntimeUnavailableError, GoldenMismatchError: as `open_runtime`.
    """
    path = run / f"teacher-{_digest(teacher, sources)[:16]}.npy"
    if not path.is_file():
        with alone(run):
            if not path.is_file():  # else another process has just written it
                _write(teacher, sources, path, progress)
    targets: Targets = np.load(path, mmap_mode="r")
    return targets


def _digest(teacher: Package, sources: Sequence[Packed]) -> str:
    digest = hashlib.sha256(teacher.manifest.space.encode())
    for source in sources:
        digest.update(repr(source.pixels.shape).encode())
        for start in range(0, len(source), 1024):
            digest.update(source.pixels[start : start + 1024].tobytes())
    return digest.hexdigest()


def _write(
    teacher: Package, sources: Sequence[Packed], path: Path, progress: Progress | None
) -> None:
    total, dim = sum(map(len, sources)), teacher.manifest.dim
    header, row = _header(total, dim), 2 * dim
    partial = path.with_suffix(".part")
    written = partial.stat().st_size if partial.is_file() else 0
    done = max(0, written - len(header)) // (_CHUNK * row) * _CHUNK
    _check_room(path, len(header) + total * row - written)
    runtime = open_runtime(teacher, Execution(device=_device()))
    try:
        with partial.open("r+b" if done else "w+b") as file:
            file.write(header)
            file.truncate(len(header) + done * row)
            file.seek(0, os.SEEK_END)
            for first in range(done, total, _CHUNK):
                rows = _embedded(runtime, teacher, sources, first)
                file.write(rows.tobytes())
                if progress:
                    progress(first + len(rows), total)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise TrainingError(
            f"{path}: the teacher's embeddings could not be written ({error.strerror}): make "
            "room, and the same command goes on from there"
        ) from error


def _header(images: int, dim: int) -> bytes:
    """Of a NumPy file of so many rows in float16."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f2", "fortran_order": False, "shape": (images, dim)}
    )
    return buffer.getvalue()


def _check_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise TrainingError(
            f"{path.parent}: the teacher's embeddings need {needed / 1e6:,.0f} MB of disk and "
            f"{free / 1e6:,.0f} MB are free: make room, or give another --out"
        )


def _device() -> Device:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _embedded(runtime: Runtime, teacher: Package, sources: Sequence[Packed], first: int) -> Targets:
    """The rows of the chunk that begins with the image `first`, unit length."""
    block = teacher.manifest.input
    places = _places(sources, first)
    images = [
        square(Photo(Image.fromarray(source.pixels[row]), orientation=1), block)
        for source, row in places
    ]
    rows = runtime.embed(np.stack(images))
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        source, row = places[int(finite.argmin())]
        raise TrainingError(
            f"{teacher.manifest.reference} has no finite embedding of {source.entries[row].path} "
            f"of {source.name}: take another teacher, or leave the image out"
        )
    unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit.astype("<f2")


def _places(sources: Sequence[Packed], first: int) -> list[tuple[Packed, int]]:
    """The source and the row of each image of a chunk, by its place among all."""
    starts = np.cumsum([0, *map(len, sources)])
    chunk = range(first, min(first + _CHUNK, int(starts[-1])))
    numbers = np.searchsorted(starts, chunk, side="right") - 1
    return [
        (sources[number], index - int(starts[number]))
        for number, index in zip(numbers, chunk, strict=True)
    ]
