"""Filters: JSON -> conditions -> SQL.

    {"label": "cat"}                                 equal
    {"metadata.site": {"in": ["a", "b"]}}            one of these
    {"metadata.year": {"gte": 2020, "lt": 2023}}     also gt, lte; texts by code point
    {"label": {"exists": true}}                      there at all
    {"id": {"in": ["x", "y"]}}                       the item's own id
    {"and": [..]}  {"or": [..]}  {"not": {..}}       several keys in one object: all of them

A key that an item does not have matches nothing but `not`. Values match their own type alone: 1 is
not "1" and not true. A list in the metadata matches where one of its elements does.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, not_, or_, select, true

from service.errors import InvalidInputError
from service.rules.metadata import MAX_TEXT, ValueType, is_of_type
from service.storage import schema
from service.storage.collections import Collection

MAX_DEPTH = 16
MAX_CONDITIONS = 200
MAX_VALUES = 1000
"""Values of one `in`."""

_RANGES = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
_items, _values = schema.items, schema.item_values


def parse(text: str) -> Any:
    """The JSON of a filter that came as text. Raises InvalidInputError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f'filter is not JSON ({error}); write {{"label": "cat"}}') from None


def condition(given: Any, collection: Collection) -> ColumnElement[bool]:
    """A filter as a condition on the `items` table, true or false for every item.

    Raises:
        InvalidInputError: not a filter; the message names the place.
    """
    counter = _Counter()
    return _all_of(given, collection, counter, 1)


@dataclass
class _Counter:
    conditions: int = 0

    def add(self) -> None:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise InvalidInputError(f"filter: more than {MAX_CONDITIONS} conditions; simplify it")


def _all_of(
    given: Any, collection: Collection, counter: _Counter, depth: int
) -> ColumnElement[bool]:
    if not isinstance(given, dict):
        raise InvalidInputError(
            f'filter: {_shown(given)} is not an object; write {{"label": "cat"}}'
        )
    if depth > MAX_DEPTH:
        raise InvalidInputError(f"filter: nested deeper than {MAX_DEPTH} levels; simplify it")
    return and_(true(), *(_one(k, v, collection, counter, depth) for k, v in given.items()))


def _one(
    key: str, value: Any, collection: Collection, counter: _Counter, depth: int
) -> ColumnElement[bool]:
    counter.add()
    if key in ("and", "or"):
        if not isinstance(value, list) or not value:
            raise InvalidInputError(f"filter: {key!r} takes a list of one filter or more")
        inner = [_all_of(part, collection, counter, depth + 1) for part in value]
        return and_(*inner) if key == "and" else or_(*inner)
    if key == "not":
        return not_(_all_of(value, collection, counter, depth + 1))
    if key in ("id", "label"):
        return _column(key, value)
    name = key.removeprefix("metadata.")
    if name == key or not name:
        raise InvalidInputError(
            f"filter: there is no {_shown(key)}; filter by label, id, metadata.<key>, and, or, not"
        )
    return _metadata(name, value, collection)


def _column(key: str, value: Any) -> ColumnElement[bool]:
    column = _items.c.label if key == "label" else _items.c.item_id
    tests = []
    for operator, operand in _operators(key, value):
        for each in operand if operator == "in" else [operand]:
            if operator != "exists" and not isinstance(each, str):
                raise InvalidInputError(f"filter: {key} is text, not {_shown(each)}")
        tests.append(
            column.is_not(None) if operator == "exists" else _test(column, operator, operand)
        )
    # Not true, and not NULL either, where there is no label: NULL would stay NULL under `not`.
    return and_(column.is_not(None), *tests)


def _metadata(name: str, value: Any, collection: Collection) -> ColumnElement[bool]:
    field = f"metadata.{name}"
    tests = []
    for operator, operand in _operators(field, value):
        if operator == "exists":
            continue
        operands = operand if operator == "in" else [operand]
        for each in operands:
            _check_type(field, each, collection.metadata_schema.get(name))
        tests.append(or_(*_typed_tests(operator, operands)))
    # One row must pass them all: of a list, one element.
    found = select(_values.c.item_pk).where(
        _values.c.collection_id == collection.id, _values.c.key == name, *tests
    )
    return _items.c.pk.in_(found)


def _typed_tests(operator: str, operands: list[Any]) -> Iterator[ColumnElement[bool]]:
    texts = [each for each in operands if isinstance(each, str)]
    booleans = [each for each in operands if isinstance(each, bool)]
    numbers = [float(each) for each in operands if not isinstance(each, str | bool)]
    columns = ((_values.c.text, texts), (_values.c.boolean, booleans), (_values.c.number, numbers))
    for column, some in columns:
        if some:
            yield column.in_(some) if operator == "in" else _test(column, operator, some[0])


def _test(column: Any, operator: str, operand: Any) -> ColumnElement[bool]:
    if operator == "in":
        test: ColumnElement[bool] = column.in_(operand)
    elif operator == "equal":
        test = column == operand
    else:
        test = getattr(column, _RANGES[operator])(operand)
    return test


def _operators(field: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The (operator, operand) pairs of one field, each checked for its form."""
    if not isinstance(value, dict):
        yield "equal", _scalar(field, value)
        return
    if not value:
        raise InvalidInputError(f"filter: {field} has no condition; there is {_KNOWN}")
    for operator, operand in value.items():
        if operator == "in":
            if not isinstance(operand, list) or not 1 <= len(operand) <= MAX_VALUES:
                raise InvalidInputError(
                    f"filter: {field}: 'in' takes a list of 1 to {MAX_VALUES} values"
                )
            yield "in", [_scalar(field, each) for each in operand]
        elif operator == "exists":
            if operand is not True:
                raise InvalidInputError(
                    f"filter: {field}: 'exists' takes true; for the opposite, put it into 'not'"
                )
            yield "exists", True
        elif operator in _RANGES:
            if isinstance(_scalar(field, operand), bool):
                raise InvalidInputError(f"filter: {field}: {operator!r} takes a number or a text")
            yield operator, operand
        else:
            raise InvalidInputError(
                f"filter: {field}: there is no operator {_shown(operator)}; there is {_KNOWN}"
            )


_KNOWN = "in, gt, gte, lt, lte, exists, or a plain value"


def _scalar(field: str, value: Any) -> Any:
    fine = isinstance(value, str | bool | int) or (
        isinstance(value, float) and math.isfinite(value)
    )
    if not fine:
        raise InvalidInputError(
            f"filter: {field}: compare with a text, a number, true or false, not {_shown(value)}; "
            'for what is missing, write {"not": {"' + field + '": {"exists": true}}}'
        )
    if isinstance(value, str) and (len(value) > MAX_TEXT or "\0" in value):
        raise InvalidInputError(
            f"filter: {field}: texts are at most {MAX_TEXT} characters, without NUL"
        )
    return value


def _check_type(field: str, value: Any, declared: ValueType | None) -> None:
    if declared is None:
        return
    # Any number may be compared with an integer.
    if not is_of_type(value, "number" if declared == "integer" else declared):
        raise InvalidInputError(
            f"filter: {field} is declared {declared}; compare it with a {declared}, not "
            f"{_shown(value)}"
        )


def _shown(value: Any) -> str:
    return f"{value!r:.100}"
