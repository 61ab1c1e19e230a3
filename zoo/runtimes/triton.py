"""Triton Inference Server, asked over gRPC.

A server may die, come back, and come back with something else; its model may be loaded anew from
other files; a load balancer may send each request elsewhere. Triton names neither its process nor
the files of a model, so nothing it says of itself is trusted. Two things are:

- the proof: the space it claims and all golden images, before the first answer, after every change
  of the connection or failed request, and every few seconds;
- the witness: one golden image that travels in every request, behind the images that are asked for.
  Triton runs a request whole on one instance of a model, so the witness' embedding tells what
  computed exactly this answer.
"""

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from zoo.arrays import Pixels, Vectors
from zoo.errors import GoldenMismatchError, RuntimeDownError, RuntimeUnavailableError
from zoo.manifest import Precision
from zoo.package import Package
from zoo.runtimes.golden import Golden, agreement, check_golden, read_golden
from zoo.runtimes.protocol import Execution
from zoo.space import space_of

DEADLINE_SECONDS = 10.0
"""For one call of `embed`, with its proof and retries."""
PROOF_SECONDS = 5.0
"""How long a proof holds where nothing calls it in question."""

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


class _InterruptedError(RuntimeDownError):
    """What another attempt may mend: a lost connection, or a witness that speaks against."""


class TritonRuntime:
    """A package's encoder on a Triton server. `variant` is `triton` until the server was asked."""

    # Enough that the server always has a batch waiting while another is on its way back.
    concurrency = 4

    def __init__(self, package: Package, execution: Execution) -> None:
        self._package, self._url = package, execution.url
        self.precision: Precision = execution.precision
        self.space = space_of(package.manifest, execution.precision)
        self.variant = "triton"
        golden = read_golden(package.golden)
        self._witness = _most_telling(golden)
        self._image = golden.images[self._witness : self._witness + 1]
        self._reference = golden.embeddings[self._witness : self._witness + 1]
        self._expected, self._least = self._reference, package.manifest.tolerance
        self._most = 1  # images in a request
        self._proving = threading.Lock()
        # A proof is of one epoch; whatever calls it in question begins another, never seen before.
        self._epochs = itertools.count()
        self._epoch, self._proven_epoch = next(self._epochs), -1
        self._proven_at = float("-inf")
        self._stub = _connect(execution.url, self._doubt)

    def embed(self, images: Pixels) -> Vectors:
        """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length. Thread-safe.

        Raises:
            RuntimeDownError: the server does not answer, or lacks the model; asking again later
                may help.
            GoldenMismatchError: it serves another space, or other embeddings.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        for pause in _RETRY_AFTER:
            try:
                return self._embed_proven(images, deadline)
            except _InterruptedError:
                if time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
        return self._embed_proven(images, deadline)

    def prove(self, deadline: float | None = None) -> int:
        """Check the space and all golden images, unless a proof of this epoch still holds.

        Returns:
            The epoch that was proven.

        Raises:
            RuntimeDownError, GoldenMismatchError: as `embed`.
        """
        with self._proving:
            epoch, now = self._epoch, time.monotonic()
            if self._proven_epoch == epoch and now - self._proven_at < PROOF_SECONDS:
                return epoch
            deadline = deadline or now + DEADLINE_SECONDS
            self._check_space(deadline)
            given: list[Vectors] = []

            def embed(images: Pixels) -> Vectors:
                given.append(self._in_parts(images, self._most, deadline))
                return given[-1]

            check_golden(self._package, self.variant, embed, self.precision)
            if not self._package.manifest.mixes(self.precision):
                self._hold_to_the_first(given[-1][self._witness : self._witness + 1])
            self._proven_epoch, self._proven_at = epoch, now
            return epoch

    def _embed_proven(self, images: Pixels, deadline: float) -> Vectors:
        epoch = self.prove(deadline)
        size = self._most - 1  # the witness takes a place
        parts = -(-len(images) // size)
        rows = np.concatenate(
            [self._witnessed(part, deadline) for part in np.array_split(images, parts)]
        )
        if self._epoch != epoch:
            raise _InterruptedError(f"the connection to Triton at {self._url} was lost meanwhile")
        return rows

    def _witnessed(self, images: Pixels, deadline: float) -> Vectors:
        rows = self._infer(np.concatenate([images, self._image]), deadline)
        seen = agreement(rows[-1:], self._expected).cosine_min
        if len(rows) != len(images) + 1 or not seen >= self._least:
            self._doubt()
            raise _InterruptedError(
                f"Triton at {self._url} answered for {self._package.manifest.reference} with "
                f"embeddings of another model (cosine {seen:.6f} on a golden image)"
            )
        return rows[:-1]

    def _hold_to_the_first(self, row: Vectors) -> None:
        """The reference does not tell a coarse model from others as coarse, or from itself.

        So a model must stay nearer to what was proven first than half the way to the reference.
        """
        if self._expected is self._reference:
            error = 1 - agreement(row, self._reference).cosine_min
            self._least = min(self._package.manifest.tolerance, 1 - error / 2)
            self._expected = row
        elif not agreement(row, self._expected).cosine_min >= self._least:
            raise GoldenMismatchError(
                f"Triton at {self._url} gives other golden vectors in {self.precision} than when "
                "the gateway started, and would mix two spaces; it is not served. If the server "
                "was changed on purpose, start the gateway again"
            )

    def _doubt(self) -> None:
        self._epoch = next(self._epochs)

    def _check_space(self, deadline: float) -> None:
        from tritonclient.grpc import service_pb2  # noqa: PLC0415 - an extra of its own

        manifest = self._package.manifest
        request = service_pb2.ModelConfigRequest(name=manifest.name, version=manifest.version)
        config = self._call(self._stub.ModelConfig, request, deadline).config
        name = f"{manifest.name} version {manifest.version}"
        space = config.parameters[f"space.{manifest.version}"].string_value
        if space != self.space:
            served = f"the space {space}" if space else "a model without a space"
            raise GoldenMismatchError(
                f"Triton at {self._url} serves {served} as {name}, not {self.space} of "
                f"{manifest.reference} in {self.precision}: export its repository again with "
                f"zoo export triton {manifest.reference}, or change ZOO_PRECISION"
            )
        if config.max_batch_size < 2:
            raise GoldenMismatchError(
                f"Triton at {self._url} takes one image a request as {name}, and every request "
                "carries a golden image too: set its max_batch_size to 2 or more"
            )
        self.variant = f"triton-{config.parameters['variant'].string_value}"
        self._most = config.max_batch_size

    def _in_parts(self, images: Pixels, size: int, deadline: float) -> Vectors:
        starts = range(0, len(images), size)
        return np.concatenate([self._infer(images[s : s + size], deadline) for s in starts])

    def _infer(self, images: Pixels, deadline: float) -> Vectors:
        from tritonclient.grpc import service_pb2  # noqa: PLC0415

        manifest = self._package.manifest
        request = service_pb2.ModelInferRequest(
            model_name=manifest.name, model_version=manifest.version
        )
        request.inputs.add(name="images", datatype="UINT8", shape=images.shape)
        request.outputs.add(name="embedding")
        request.raw_input_contents.append(np.ascontiguousarray(images).tobytes())
        answer = self._call(self._stub.ModelInfer, request, deadline)
        (output,), (raw,) = answer.outputs, answer.raw_output_contents
        if output.datatype != "FP32":
            raise GoldenMismatchError(f"Triton at {self._url} answers in {output.datatype}")
        return np.frombuffer(raw, np.float32).reshape(output.shape)

    def _call(self, ask: Callable[..., Any], request: Any, deadline: float) -> Any:
        """One request; a failure of any kind ends the epoch."""
        import grpc  # noqa: PLC0415 - comes with tritonclient

        passing = (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.CANCELLED,
        )
        try:
            return ask(request, timeout=max(deadline - time.monotonic(), 0.01))
        except grpc.RpcError as error:
            self._doubt()
            manifest = self._package.manifest
            kind = _InterruptedError if error.code() in passing else RuntimeDownError
            raise kind(
                f"Triton at {self._url} does not answer for {manifest.name} version "
                f"{manifest.version} ({error.details()})"
            ) from error


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


def probe() -> dict[str, Any]:
    """The version of the client."""
    try:
        return {"client": version("tritonclient")}
    except PackageNotFoundError:
        return {"state": "not installed: pip install 'encoder-zoo[triton]'"}


def _most_telling(golden: Golden) -> int:
    """The golden image on which the nearest of the known mistakes is farthest from the truth."""
    nearest = [
        max(
            agreement(wrong[row : row + 1], golden.embeddings[row : row + 1]).cosine_min
            for wrong in golden.controls.values()
        )
        for row in range(len(golden.images))
    ]
    return int(np.argmin(nearest))


def _connect(url: str, changed: Callable[[], None]) -> Any:
    """Triton's service at `url`; `changed` is called whenever the connection's state does."""
    try:
        import grpc  # noqa: PLC0415
        from tritonclient.grpc import service_pb2_grpc  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeUnavailableError(
            "Triton's client is not installed: pip install 'encoder-zoo[triton]'"
        ) from error
    channel = grpc.insecure_channel(url, options=list(_CHANNEL.items()))
    channel.subscribe(lambda _: changed())
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)
