"""ONNX Runtime, on the CPU or an NVIDIA GPU."""

import contextlib
import logging
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.arrays import Pixels
from zoo.errors import PackageError, RuntimeUnavailableError
from zoo.manifest import Precision
from zoo.package import Package
from zoo.runtimes.protocol import Device, Execution
from zoo.space import space_of
from zoo.store import builtin_package, zoo_home

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")
_PROVIDERS: dict[Device, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

_log = logging.getLogger(__name__)


class OnnxRuntime:
    """An ONNX Runtime session over one of a package's graphs."""

    concurrency = 1  # a second batch at the same time would only take the cores from the first

    def __init__(self, session: Any, precision: Precision, device: Device, space: str) -> None:
        self._session = session
        self.precision: Precision = precision
        self.space = space
        self.variant = Execution("onnxruntime", precision, device).variant

    def embed(self, images: Pixels) -> npt.NDArray[np.float32]:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe."""
        (embeddings,) = self._session.run(["embedding"], {"images": images})
        result: npt.NDArray[np.float32] = embeddings
        return result


def open_onnx(package: Package, execution: Execution | None = None) -> OnnxRuntime:
    """Load a package's graph.

    A GPU that was asked for and cannot be used is warned of in the log; `variant` tells it too.

    Raises:
        RuntimeUnavailableError: ONNX Runtime is missing, or there in two builds; or that device
            does not take that precision.
        PackageError: ONNX Runtime refuses the graph, or there is none of that precision.
    """
    check_installed()
    execution = execution or Execution()
    if (execution.device, execution.precision) == ("tensorrt", "int8"):
        raise RuntimeUnavailableError(
            "the int8 graph has zero points, which TensorRT lacks: take ZOO_DEVICE=cuda, or fp16"
        )
    for device in _order(execution.device):
        if device == "cpu" and execution.precision == "bf16":
            raise RuntimeUnavailableError(
                f"ONNX Runtime has no bf16 on {execution.device} here: take OpenVINO "
                "(ZOO_RUNTIME=openvino), or fp16"
            )
        try:
            session = _session(package, execution, device)
        except PackageError:
            if execution.precision != "bf16":
                raise
            continue  # the GPU is not there, and the CPU refuses the graph
        # A provider that fails to load is left out by the library with a line on standard error.
        if _PROVIDERS[device] in session.get_providers():
            space = space_of(package.manifest, execution.precision)
            return OnnxRuntime(session, execution.precision, device, space)
        _log.warning(
            "%s cannot run on %s: %s did not load (run `zoo doctor`). It runs on what is left, "
            "many times slower.",
            package.manifest.reference,
            device,
            _PROVIDERS[device],
        )
    raise AssertionError("the CPU is always there")


def devices() -> tuple[Device, ...]:
    """What the installed ONNX Runtime was built for; empty where there is none."""
    try:
        import onnxruntime as ort  # noqa: PLC0415 - see `_session`
    except ImportError:
        return ()
    present = set(ort.get_available_providers())
    return tuple(device for device, provider in _PROVIDERS.items() if provider in present)


def probe() -> dict[str, Any]:
    """Its distribution, the devices that it was built for, and those that do not load."""
    try:
        name = check_installed()
    except RuntimeUnavailableError as error:
        return {"problem": str(error)}
    built_for = devices()
    found = {"package": f"{name} {version(name)}", "devices": list(built_for)}
    if not built_for:
        return found | {"problem": "it cannot be imported: install it again"}
    unusable = [device for device in built_for if not _runs_on(device)]
    if unusable:
        found["do not load"] = f"{', '.join(unusable)} (the lines above say why)"
    return found


def _runs_on(device: Device) -> bool:
    """Whether a session can be had there; what ONNX Runtime lacks for it, it prints."""
    if device == "cpu":
        return True
    wanted = Execution(device=device)
    return open_onnx(builtin_package(), wanted).variant == wanted.variant


def _order(wanted: Device) -> tuple[Device, ...]:
    """What is tried in turn; TensorRT leaves to CUDA what it cannot run."""
    order: tuple[Device, ...] = ("tensorrt", "cuda", "cpu")
    return order[order.index(wanted) :]


def _session(package: Package, execution: Execution, device: Device) -> Any:
    import onnxruntime as ort  # noqa: PLC0415 - after the check, whose message says what to install

    graph = package.graph_of(execution.precision)
    options = ort.SessionOptions()
    options.intra_op_num_threads = execution.threads
    # Idle threads that spin take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    present = devices()
    providers = [
        (_PROVIDERS[d], _provider_options(d, execution.precision))
        for d in _order(device)
        if d in present
    ]
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where it prints what a GPU lacks
            if device != "cpu":
                ort.preload_dlls()  # CUDA's libraries come as wheels, where no loader looks
            return ort.InferenceSession(str(graph), options, providers=providers)
    except Exception as error:  # the library raises types of its own, without a common base
        raise PackageError(f"{graph}: ONNX Runtime refuses it ({error})") from error


def _provider_options(device: Device, precision: Precision) -> dict[str, str]:
    if device != "tensorrt":
        return {}
    cache = zoo_home() / "cache" / "tensorrt"
    cache.mkdir(parents=True, exist_ok=True)
    return {
        "trt_engine_cache_enable": "1",  # an engine takes minutes to build
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
        # TensorRT up to 10 refuses a graph of another type than it was told of.
        "trt_fp16_enable": str(int(precision == "fp16")),
        "trt_bf16_enable": str(int(precision == "bf16")),
    }


def check_installed() -> str:
    """The ONNX Runtime distribution that is installed.

    Raises:
        RuntimeUnavailableError: none is, or two are.
    """
    present = []
    for name in _DISTRIBUTIONS:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        present.append(name)
    if len(present) == 1:
        return present[0]
    if not present:
        raise RuntimeUnavailableError(
            "ONNX Runtime is not installed: pip install 'encoder-zoo[cpu]', or [gpu]"
        )
    raise RuntimeUnavailableError(
        "both onnxruntime and onnxruntime-gpu are installed, which overwrite each other: "
        "make a fresh environment with exactly one of encoder-zoo[cpu] and [gpu]"
    )
