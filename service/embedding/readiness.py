"""Readiness: a golden image through the real path, decoding, queue and encoder."""

import asyncio
import io
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from service.embedding.embedder import Embedder
from service.errors import ServiceError, UnavailableError
from zoo.arrays import Vector
from zoo.images import decode
from zoo.runtimes import read_golden

HOLDS_SECONDS = 1.0
PATIENCE_SECONDS = 5.0


class Probe:
    """One encoder's golden image, as a file, with the embedding it must have."""

    def __init__(self, embedder: Embedder) -> None:
        package = embedder.package
        golden = read_golden(package.golden)
        buffer = io.BytesIO()
        Image.fromarray(golden.images[0]).save(buffer, "PNG")
        self._file = buffer.getvalue()
        self._expected = golden.embeddings[0]
        self._tolerance = embedder.least_cosine
        self.embedder = embedder

    async def run(self) -> None:
        """Embed the golden image, past the cache.

        Where it fails, nothing else is embedded either until the golden images agree again.

        Raises:
            UnavailableError: it takes too long, fails, or its embedding is another one.
        """
        name = self.embedder.manifest.reference
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                photo = await asyncio.to_thread(decode, self._file)
                vector = await self.embedder.batcher.embed(np.asarray(photo.pixels))
        except TimeoutError:
            raise UnavailableError(
                f"{name} did not embed its golden image within {PATIENCE_SECONDS:g} s", 1
            ) from None
        except ServiceError:
            raise
        except Exception as error:
            self.embedder.doubt()
            raise UnavailableError(f"{name} fails on its golden image ({error})", 5) from error
        cosine = _cosine(vector, self._expected)
        if not cosine >= self._tolerance:  # NaN fails too
            self.embedder.doubt()
            raise UnavailableError(
                f"{name}: its golden image's cosine is {cosine:.6f}, below {self._tolerance}", 5
            )


class Readiness:
    """The probes of all encoders; one result serves everyone who asks within a second."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = probes
        self._lock = asyncio.Lock()
        self._passed = float("-inf")

    async def check(self) -> list[str]:
        """The models that are ready, which are all of them.

        Raises:
            UnavailableError: one of them is not.
        """
        async with self._lock:
            if time.monotonic() - self._passed > HOLDS_SECONDS:
                for probe in self._probes:
                    await probe.run()
                self._passed = time.monotonic()
        return [probe.embedder.manifest.reference for probe in self._probes]


def _cosine(a: Vector, b: Vector) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
