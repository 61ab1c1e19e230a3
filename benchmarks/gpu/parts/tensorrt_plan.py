"""A TensorRT plan of the built-in model, as `zoo export plan` builds it."""

import time
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.gpu.work import SkippedError, Work
from export.tensorrt import PLAN, Engine, build_plan, check_tensorrt, read_plan, this_machine
from zoo.errors import RuntimeUnavailableError
from zoo.runtimes import read_golden
from zoo.store import builtin_package

_ROUNDS = 50


def run(work: Work) -> None:
    """In fp32 and fp16: agreement with the golden vectors, and images a second."""
    try:
        check_tensorrt()
    except RuntimeUnavailableError as error:
        raise SkippedError(str(error)) from error
    precisions: tuple[Literal["fp32", "fp16"], ...] = ("fp32", "fp16")
    for precision in precisions:
        began = time.perf_counter()
        try:
            _measure(work, precision)
        except Exception as error:  # the other precision goes on
            work.failed(precision, error, began)


def plans(work: Work, precision: Literal["fp32", "fp16"]) -> Path:
    """The folder of the plan in a precision."""
    return work.folder_of("tensorrt-plan") / precision


def _measure(work: Work, precision: Literal["fp32", "fp16"]) -> None:
    package, folder, began = builtin_package(), plans(work, precision), time.perf_counter()
    manifest = package.manifest
    target = folder / manifest.name / manifest.version
    if not target.exists():  # of an earlier call
        build_plan(package, folder, precision)
        work.record(f"{precision}, building", time.perf_counter() - began, "s", began)
    plan = read_plan(folder, package, precision, this_machine())
    settings = {"model": manifest.reference, "tensorrt": plan.machine.tensorrt}
    work.record(f"{precision}, agreement", plan.parity.cosine_min, "cosine, least", began, settings)
    engine = Engine((target / PLAN).read_bytes(), manifest.dim)
    golden = read_golden(package.golden).images
    for batch in (1, 32):
        images = np.resize(golden, (batch, *golden.shape[1:]))
        seconds = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            engine.embed(images, batch)
            seconds.append(time.perf_counter() - start)
        speed = batch / min(seconds)
        work.record(f"{precision}, batch {batch}", speed, "images/s", began, settings)
