"""The TensorRT plan in a Triton server, asked as the gateway asks it.

The server is NVIDIA's, with its TensorRT backend, as its container has it; a plan is served only by
the TensorRT that built it.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.gpu.parts.tensorrt_plan import plans
from benchmarks.gpu.work import SkippedError, Work
from export.triton import Serving, write_repository
from zoo.runtimes import least_cosine, read_golden
from zoo.runtimes.golden import agreement
from zoo.runtimes.protocol import Execution
from zoo.runtimes.triton import open_triton
from zoo.store import builtin_package

_PLACES = ("tritonserver", "/opt/tritonserver/bin/tritonserver")
_START, _ROUNDS = 120.0, 50  # seconds, requests


def run(work: Work) -> None:
    """Agreement with the golden vectors, and images a second of one caller."""
    server = next((found for name in _PLACES if (found := shutil.which(name))), None)
    if work.device == "cpu":
        raise SkippedError("a plan runs on a GPU")
    if server is None:
        raise SkippedError("no tritonserver on the PATH or in /opt/tritonserver/bin")
    folder = plans(work, "fp16")
    if not folder.is_dir():
        raise SkippedError("the part tensorrt-plan has built no plan")
    package, began = builtin_package(), time.perf_counter()
    repository = work.folder / f"models-{time.time_ns()}"
    write_repository([package], repository, Serving("tensorrt", "gpu", "fp16", folder))
    with _served(server, repository, work.folder / "triton.log") as url:
        runtime = open_triton(package, Execution("triton", "fp16", url=url))
        golden = read_golden(package.golden)
        parity = agreement(runtime.embed(golden.images), golden.embeddings)
        least = least_cosine(package.manifest, "fp16")
        work.record("agreement", parity.cosine_min, "cosine, least", began, least=least)
        for batch in (1, 32):
            images = np.resize(golden.images, (batch, *golden.images.shape[1:]))
            seconds = []
            for _ in range(_ROUNDS):
                start = time.perf_counter()
                runtime.embed(images)
                seconds.append(time.perf_counter() - start)
            work.record(f"one caller, batch {batch}", batch / min(seconds), "images/s", began)


@contextmanager
def _served(server: str, repository: Path, log: Path) -> Iterator[str]:
    """host:port of the gRPC service of a server over the repository."""
    http, grpc, metrics = (_free_port() for _ in range(3))
    command = [
        server, f"--model-repository={repository}",
        f"--http-port={http}", f"--grpc-port={grpc}", f"--metrics-port={metrics}",
        "--http-address=127.0.0.1", "--grpc-address=127.0.0.1",
    ]  # fmt: skip
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        _wait(process, f"http://127.0.0.1:{http}/v2/health/ready", log)
        yield f"127.0.0.1:{grpc}"
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(ready, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"Triton is not ready: {log.read_text(errors='replace')[-300:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
