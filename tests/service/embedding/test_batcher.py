"""The micro-batcher: order, sizes, those who left, deadlines, failures."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.embedding import batcher as batcher_module
from service.embedding.batcher import Batcher
from service.errors import UnavailableError


class Encoder:
    """Embeds an image as its first value; runs only while its gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.batches.append(images[:, 0, 0, 0].tolist())
        self.started.set()
        self.gate.wait()
        return images[:, 0, 0, :1].astype(np.float32)


def square(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


def with_batcher(
    work: Callable[[Batcher, Encoder], Coroutine[Any, Any, None]],
    encoder: Encoder | None = None,
    max_batch: int = 4,
    queue_seconds: float = 100,
) -> Encoder:
    encoder = encoder or Encoder()

    async def run() -> None:
        batcher = Batcher("test", encoder, max_batch=max_batch, queue_seconds=queue_seconds)
        batcher.start()
        try:
            await work(batcher, encoder)
        finally:
            encoder.gate.set()
            await batcher.close()

    asyncio.run(run())
    return encoder


async def block(batcher: Batcher, encoder: Encoder) -> "asyncio.Task[np.ndarray]":
    """Begin a batch that does not end before the gate is opened."""
    encoder.gate.clear()
    first = asyncio.create_task(batcher.embed(square(255)))
    await asyncio.to_thread(encoder.started.wait)
    return first


async def begun() -> None:
    """Until every task made so far has run up to where it waits: the loop keeps their order."""
    turn = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turn.set_result, None)
    await turn


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 254), max_size=40), st.integers(1, 8))
def test_everyone_has_their_own_answer(values: list[int], max_batch: int) -> None:
    async def work(batcher: Batcher, encoder: Encoder) -> None:
        rows = await asyncio.gather(*(batcher.embed(square(value)) for value in values))
        assert [int(row[0]) for row in rows] == values

    encoder = with_batcher(work, max_batch=max_batch)
    assert [value for batch in encoder.batches for value in batch] == values
    assert all(len(batch) <= max_batch for batch in encoder.batches)


def test_the_next_batch_gathers_while_one_runs() -> None:
    async def work(batcher: Batcher, encoder: Encoder) -> None:
        first = await block(batcher, encoder)
        rest = [asyncio.create_task(batcher.embed(square(value))) for value in range(10)]
        await begun()
        assert batcher.waiting == 10
        encoder.gate.set()
        await asyncio.gather(first, *rest)
        assert batcher.waiting == 0

    encoder = with_batcher(work)
    assert encoder.batches == [[255], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_images_of_callers_who_left_are_not_encoded() -> None:
    async def work(batcher: Batcher, encoder: Encoder) -> None:
        first = await block(batcher, encoder)
        rest = [asyncio.create_task(batcher.embed(square(value))) for value in range(6)]
        await begun()
        for task in rest[::2]:
            task.cancel()
        encoder.gate.set()
        await asyncio.gather(first, *rest, return_exceptions=True)

    assert with_batcher(work).batches == [[255], [1, 3, 5]]


class Clock:
    """Stands in for the `time` module, and goes on when it is told."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_what_waits_too_long_is_told_so_and_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(batcher_module, "time", clock)

    async def work(batcher: Batcher, encoder: Encoder) -> None:
        first = await block(batcher, encoder)
        late = asyncio.create_task(batcher.embed(square(1)))
        await begun()
        clock.now += 5.1
        encoder.gate.set()
        with pytest.raises(UnavailableError, match="longer than 5 s") as caught:
            await late
        assert caught.value.retry_after >= 1
        await first

    assert with_batcher(work, queue_seconds=5).batches[1:] == []


def test_a_failure_reaches_everyone_in_the_batch_and_no_one_else() -> None:
    class Failing(Encoder):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            rows = super().__call__(images)
            if 13 in self.batches[-1]:
                raise RuntimeError("out of memory")
            return rows

    async def work(batcher: Batcher, encoder: Encoder) -> None:
        first = await block(batcher, encoder)
        rest = [asyncio.create_task(batcher.embed(square(v))) for v in (1, 13, 2, 3)]
        await begun()
        encoder.gate.set()
        results = await asyncio.gather(first, *rest, return_exceptions=True)
        assert [isinstance(r, RuntimeError) for r in results] == [False, True, True, False, False]
        assert (await batcher.embed(square(7)))[0] == 7

    with_batcher(work, Failing(), max_batch=2)


def test_closing_tells_those_who_wait() -> None:
    async def work(batcher: Batcher, encoder: Encoder) -> None:
        first = await block(batcher, encoder)
        waiting = asyncio.create_task(batcher.embed(square(1)))
        await begun()
        closing = asyncio.create_task(batcher.close())
        for task in (first, waiting):
            with pytest.raises(UnavailableError, match="stopping"):
                await task
        encoder.gate.set()
        await closing

    with_batcher(work)
