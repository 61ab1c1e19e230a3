"""The one protocol of all runtimes."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from zoo.images import Pixels
from zoo.package import Package
from zoo.runtimes.golden import check_golden
from zoo.runtimes.onnx import open_onnx

Embeddings = npt.NDArray[np.float32]


class Runtime(Protocol):
    """An encoder ready to run. `variant` says how it is computed, such as `onnxruntime-fp32`."""

    @property
    def variant(self) -> str:
        """How the embeddings are computed."""
        ...

    def embed(self, images: Pixels) -> Embeddings:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe."""
        ...


def open_runtime(package: Package, threads: int = 0) -> Runtime:
    """The package's encoder, proven on its golden vectors.

    Args:
        threads: CPU threads of one call; 0 leaves the choice to the runtime.

    Raises:
        RuntimeUnavailableError: no runtime is installed, or two that exclude each other.
        GoldenMismatchError: the embeddings are not those that the package attests.
    """
    runtime = open_onnx(package, threads)
    check_golden(package, runtime.variant, runtime.embed)
    return runtime
