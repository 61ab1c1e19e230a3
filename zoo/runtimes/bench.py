"""How fast and how exact each way is that this machine can execute an encoder."""

import logging
import multiprocessing
import resource
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from statistics import median

import numpy as np

from zoo.errors import ZooError
from zoo.manifest import Parity, Precision
from zoo.package import Package
from zoo.runtimes.golden import read_golden
from zoo.runtimes.open import open_as_asked
from zoo.runtimes.protocol import Execution
from zoo.runtimes.table import RUNTIMES

_LEAST_BATCHES = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figures:
    """What one execution was measured to do.

    images_per_second: of the fastest of many batches, which other work on the machine disturbs
    least; median_images_per_second: of the median batch, what one gets beside that work. Both
    without decoding, after a first batch that is not counted. parity: on the golden images.
    memory: the most that the process held, in bytes. file_bytes: of the graph and the weights that
    it reads.
    """

    execution: Execution
    variant: str
    images_per_second: float
    median_images_per_second: float
    parity: Parity
    memory: int
    file_bytes: int


@dataclass(frozen=True)
class Failure:
    """Why one execution could not be measured."""

    execution: Execution
    reason: str


def executions(package: Package, threads: int = 0) -> Iterator[Execution]:
    """The ways that could work here: installed runtimes, precisions that the package has."""
    there: tuple[Precision, ...] = ("fp32", *package.manifest.variants)
    for name, kind in RUNTIMES.items():
        for device in kind.devices():
            for precision in dict.fromkeys(there + kind.rounds):
                if precision in kind.precisions[device]:
                    yield Execution(name, precision, device, threads)


def bench(
    package: Package, ways: Iterable[Execution], batch: int = 32, seconds: float = 3.0
) -> Iterator[Figures | Failure]:
    """Measure each of `ways` in a process of its own, one after the other.

    A process that dies, as on a processor that announces instructions it lacks, is a failure of
    that one alone.
    """
    for way in ways:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                yield pool.submit(_measure, package, way, batch, seconds).result()
            except ZooError as error:
                yield Failure(way, str(error))
            except BrokenProcessPool:
                yield Failure(way, "the process died: this machine cannot run it")
            except Exception as error:  # the libraries raise types of their own, as for memory
                yield Failure(way, f"{type(error).__name__}: {error}")


def fastest(package: Package, threads: int = 0) -> Execution:
    """The fastest way here among those that mix with the reference, measured for a second each.

    Where none works it is ONNX Runtime, which says why when it is opened.
    """
    mixing = [w for w in executions(package, threads) if package.manifest.mixes(w.precision)]
    found = list(bench(package, mixing, seconds=1.0))
    measured = [figures for figures in found if isinstance(figures, Figures)]
    for failure in found:
        if isinstance(failure, Failure):
            _log.warning("%s: %s", failure.execution, failure.reason)
    if not measured:
        return Execution(threads=threads)
    best = max(measured, key=lambda figures: figures.images_per_second)
    speeds = ", ".join(f"{f.variant} {f.images_per_second:.0f} images/s" for f in measured)
    _log.info("%s runs on %s (%s)", package.manifest.reference, best.variant, speeds)
    return best.execution


def _measure(package: Package, way: Execution, batch: int, seconds: float) -> Figures:
    runtime, parity = open_as_asked(package, way)
    golden = read_golden(package.golden).images
    images = np.resize(golden, (batch, *golden.shape[1:]))
    runtime.embed(images)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end or len(times) < _LEAST_BATCHES:
        runtime.embed(images)
        times.append(time.perf_counter() - start)
    return Figures(
        way,
        runtime.variant,
        batch / min(times),
        batch / median(times),
        parity,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        _file_bytes(package, way),
    )


def _file_bytes(package: Package, way: Execution) -> int:
    there = way.precision in ("fp32", *package.manifest.variants)
    graph = package.graph_of(way.precision) if there else package.graph  # which it rounds
    weights = package.weights.stat().st_size if graph == package.graph else 0
    return graph.stat().st_size + weights
