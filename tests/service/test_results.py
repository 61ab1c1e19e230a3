"""Every position of a batch keeps its value or its error, whatever is done with the batch."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import EveryItemFailedError, invalid_item
from service.results import Results

NUMBERS = st.lists(st.integers(-20, 20))


def halved(number: int) -> int:
    if number % 2:
        raise invalid_item(f"{number} is odd")
    return number // 2


def shown(results: Results[int]) -> list[int | str]:
    return results.in_order(lambda _, value: value, lambda _, error: error.detail)


def expected(numbers: list[int], steps: int) -> list[int | str]:
    out: list[int | str] = []
    for number in numbers:
        value: int | str = number
        for _ in range(steps):
            if isinstance(value, int):
                value = f"{value} is odd" if value % 2 else value // 2
        out.append(value)
    return out


@given(NUMBERS, st.integers(0, 4))
def test_steps_leave_everything_in_its_place(numbers: list[int], steps: int) -> None:
    results = Results.of(numbers)
    for _ in range(steps):
        results = results.each(halved)
    assert shown(results) == expected(numbers, steps)
    assert len(results) == len(numbers)


@given(NUMBERS)
def test_asynchronous_steps_are_the_same(numbers: list[int]) -> None:
    async def step(number: int) -> int:
        return halved(number)

    assert shown(asyncio.run(Results.of(numbers).each_async(step))) == expected(numbers, 1)


@given(NUMBERS)
def test_a_step_over_all_good_items_at_once(numbers: list[int]) -> None:
    good = Results.of(numbers).each(halved)
    assert shown(good.replaced([2 * value for value in good.values])) == [
        number if number % 2 == 0 else f"{number} is odd" for number in numbers
    ]


def test_another_error_ends_an_asynchronous_batch() -> None:
    async def step(number: int) -> int:
        if number == 1:
            raise ConnectionError("gone")
        return number

    with pytest.raises(ConnectionError):
        asyncio.run(Results.of([0, 1, 2]).each_async(step))


def test_only_a_batch_that_failed_whole_is_refused() -> None:
    assert Results.of([]).require_some("all bad").values == []
    assert Results.of([1, 2]).each(halved).require_some("all bad").values == [1]
    with pytest.raises(EveryItemFailedError, match="all bad") as raised:
        Results.of([1, 3]).each(halved).require_some("all bad")
    assert [error.detail for error in raised.value.errors.values()] == ["1 is odd", "3 is odd"]
