"""The micro-batcher: one owner per encoder, after the queue of text-embeddings-inference.

No artificial wait: while one batch runs the next one gathers, so batches grow with the load.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from service import metrics
from service.errors import UnavailableError
from zoo.arrays import Pixels, Vectors

Encode = Callable[[Pixels], Vectors]


@dataclass(frozen=True)
class _Entry:
    square: Pixels
    answer: asyncio.Future[Vectors]
    deadline: float
    """On the monotonic clock; a batch that starts later leaves the entry out."""


class Batcher:
    """Owns an encoder: images go in one by one, and it runs on as many as wait, up to a limit.

    All methods belong to the event loop that `start` was called in.
    """

    def __init__(
        self,
        name: str,
        encode: Encode,
        *,
        max_batch: int,
        queue_seconds: float,
        concurrency: int = 1,
    ) -> None:
        self._name = name
        self._encode = encode
        self._max_batch = max_batch
        self._queue_seconds = queue_seconds
        self._entries: deque[_Entry] = deque()
        self._arrived = asyncio.Event()
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=f"encode-{name}")
        self._free = asyncio.Semaphore(concurrency)
        self._running: set[asyncio.Task[None]] = set()
        self._owner: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to run batches."""
        self._owner = asyncio.create_task(self._own(), name=f"batcher-{self._name}")

    async def close(self) -> None:
        """Stop after the batches that are running; those who still wait are told so."""
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.gather(self._owner, return_exceptions=True)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for entry in self._entries:
            if not entry.answer.done():
                entry.answer.set_exception(UnavailableError("the gateway is stopping", 5))
        self._entries.clear()
        await asyncio.to_thread(self._threads.shutdown)

    @property
    def waiting(self) -> int:
        """Images in the queue."""
        return len(self._entries)

    async def embed(self, square: Pixels) -> Vectors:
        """One image (size, size, 3) -> its embedding (dim,), not yet unit length.

        Cancelling the caller takes the image out of its batch, as long as that has not begun.

        Raises:
            UnavailableError: it waited longer than allowed, or the gateway is stopping.
        """
        answer: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._entries.append(_Entry(square, answer, time.monotonic() + self._queue_seconds))
        metrics.QUEUE.labels(self._name).set(len(self._entries))
        self._arrived.set()
        return await answer

    async def _own(self) -> None:
        while True:
            # The next batch gathers in the queue meanwhile, and is ready when one has ended.
            await self._free.acquire()
            await self._arrived.wait()
            batch = self._next_batch()
            if batch:
                task = asyncio.create_task(self._run(batch))
                self._running.add(task)
                task.add_done_callback(self._ended)
            else:
                self._free.release()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._free.release()

    def _next_batch(self) -> list[_Entry]:
        """Up to `max_batch` entries that someone still waits for."""
        batch: list[_Entry] = []
        now = time.monotonic()
        while self._entries and len(batch) < self._max_batch:
            entry = self._entries.popleft()
            if entry.answer.done():
                metrics.DROPPED.labels(self._name, "caller-left").inc()
            elif entry.deadline < now:
                metrics.DROPPED.labels(self._name, "deadline").inc()
                entry.answer.set_exception(self._too_late())
            else:
                batch.append(entry)
        if not self._entries:
            self._arrived.clear()
        metrics.QUEUE.labels(self._name).set(len(self._entries))
        return batch

    def _too_late(self) -> UnavailableError:
        return UnavailableError(
            f"the image waited for the encoder longer than {self._queue_seconds:g} s; send it "
            "again later",
            math.ceil(self._queue_seconds),
        )

    async def _run(self, batch: list[_Entry]) -> None:
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self._threads, self._encode_all, batch)
        except asyncio.CancelledError:
            self._entries.extendleft(reversed(batch))  # `close` tells them
            raise
        except Exception as error:
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(error)
            return
        for entry, row in zip(batch, rows, strict=True):
            if not entry.answer.done():
                entry.answer.set_result(row)

    def _encode_all(self, batch: list[_Entry]) -> list[Vectors]:
        squares = np.stack([entry.square for entry in batch])
        metrics.BATCH_IMAGES.labels(self._name).observe(len(batch))
        with metrics.ENCODE_SECONDS.labels(self._name).time():
            rows = self._encode(squares)
        # Copies: a row that is kept must not keep its whole batch.
        return [row.copy() for row in rows]
