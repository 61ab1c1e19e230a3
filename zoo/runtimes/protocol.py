"""The one protocol of all runtimes."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from zoo.images import Pixels
from zoo.package import Package
from zoo.runtimes.golden import check_golden
from zoo.runtimes.onnx import open_onnx
from zoo.runtimes.triton import open_triton

Embeddings = npt.NDArray[np.float32]


class Runtime(Protocol):
    """An encoder ready to run. `variant` says how it is computed, such as `onnxruntime-fp32`."""

    @property
    def variant(self) -> str:
        """How the embeddings are computed."""
        ...

    @property
    def concurrency(self) -> int:
        """How many batches are worth running at once."""
        ...

    def embed(self, images: Pixels) -> Embeddings:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe."""
        ...


def open_runtime(package: Package, threads: int = 0, triton_url: str | None = None) -> Runtime:
    """The package's encoder, proven on its golden vectors.

    Args:
        threads: CPU threads of one call; 0 leaves the choice to the runtime.
        triton_url: host:port of a Triton server's gRPC service; without one, ONNX Runtime here.
            A server that is not there yet is proven when it first answers.

    Raises:
        RuntimeUnavailableError: no runtime is installed, or two that exclude each other.
        GoldenMismatchError: the embeddings are not those that the package attests.
    """
    if triton_url is not None:
        return open_triton(package, triton_url)
    runtime = open_onnx(package, threads)
    check_golden(package, runtime.variant, runtime.embed)
    return runtime
