"""The one protocol of all runtimes, and how one is chosen."""

from dataclasses import dataclass
from typing import Literal, Protocol

from zoo.arrays import Pixels, Vectors
from zoo.manifest import Precision

Device = Literal["cpu", "cuda", "tensorrt"]
"""`tensorrt`: an NVIDIA GPU through ONNX Runtime's TensorRT provider."""


@dataclass(frozen=True)
class Execution:
    """How an encoder is to be executed.

    runtime: one of `zoo.runtimes.table.RUNTIMES`.
    threads: CPU threads of one call; 0 leaves the choice to the runtime.
    device: of ONNX Runtime here.
    url: host:port of a Triton server's gRPC service.
    """

    runtime: str = "onnxruntime"
    precision: Precision = "fp32"
    device: Device = "cpu"
    threads: int = 0
    url: str = "127.0.0.1:8001"

    @property
    def variant(self) -> str:
        """What a runtime that does so is called in answers, such as `onnxruntime-cuda-fp16`."""
        where = "" if self.device == "cpu" else f"{self.device}-"
        return f"{self.runtime}-{where}{self.precision}"


class Runtime(Protocol):
    """An encoder ready to run."""

    @property
    def variant(self) -> str:
        """How the embeddings are computed, such as `onnxruntime-fp32`."""
        ...

    @property
    def precision(self) -> Precision:
        """Of weights and arithmetic."""
        ...

    @property
    def space(self) -> str:
        """Which embeddings its own may be compared with."""
        ...

    @property
    def concurrency(self) -> int:
        """How many batches are worth running at once."""
        ...

    def embed(self, images: Pixels) -> Vectors:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe."""
        ...
