"""OpenVINO on the CPU: bfloat16 arithmetic where the processor has it, and faster int8."""

from importlib.metadata import version
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.arrays import Pixels
from zoo.errors import PackageError, RuntimeUnavailableError
from zoo.manifest import Precision
from zoo.package import Package
from zoo.runtimes.protocol import Device, Execution
from zoo.space import space_of

SALT = {"openvino": True}
"""Of coarse spaces: OpenVINO rounds elsewhere than the graph says."""


class OpenVinoRuntime:
    """A compiled OpenVINO model of one of a package's graphs."""

    concurrency = 1  # a second batch at the same time would only take the cores from the first

    def __init__(self, request: Any, execution: Execution, space: str) -> None:
        self._request, self._lock = request, Lock()
        self.space = space
        self.precision: Precision = execution.precision
        self.variant = execution.variant

    def embed(self, images: Pixels) -> npt.NDArray[np.float32]:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe."""
        with self._lock:  # a request holds the tensors of one run
            results = self._request.infer([images])
            embeddings: npt.NDArray[np.float32] = np.array(results[0], np.float32)
        return embeddings


def open_openvino(package: Package, execution: Execution) -> OpenVinoRuntime:
    """Compile a package's graph.

    bf16 needs no variant in the package: without one, the reference's weights are rounded.

    Raises:
        RuntimeUnavailableError: OpenVINO is not installed, or the processor lacks bfloat16.
        PackageError: OpenVINO refuses the graph, or there is none of that precision.
    """
    core = _core()
    rounds = execution.precision == "bf16"
    if rounds:
        check_bfloat16()
    rounded = rounds and "bf16" not in package.manifest.variants
    graph = package.graph if rounded else package.graph_of(execution.precision)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, on all cores
        "INFERENCE_PRECISION_HINT": "bf16" if rounds else "f32",
    }
    if execution.threads:
        settings["INFERENCE_NUM_THREADS"] = str(execution.threads)
    try:
        model = core.compile_model(str(graph), "CPU", settings)
    except Exception as error:  # the library raises RuntimeError for everything
        raise PackageError(f"{graph}: OpenVINO refuses it ({error})") from error
    space = space_of(package.manifest, execution.precision, SALT)
    return OpenVinoRuntime(model.create_infer_request(), execution, space)


def check_bfloat16() -> None:
    """That this processor runs bf16.

    Raises:
        RuntimeUnavailableError: it has no bfloat16 arithmetic, or OpenVINO is not installed.
    """
    if "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeUnavailableError("this processor has no bfloat16 arithmetic: use fp32")


def _core() -> Any:
    try:
        import openvino  # noqa: PLC0415 - an extra of its own
    except ImportError as error:
        raise RuntimeUnavailableError(
            "OpenVINO is not installed: pip install 'encoder-zoo[openvino]'"
        ) from error
    return openvino.Core()


def devices() -> tuple[Device, ...]:
    """The processor, where OpenVINO is installed."""
    return ("cpu",) if find_spec("openvino") else ()


def probe() -> dict[str, Any]:
    """Its version and what it can do with the processor."""
    try:
        import openvino  # noqa: PLC0415
    except ImportError:
        return {
            "state": "not installed: pip install 'encoder-zoo[openvino]' (faster on processors)"
        }
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {"version": version("openvino"), "processor": sorted(capabilities)}
