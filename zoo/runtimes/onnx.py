"""ONNX Runtime on the CPU."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import PackageError, RuntimeUnavailableError
from zoo.images import Pixels
from zoo.package import Package

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")


class OnnxRuntime:
    """An ONNX Runtime session over a package's graph."""

    variant = "onnxruntime-fp32"
    concurrency = 1  # a second batch at the same time would only take the cores from the first

    def __init__(self, session: Any) -> None:
        self._session = session

    def embed(self, images: Pixels) -> npt.NDArray[np.float32]:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe."""
        (embeddings,) = self._session.run(["embedding"], {"images": images})
        result: npt.NDArray[np.float32] = embeddings
        return result


def open_onnx(package: Package, threads: int = 0) -> OnnxRuntime:
    """Load a package's graph; `threads` of 0 takes one a core.

    Raises:
        RuntimeUnavailableError: ONNX Runtime is missing, or there in two builds.
        PackageError: ONNX Runtime refuses the graph.
    """
    _check_installed()
    import onnxruntime as ort  # noqa: PLC0415 - after the check, whose message says what to install

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Idle threads that spin take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(
            str(package.graph), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the library raises types of its own, without a common base
        raise PackageError(f"{package.graph}: ONNX Runtime refuses it ({error})") from error
    return OnnxRuntime(session)


def _check_installed() -> None:
    present = []
    for name in _DISTRIBUTIONS:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        present.append(name)
    if len(present) == 1:
        return
    if not present:
        raise RuntimeUnavailableError(
            "ONNX Runtime is not installed: pip install 'encoder-zoo[cpu]', or [gpu]"
        )
    raise RuntimeUnavailableError(
        "both onnxruntime and onnxruntime-gpu are installed, which overwrite each other: "
        "make a fresh environment with exactly one of encoder-zoo[cpu] and [gpu]"
    )
