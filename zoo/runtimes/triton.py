"""Triton Inference Server, asked over gRPC.

A server may die, come back, and come back with something else. Nothing it says is trusted before
the golden vectors have been run through it, and after every lost connection they are run again.
"""

import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import GoldenMismatchError, RuntimeDownError, RuntimeUnavailableError
from zoo.images import Pixels
from zoo.manifest import Precision
from zoo.package import Package
from zoo.runtimes.golden import check_golden
from zoo.runtimes.protocol import Execution
from zoo.space import space_of

Floats = npt.NDArray[np.float32]

DEADLINE_SECONDS = 10.0
"""For one request to the server, retries included."""

# Two retries bridge a server that drops a connection; one that is down is reported at once.
_RETRY_AFTER = (0.05, 0.2)
# gRPC waits up to two minutes between attempts to connect unless told otherwise.
_CHANNEL = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
}
_PASSING = ("StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED", "StatusCode.CANCELLED")


class TritonRuntime:
    """A package's encoder on a Triton server. `variant` is `triton` until the server was asked."""

    # Enough that the server always has a batch waiting while another is on its way back.
    concurrency = 4

    def __init__(self, package: Package, execution: Execution) -> None:
        self._package, self._url = package, execution.url
        self.precision: Precision = execution.precision
        self.space = space_of(package.manifest, execution.precision)
        self._model, self._version = package.manifest.name, package.manifest.version
        self._client = _client(execution.url)
        self._max_batch = 1
        self._proven = False
        self._proving = threading.Lock()
        self.variant = "triton"

    def embed(self, images: Pixels) -> Floats:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe.

        Raises:
            RuntimeDownError: the server does not answer, or lacks the model; asking again later
                may help.
            GoldenMismatchError: it serves another space, or other embeddings.
        """
        self.prove()
        return self._infer(images)

    def prove(self) -> None:
        """Run the golden vectors, unless that was done since the connection was last lost.

        Raises:
            RuntimeDownError, GoldenMismatchError: as `embed`.
        """
        with self._proving:
            if self._proven:
                return
            self._check_space()
            check_golden(self._package, self.variant, self._infer, self.precision)
            self._proven = True

    def _check_space(self) -> None:
        config = self._call(self._client.get_model_config, self._model, self._version).config
        manifest = self._package.manifest
        space = config.parameters[f"space.{self._version}"].string_value
        if space != self.space:
            served = f"the space {space}" if space else "a model without a space"
            raise GoldenMismatchError(
                f"Triton at {self._url} serves {served} as {self._model} version {self._version}, "
                f"not {self.space} of {manifest.reference} in {self.precision}: export its "
                f"repository again with zoo export triton {manifest.reference}, or change "
                "ZOO_PRECISION"
            )
        self.variant = f"triton-{config.parameters['variant'].string_value}"
        self._max_batch = max(1, config.max_batch_size)

    def _infer(self, images: Pixels) -> Floats:
        """In batches that the server takes."""
        starts = range(0, len(images), self._max_batch)
        parts = [self._infer_batch(images[start : start + self._max_batch]) for start in starts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _infer_batch(self, images: Pixels) -> Floats:
        from tritonclient import grpc  # noqa: PLC0415 - an extra of its own

        tensor = grpc.InferInput("images", list(images.shape), "UINT8")
        tensor.set_data_from_numpy(np.ascontiguousarray(images))
        answer = self._call(
            self._client.infer, self._model, [tensor], self._version, retries=_RETRY_AFTER
        )
        embeddings: Floats = answer.as_numpy("embedding")
        return embeddings

    def _call(self, ask: Any, *args: Any, retries: tuple[float, ...] = ()) -> Any:
        """One request within the deadline; a failure of the server makes it unproven."""
        from tritonclient.utils import InferenceServerException  # noqa: PLC0415

        deadline = time.monotonic() + DEADLINE_SECONDS
        for pause in (*retries, None):
            left = deadline - time.monotonic()
            try:
                return ask(*args, client_timeout=max(left, 0.01))
            except InferenceServerException as error:
                if pause is not None and error.status() in _PASSING and left > pause:
                    time.sleep(pause)
                    continue
                self._proven = False
                raise RuntimeDownError(
                    f"Triton at {self._url} does not answer for {self._model} version "
                    f"{self._version} ({error.message()})"
                ) from error
        raise AssertionError("the last attempt returns or raises")


def open_triton(package: Package, execution: Execution) -> TritonRuntime:
    """The package's encoder on the server that the execution names.

    A server that is not there yet is no error: it is asked again by the first `embed`.

    Raises:
        RuntimeUnavailableError: the client is not installed.
        GoldenMismatchError: the server is there and serves something else.
    """
    runtime = TritonRuntime(package, execution)
    with suppress(RuntimeDownError):
        runtime.prove()
    return runtime


def _client(url: str) -> Any:
    try:
        from tritonclient import grpc  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeUnavailableError(
            "Triton's client is not installed: pip install 'encoder-zoo[triton]'"
        ) from error
    return grpc.InferenceServerClient(url, channel_args=list(_CHANNEL.items()))
