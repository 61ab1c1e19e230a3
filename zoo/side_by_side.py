"""Several encoders on the same images: what each costs here, and embeddings that can be paired."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.arrays import Pixels, Vector, Vectors
from zoo.errors import ZooError
from zoo.images import ImageError
from zoo.package import Package
from zoo.runtimes import Execution, Runtime, open_runtime
from zoo.runtimes.bench import Failure, Figures, bench
from zoo.squares import read_squares

Read = Callable[[], Iterator[tuple[int, bytes]]]
"""Gives the bytes of every image once, each with its number."""

BATCH = 32
"""Images in one run."""
_MOST_LOST = 0.1
"""The share of images from which on an encoder that cannot embed them is at fault, not they."""


@dataclass(frozen=True)
class SideBySide:
    """m images that every encoder has embedded.

    rows: int64 (m,), their numbers, ascending. vectors: float32 (m, dim) of unit length, by
    reference (`name@version`). figures: what each costs. left_out: images that one of them could
    not embed, by number. failed: encoders that cannot be measured here. Both with the reason.
    """

    rows: npt.NDArray[np.int64]
    vectors: dict[str, Vectors]
    figures: dict[str, Figures]
    left_out: dict[int, str]
    failed: dict[str, str]

    @property
    def speeds(self) -> dict[str, float]:
        """Images a second of each, by reference."""
        return {name: cost.median_images_per_second for name, cost in self.figures.items()}


def embed_side_by_side(
    packages: Sequence[Package],
    read: Read,
    count: int,
    seconds: float,
    progress: Callable[[str, int, int], None] | None = None,
) -> SideBySide:
    """Measure one encoder after the other, each on ONNX Runtime in fp32, and embed every image.

    An image that one encoder gives no usable vector for is left out for all; an encoder that has
    none for more than a tenth of them has failed instead.

    Args:
        packages: no reference twice. read: asked once for every encoder. count: images it gives.
        seconds: for the speed of each. progress: called with a reference, images done, and count.
    """
    found: dict[str, dict[int, Vector]] = {}
    figures: dict[str, Figures] = {}
    left_out: dict[int, str] = {}
    failed: dict[str, str] = {}
    for package in packages:
        name = package.manifest.reference
        if progress:
            progress(name, 0, count)
        try:
            cost = _cost(package, seconds)
            vectors, lost = _embed(package, read, count, progress)
        except _FailedError as error:
            failed[name] = str(error)
            continue
        figures[name], found[name] = cost, vectors
        left_out |= {number: f"{name}: {why}" for number, why in lost.items()}
    shared = set.intersection(*(set(vectors) for vectors in found.values())) if found else set()
    rows = sorted(shared)
    return SideBySide(
        np.array(rows, np.int64),
        {name: np.array([vectors[row] for row in rows]) for name, vectors in found.items()},
        figures,
        left_out,
        failed,
    )


class _FailedError(Exception):
    """Why an encoder cannot be measured."""


def _cost(package: Package, seconds: float) -> Figures:
    (result,) = bench(package, [Execution()], BATCH, seconds)
    if isinstance(result, Failure):
        raise _FailedError(result.reason)
    return result


def _embed(
    package: Package, read: Read, count: int, progress: Callable[[str, int, int], None] | None
) -> tuple[dict[int, Vector], dict[int, str]]:
    """Vectors by number of the image, and why others have none."""
    try:
        runtime = open_runtime(package)
    except ZooError as error:
        raise _FailedError(str(error)) from error
    vectors: dict[int, Vector] = {}
    lost: dict[int, str] = {}
    done = 0
    for batch in read_squares(read(), package.manifest.input, BATCH):
        lost |= {number: str(why) for number, why in batch if isinstance(why, ImageError)}
        good = [(number, found) for number, found in batch if not isinstance(found, ImageError)]
        if good:
            rows = _run(runtime, np.stack([square for _, square in good]))
            lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
            for (number, _), row, length in zip(good, rows, lengths, strict=True):
                if np.isfinite(length) and length > 0:
                    vectors[number] = (row / length).astype(np.float32)
                else:
                    lost[number] = f"its vector is {'all zeros' if length == 0 else 'not finite'}"
        done += len(batch)
        if progress:
            progress(package.manifest.reference, done, count)
    if len(lost) > _MOST_LOST * count:
        why = next(iter(lost.values()))
        raise _FailedError(f"it embeds only {len(vectors)} of {count} images: of another, {why}")
    return vectors, lost


def _run(runtime: Runtime, images: Pixels) -> Vectors:
    try:
        return runtime.embed(images)
    except Exception as error:  # the libraries raise types of their own, as for memory
        raise _FailedError(f"{type(error).__name__}: {error}") from error
