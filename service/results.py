"""The results of a batch: each item has its own, or its own error, at its place in the request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.errors import EveryItemFailedError, ItemError, ItemFailedError

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Results(Generic[T]):
    """`good` and `errors` by position; together they have every position from 0 once."""

    good: Mapping[int, T]
    errors: Mapping[int, ItemError] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[T]) -> "Results[T]":
        """All good so far."""
        return cls(dict(enumerate(items)))

    def __len__(self) -> int:
        return len(self.good) + len(self.errors)

    @property
    def values(self) -> list[T]:
        """The good items, in order."""
        return list(self.good.values())

    def each(self, step: Callable[[T], U]) -> "Results[U]":
        """What `step` makes of each good item; one for which it raises ItemFailedError fails."""
        return self.each_at(lambda _, item: step(item))

    def each_at(self, step: Callable[[int, T], U]) -> "Results[U]":
        """As `each`, with the item's position."""
        good: dict[int, U] = {}
        errors = dict(self.errors)
        for position, item in self.good.items():
            try:
                good[position] = step(position, item)
            except ItemFailedError as failed:
                errors[position] = failed.error
        return Results(good, errors)

    async def each_async(self, step: Callable[[T], Awaitable[U]]) -> "Results[U]":
        """As `each`, all at once; any other error than ItemFailedError ends the others."""
        return await self.each_at_async(lambda _, item: step(item))

    async def each_at_async(self, step: Callable[[int, T], Awaitable[U]]) -> "Results[U]":
        """As `each_async`, with the item's position."""

        async def outcome(position: int, item: T) -> U | ItemError:
            try:
                return await step(position, item)
            except ItemFailedError as failed:
                return failed.error

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {i: group.create_task(outcome(i, item)) for i, item in self.good.items()}
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        found = {i: task.result() for i, task in tasks.items()}
        good = {i: value for i, value in found.items() if not isinstance(value, ItemError)}
        errors = {i: value for i, value in found.items() if isinstance(value, ItemError)}
        return Results(good, {**self.errors, **errors})

    def replaced(self, values: Sequence[U]) -> "Results[U]":
        """With other values in the place of the good items, as many and in their order."""
        return Results(dict(zip(self.good, values, strict=True)), self.errors)

    def in_order(self, good: Callable[[int, T], R], bad: Callable[[int, ItemError], R]) -> list[R]:
        """One value a position, of the good item or of the error there."""
        return [
            good(i, self.good[i]) if i in self.good else bad(i, self.errors[i])
            for i in range(len(self))
        ]

    def require_some(self, otherwise: str) -> "Results[T]":
        """Itself, where anything is good or nothing was given.

        Raises:
            EveryItemFailedError: with the message `otherwise` and all errors.
        """
        if self.errors and not self.good:
            raise EveryItemFailedError(otherwise, self.errors)
        return self
