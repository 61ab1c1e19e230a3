"""What executes an encoder. `open_runtime` is the way in; it checks the golden vectors first."""

from zoo.runtimes.golden import Golden, check_golden, least_cosine, read_golden
from zoo.runtimes.onnx import open_onnx
from zoo.runtimes.open import open_as_asked, open_proven, open_runtime
from zoo.runtimes.protocol import Execution, Runtime

__all__ = [
    "Execution",
    "Golden",
    "Runtime",
    "check_golden",
    "least_cosine",
    "open_as_asked",
    "open_onnx",
    "open_proven",
    "open_runtime",
    "read_golden",
]
