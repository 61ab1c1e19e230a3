"""One served encoder: from the bytes of image files to unit-length embeddings."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import structlog

from service import metrics
from service.embedding.batcher import Batcher
from service.embedding.cache import EmbeddingCache
from service.errors import (
    ItemError,
    ItemFailedError,
    OverloadedError,
    UnavailableError,
    unreadable_image,
)
from service.results import Results
from service.settings import Settings
from zoo.arrays import Pixels, Vector
from zoo.errors import GoldenMismatchError, RuntimeDownError
from zoo.images import ImageError, read_square
from zoo.package import Package
from zoo.runtimes import Runtime, check_golden, least_cosine

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Embedded:
    """One embedded image.

    vector: float32 (dim,), unit length unless asked otherwise.
    digest: SHA-256 of the file's bytes, in hexadecimal.
    """

    vector: Vector
    digest: str


def of_one_image(work: Callable[[], T]) -> T:
    """What `work` makes of one image.

    A decoder may fail in ways nobody foresaw; the images beside it have no part in that.

    Raises:
        ItemFailedError: whatever `work` raises.
    """
    try:
        return work()
    except ImageError as error:
        raise unreadable_image(error) from None
    except Exception as error:
        log.exception("an image failed in a way it should not")
        unforeseen = ImageError(
            "corrupt",
            "the image cannot be processed, and the gateway's log says why: save it again, as JPEG "
            "or PNG",
        )
        raise unreadable_image(unforeseen) from error


class Embedder:
    """One served encoder. Its methods belong to the event loop that `start` was called in."""

    def __init__(self, package: Package, runtime: Runtime, settings: Settings) -> None:
        self.package = package
        self.manifest = package.manifest.model_copy(update={"space": runtime.space})
        self.least_cosine = least_cosine(package.manifest, runtime.precision)
        self._runtime = runtime
        self.batcher = Batcher(
            self.manifest.reference,
            self._encode,
            max_batch=settings.max_batch,
            queue_seconds=settings.queue_seconds,
            concurrency=runtime.concurrency,
        )
        self._max_queue = settings.max_queue
        self._max_pixels = settings.max_pixels
        # Of one request; keeps a large one from filling memory with decoded images.
        self._window = 2 * settings.max_batch
        self._cache_bytes = settings.cache_bytes
        self._cache = EmbeddingCache(self._cache_bytes)
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode")
        self._admitted = 0
        self._doubted = False

    def start(self) -> None:
        """Begin to serve."""
        self.batcher.start()

    async def close(self) -> None:
        """Stop serving; whoever still waits is told so."""
        await self.batcher.close()
        await asyncio.to_thread(self._decoders.shutdown, cancel_futures=True)

    def doubt(self) -> None:
        """Run the golden images before the next answer, and forget what is known: it may be wrong.

        Until they agree, every image that is to be embedded is refused.
        """
        self._doubted = True
        self._cache = EmbeddingCache(self._cache_bytes)

    @property
    def variant(self) -> str:
        """How the embeddings are computed; a server elsewhere says so once it answers."""
        return self._runtime.variant

    @property
    def admitted(self) -> int:
        """Images admitted and not yet answered."""
        return self._admitted

    async def embed(self, files: Results[bytes], normalize: bool = True) -> Results[Embedded]:
        """Embed image files; each has its embedding or its own error.

        Cancelling the caller drops what has not been computed.

        Raises:
            OverloadedError: more images are waiting than the settings allow.
            UnavailableError: an image waited for the encoder longer than the settings allow.
        """
        window = asyncio.Semaphore(self._window)

        async def one(data: bytes) -> Embedded:
            async with window:
                return await self._embed_one(data, normalize)

        with self._admission(len(files.good)):
            return await files.each_async(one)

    @contextmanager
    def _admission(self, count: int) -> Iterator[None]:
        """Counts images, not requests. One that is too large to ever fit waits for an idle time."""
        if self._admitted and self._admitted + count > self._max_queue:
            metrics.REJECTED.labels(self.manifest.reference).inc()
            raise OverloadedError(
                f"{self._admitted} images are waiting and at most {self._max_queue} may; send "
                "these again later",
                retry_after=1,
            )
        self._admit(count)
        try:
            yield
        finally:
            self._admit(-count)

    def _admit(self, count: int) -> None:
        self._admitted += count
        metrics.ADMITTED.labels(self.manifest.reference).set(self._admitted)

    async def _embed_one(self, data: bytes, normalize: bool) -> Embedded:
        loop = asyncio.get_running_loop()
        name = self.manifest.reference
        cache = self._cache  # what is computed before a doubt does not reach the cache after it
        try:
            digest, known, square = await loop.run_in_executor(
                self._decoders, of_one_image, lambda: self._prepare(data, cache)
            )
        except ItemFailedError as failed:
            metrics.FAILED.labels(name, failed.kind.removeprefix("image-")).inc()
            raise
        vector = known
        if vector is None:
            assert square is not None
            vector = await self.batcher.embed(square)
        norm = np.linalg.norm(vector)
        if not np.isfinite(norm) or norm == 0:
            metrics.FAILED.labels(name, "no-direction").inc()
            detail = "the encoder sees nothing in this image (its embedding has no direction)"
            raise ItemFailedError(ItemError("image-no-direction", f"{detail}: send another one"))
        if known is None:
            cache.put(digest, vector)
        return Embedded(vector / norm if normalize else vector, digest)

    def _encode(self, squares: Pixels) -> Vector:
        runtime = self._runtime
        try:
            if self._doubted:
                check_golden(self.package, runtime.variant, runtime.embed, runtime.precision)
                self._doubted = False
            return runtime.embed(squares)
        except RuntimeDownError as error:
            raise UnavailableError(str(error), retry_after=1) from error
        except GoldenMismatchError as error:
            raise UnavailableError(str(error), retry_after=30) from error

    def _prepare(
        self, data: bytes, cache: EmbeddingCache
    ) -> tuple[str, Vector | None, Pixels | None]:
        """Digest of a file, and its embedding if it is known, else the encoder's input."""
        name = self.manifest.reference
        digest = hashlib.sha256(data).hexdigest()
        known = cache.get(digest)
        metrics.CACHE.labels(name, "miss" if known is None else "hit").inc()
        if known is not None:
            return digest, known, None
        with metrics.DECODE_SECONDS.labels(name).time():
            return digest, None, read_square(data, self.manifest.input, self._max_pixels)
