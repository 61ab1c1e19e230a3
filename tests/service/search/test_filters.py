"""Filters, against a plain evaluation in Python."""

import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from service.errors import InvalidInputError
from service.rules.metadata import MAX_TEXT, scalars
from service.search import filters
from service.storage import items
from service.storage.collections import Collection
from service.storage.database import reading
from tests.service.storage.conftest import make_collection, some_items

ITEMS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "a": ("cat", {"site": "north", "year": 2020}),
    "b": ("dog", {"site": "south", "year": 2021.5, "sold": True}),
    "c": (None, {"site": ["north", "south"], "year": "2020"}),
    "d": ("cat", {}),
    "e": (None, {"place": {"city": "Bern", "n": [1, 2, 3]}, "sold": False}),
    "f": ("Ä", {"site": "Zürich", "year": -1, "sold": 1, "empty": None}),
    "g": ("dog", {"site": "", "year": 2**53, "long": "x" * (MAX_TEXT + 1)}),
}
_RANGES = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def fill(database: Engine, **given: object) -> Collection:
    collection = make_collection(database, **given)
    for item_id, (label, metadata) in ITEMS.items():
        items.upsert(database, collection, some_items(item_id, label=label, metadata=metadata))
    return collection


def found(database: Engine, collection: Collection, filter: Any) -> str:
    where = filters.condition(filter, collection)
    page, _ = items.scroll(database, collection, where=where)
    return "".join(item.id for item in page)


@pytest.mark.parametrize(
    ("filter", "ids"),
    [
        ({}, "abcdefg"),
        ({"label": "cat"}, "ad"),
        ({"not": {"label": "cat"}}, "bcefg"),
        ({"label": {"exists": True}}, "abdfg"),
        ({"not": {"label": {"exists": True}}}, "ce"),
        ({"label": {"gte": "cat", "lt": "dog"}}, "ad"),
        ({"id": {"in": ["a", "g", "nobody"]}}, "ag"),
        ({"metadata.site": "north"}, "ac"),
        ({"metadata.site": {"in": ["north", ""]}}, "acg"),
        ({"metadata.year": {"gte": 2020}}, "abg"),
        ({"metadata.year": {"gte": 2020, "lt": 2021}}, "a"),
        ({"metadata.year": 2020.0}, "a"),
        ({"metadata.year": "2020"}, "c"),
        ({"metadata.year": {"in": [2020, "2020"]}}, "ac"),
        ({"not": {"metadata.year": {"gte": 2020}}}, "cdef"),
        ({"metadata.sold": True}, "b"),
        ({"metadata.sold": 1}, "f"),
        ({"metadata.sold": {"in": [True, False]}}, "be"),
        ({"metadata.place.city": "Bern"}, "e"),
        ({"metadata.place.n": {"gt": 1, "lt": 3}}, "e"),
        ({"metadata.place.n": {"gt": 2, "lt": 3}}, ""),
        ({"metadata.empty": {"exists": True}}, ""),
        ({"metadata.nobody": {"exists": True}}, ""),
        ({"not": {"metadata.nobody": 1}}, "abcdefg"),
        ({"label": "cat", "metadata.year": 2020}, "a"),
        ({"or": [{"label": "dog"}, {"metadata.site": "north"}]}, "abcg"),
        ({"and": [{"label": "dog"}, {"not": {"metadata.sold": True}}]}, "g"),
        ({"not": {"not": {"metadata.sold": True}}}, "b"),
    ],
)
def test_a_filter_finds_what_it_says(database: Engine, filter: Any, ids: str) -> None:
    assert found(database, fill(database), filter) == ids


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        ([], "not an object"),
        ({"colour": "red"}, "colour"),
        ({"metadata.": "red"}, "metadata"),
        ({"label": 3}, "label is text"),
        ({"label": None}, "exists"),
        ({"label": {}}, "no condition"),
        ({"metadata.x": {"like": "a"}}, "like"),
        ({"metadata.x": {"in": []}}, "'in' takes a list"),
        ({"metadata.x": {"in": "abc"}}, "'in' takes a list"),
        ({"metadata.x": {"gt": True}}, "'gt'"),
        ({"metadata.x": {"exists": False}}, "'not'"),
        ({"metadata.x": float("nan")}, "metadata.x"),
        ({"metadata.x": "x" * (MAX_TEXT + 1)}, "512"),
        ({"metadata.year": "2020"}, "declared integer"),
        ({"metadata.year": {"in": [2020, True]}}, "declared integer"),
        ({"and": []}, "'and' takes a list"),
        ({"or": {"label": "cat"}}, "'or' takes a list"),
        ({"not": [{"label": "cat"}]}, "not an object"),
        ({"or": [{"label": "cat"}] * 300}, "200 conditions"),
    ],
)
def test_what_is_no_filter_is_refused(tmp_collection: Collection, filter: Any, words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        filters.condition(filter, tmp_collection)
    assert words in str(caught.value)


def test_a_filter_nested_too_deep_is_refused(tmp_collection: Collection) -> None:
    filter: Any = {"label": "cat"}
    for _ in range(5000):
        filter = {"not": filter}
    with pytest.raises(InvalidInputError, match="nested"):
        filters.condition(filter, tmp_collection)


@pytest.fixture
def tmp_collection(database: Engine) -> Collection:
    return make_collection(database, metadata_schema={"year": "integer"})


values = st.sampled_from(["north", "south", "2020", "", 2020, 2021.5, 1, -1, True, False])
bounds = st.sampled_from(["north", "2020", "s", 2020, 2, 0.5])
names = st.sampled_from(["site", "year", "sold", "place.city", "place.n", "nobody"])
tests = st.one_of(
    values,
    st.fixed_dictionaries({"in": st.lists(values, min_size=1, max_size=4)}),
    st.dictionaries(st.sampled_from(list(_RANGES)), bounds, min_size=1, max_size=2),
    st.just({"exists": True}),
)
leaves = st.one_of(
    st.builds(lambda name, test: {f"metadata.{name}": test}, names, tests),
    st.builds(lambda label: {"label": label}, st.sampled_from(["cat", "dog", "none"])),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"and": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"or": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda one, two: {**one, **two}, inner, inner),
    ),
    max_leaves=6,
)


def test_sql_agrees_with_python(database: Engine) -> None:
    collection = fill(database)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(trees)
    def agree(filter: dict[str, Any]) -> None:
        expected = "".join(i for i, (label, data) in ITEMS.items() if holds(filter, label, data))
        with reading(database) as connection:
            where = filters.condition(filter, collection)
            keys = items.matching_keys(connection, collection, where).tolist()
            by_key = items.by_keys(connection, collection, keys)
        assert "".join(by_key[key].id for key in keys) == expected

    agree()


def holds(filter: dict[str, Any], label: str | None, metadata: dict[str, Any]) -> bool:
    return all(_holds(key, value, label, metadata) for key, value in filter.items())


def _holds(key: str, value: Any, label: str | None, metadata: dict[str, Any]) -> bool:
    if key == "and":
        return all(holds(part, label, metadata) for part in value)
    if key == "or":
        return any(holds(part, label, metadata) for part in value)
    if key == "not":
        return not holds(value, label, metadata)
    if key == "label":
        return label is not None and label == value
    present = [scalar for name, scalar in scalars(metadata) if f"metadata.{name}" == key]
    return any(_passes(scalar, value) for scalar in present)


def _passes(scalar: Any, test: Any) -> bool:
    if not isinstance(test, dict):
        return _kind(scalar) == _kind(test) and scalar == test
    for name, operand in test.items():
        if name == "in" and not any(_passes(scalar, each) for each in operand):
            return False
        if name in _RANGES and not (
            _kind(scalar) == _kind(operand) and _RANGES[name](scalar, operand)
        ):
            return False
    return True


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"
