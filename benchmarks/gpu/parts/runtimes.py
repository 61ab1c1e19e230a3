"""ONNX Runtime's providers: agreement with the golden vectors, and images a second."""

import shutil
import time
from pathlib import Path

from benchmarks.gpu.work import SkippedError, Work
from zoo.manifest import graph_name
from zoo.package import Package
from zoo.package_writer import file_entry
from zoo.runtimes import least_cosine
from zoo.runtimes.bench import Failure, bench
from zoo.runtimes.onnx import check_installed, devices
from zoo.runtimes.protocol import Execution
from zoo.store import builtin_package


def run(work: Work) -> None:
    """The CPU in fp32, and CUDA and TensorRT in fp32 and fp16, each in a process of its own."""
    check_installed()
    there = [device for device in devices() if device != "cpu"] if work.device == "cuda" else []
    ways = [Execution(), *(Execution(device=device) for device in there)]
    ways += [Execution(precision="fp16", device=device) for device in there]
    package = with_half(work.folder) if there else builtin_package()
    batches = (4,) if work.toy else (1, 32)
    for way in ways:
        for batch in batches:
            if not work.measured(f"{way.variant}, batch {batch}"):
                _measure(work, package, way, batch)
    if work.device == "cuda" and not there:
        raise SkippedError(
            "this ONNX Runtime was built without CUDA: install 'encoder-zoo[gpu]' (onnxruntime-gpu)"
        )


def _measure(work: Work, package: Package, way: Execution, batch: int) -> None:
    began = time.perf_counter()
    (found,) = bench(package, [way], batch, seconds=0.2 if work.toy else 3.0)
    if isinstance(found, Failure):
        work.failed(f"{way.variant}, batch {batch}", RuntimeError(found.reason), began)
        return
    model = package.manifest.reference
    least = least_cosine(package.manifest, way.precision)
    work.record(
        f"{way.variant}, agreement", found.parity.cosine_min, "cosine, least", began,
        {"model": model}, least=least,
    )  # fmt: skip
    work.record(
        f"{way.variant}, batch {batch}",
        found.images_per_second,
        "images/s",
        began,
        {"model": model},
    )


def with_half(folder: Path) -> Package:
    """The built-in package, with a graph in fp16 beside its own."""
    from export.variants import write_variant  # noqa: PLC0415 - only where there is a GPU

    package = builtin_package()
    copied = folder / package.manifest.reference
    shutil.copytree(package.path, copied, dirs_exist_ok=True)
    name = graph_name("fp16")
    write_variant(package, copied / name, "fp16")
    files = package.manifest.files | {name: file_entry(copied / name)}
    return Package(copied, package.manifest.model_copy(update={"files": files}))
