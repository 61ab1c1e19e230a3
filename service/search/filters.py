"""Filters: JSON -> conditions -> SQL. `docs/filters.md` says what each of them means.

    {"label": "cat"}                                 equal
    {"metadata.site": {"in": ["a", "b"]}}            one of these
    {"metadata.year": {"gte": 2020, "lt": 2023}}     also gt, lte; texts by code point
    {"label": {"exists": true}}                      there at all
    {"id": {"in": ["x", "y"]}}                       the item's own id
    {"and": [..]}  {"or": [..]}  {"not": {..}}       several keys in one object: all of them

What is decided, is decided in SQL by columns that hold what is stored exactly, or enough of it to
decide (see `item_values`): a filter also says what is deleted.
"""

import math
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from service.errors import InvalidInputError
from service.rules import exact_json
from service.rules.labels import normal_label
from service.rules.metadata import INTEGERS, MAX_KEY, MAX_TEXT, ValueType, is_of_type
from service.storage import schema
from service.storage.collections import Collection
from zoo.text import LONGEST, nfc

MAX_DEPTH = 16
MAX_CONDITIONS = 200
MAX_VALUES = 1000
"""Values of one `in`."""
MAX_ALL_VALUES = 10_000
"""Values of a whole filter; a number may stand in SQL twice, which allows 32,766 a statement."""

_RANGES = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
_items, _values = schema.items, schema.item_values


def parse(text: str) -> Any:
    """The JSON of a filter that came as text. Raises InvalidInputError."""
    try:
        return exact_json.loads(text.encode(), distinct=True)
    except ValueError as error:
        raise InvalidInputError(f'filter is not JSON ({error}); write {{"label": "cat"}}') from None


def condition(given: Any, collection: Collection) -> ColumnElement[bool]:
    """A filter as a condition on the `items` table, true or false for every item.

    {} alone holds for all; whoever deletes refuses it. Within a filter it is an error.

    Raises:
        InvalidInputError: not a filter; the message names the place.
    """
    if given == {}:
        return true()
    return _all_of(given, collection, _Counter(), 1)


@dataclass
class _Counter:
    conditions: int = 0
    values: int = 0

    def add(self) -> None:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise InvalidInputError(f"filter: more than {MAX_CONDITIONS} conditions; simplify it")

    def add_values(self, count: int) -> None:
        self.values += count
        if self.values > MAX_ALL_VALUES:
            raise InvalidInputError(f"filter: more than {MAX_ALL_VALUES} values; divide it")


def _all_of(
    given: Any, collection: Collection, counter: _Counter, depth: int
) -> ColumnElement[bool]:
    if not isinstance(given, dict):
        raise InvalidInputError(
            f'filter: {_shown(given)} is not an object; write {{"label": "cat"}}'
        )
    if not given:
        raise InvalidInputError("filter: {} inside holds for every item; leave it out")
    if depth > MAX_DEPTH:
        raise InvalidInputError(f"filter: nested deeper than {MAX_DEPTH} levels; simplify it")
    return and_(*(_one(k, v, collection, counter, depth) for k, v in given.items()))


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
        return _column(key, value, counter)
    name = key.removeprefix("metadata.")
    if name == key or not name:
        raise InvalidInputError(
            f"filter: there is no {_shown(key)}; filter by label, id, metadata.<key>, and, or, not"
        )
    if "\0" in name or len(name) > MAX_KEY:
        raise InvalidInputError(
            f"filter: there is no {_shown(key)}: metadata keys are at most {MAX_KEY} characters, "
            "without NUL"
        )
    return _metadata(name, value, collection, counter)


def _column(key: str, value: Any, counter: _Counter) -> ColumnElement[bool]:
    column = _items.c.label if key == "label" else _items.c.item_id
    tests = []
    for operator, operand in _operators(key, value):
        if operator == "exists":
            continue
        counter.add_values(len(operand))
        tests.append(_test(column, operator, [_as_stored(key, each) for each in operand]))
    # Not true, and not NULL either, where there is no label: NULL would stay NULL under `not`.
    return and_(column.is_not(None), *tests)


def _as_stored(key: str, operand: Any) -> str:
    """A label or id in the form in which they are stored."""
    if not isinstance(operand, str):
        raise InvalidInputError(f"filter: {key} is text, not {_shown(operand)}")
    if key == "id":
        return nfc(operand)
    label = normal_label(operand)
    if not label:
        raise InvalidInputError(
            f"filter: label: {_shown(operand)} is blank, which no label is; for items without one, "
            'write {"not": {"label": {"exists": true}}}'
        )
    return label


def _metadata(
    name: str, value: Any, collection: Collection, counter: _Counter
) -> ColumnElement[bool]:
    field = f"metadata.{name}"
    tests = []
    for operator, operands in _operators(field, value):
        if operator == "exists":
            continue
        counter.add_values(len(operands))
        for each in operands:
            _check_type(field, each, collection.metadata_schema.get(name))
        tests.append(or_(*_typed_tests(operator, operands)))
    # One row must pass them all: of a list, one element.
    found = select(_values.c.item_pk).where(
        _values.c.collection_id == collection.id, _values.c.key == name, *tests
    )
    return _items.c.pk.in_(found)


def _typed_tests(operator: str, operands: Sequence[Any]) -> Iterator[ColumnElement[bool]]:
    texts = [each for each in operands if isinstance(each, str)]
    booleans = [each for each in operands if isinstance(each, bool)]
    numbers = [each for each in operands if not isinstance(each, str | bool)]
    if texts:
        # Of longer texts a character more than any operand has is stored, which decides all.
        yield _test(_values.c.text, operator, texts)
    if booleans:
        yield _test(_values.c.boolean, operator, booleans)
    if numbers and operator in _RANGES:
        yield _whole_range(operator, numbers[0])
        yield _test(_values.c.number, operator, [_as_float(operator, numbers[0])])
    elif numbers:
        wholes = {int(n) for n in numbers if n == math.floor(n) and math.floor(n) in INTEGERS}
        floats = {float(n) for n in numbers if n == float(n)}
        yield _values.c.whole.in_(sorted(wholes))
        yield _values.c.number.in_(sorted(floats))


def _whole_range(operator: str, operand: float) -> ColumnElement[bool]:
    """Which whole numbers lie on that side of a number."""
    if operator in ("gt", "gte"):
        least = math.floor(operand) + 1 if operator == "gt" else math.ceil(operand)
        return false() if least > INTEGERS[-1] else _values.c.whole >= max(least, INTEGERS[0])
    most = math.ceil(operand) - 1 if operator == "lt" else math.floor(operand)
    return false() if most < INTEGERS[0] else _values.c.whole <= min(most, INTEGERS[-1])


def _as_float(operator: str, operand: float) -> float:
    """A float that every float lies on the same side of as of the operand, itself excepted.

    An integer that no float equals lies between two: above the lower one is above the integer, and
    at the upper one too.
    """
    near = float(operand)
    if near < operand and operator in ("gte", "lt"):
        return math.nextafter(near, math.inf)
    if near > operand and operator in ("gt", "lte"):
        return math.nextafter(near, -math.inf)
    return near


def _test(column: Any, operator: str, operands: Sequence[Any]) -> ColumnElement[bool]:
    test: ColumnElement[bool]
    if operator in _RANGES:
        test = getattr(column, _RANGES[operator])(operands[0])
    else:
        test = column.in_(operands)
    return test


def _operators(field: str, value: Any) -> Iterator[tuple[str, list[Any]]]:
    """The operators of one field with their operands, each checked for its form."""
    if not isinstance(value, dict):
        yield "in", [_scalar(field, value)]
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
            yield "exists", []
        elif operator in _RANGES:
            if isinstance(_scalar(field, operand), bool):
                raise InvalidInputError(f"filter: {field}: {operator!r} takes a number or a text")
            yield operator, [operand]
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
    most = LONGEST if field in ("id", "label") else MAX_TEXT
    if isinstance(value, str) and (len(value) > most or "\0" in value):
        raise InvalidInputError(
            f"filter: {field}: texts are at most {most} characters, without NUL"
        )
    if isinstance(value, int) and value not in INTEGERS:
        raise InvalidInputError(
            f"filter: {field}: {_shown(value)} is beyond the whole numbers of 64 bits, which no "
            "item has"
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
    return f"{reprlib.repr(value):.100}"
