"""Filters: what they find, against an evaluation of `docs/filters.md` over the stored JSON."""

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from service.errors import InvalidInputError
from service.rules.labels import normal_label
from service.rules.metadata import MAX_TEXT
from service.search import filters
from service.storage import items
from service.storage.collections import Collection
from service.storage.item_rows import Item
from tests.service.storage.conftest import make_collection, some_items
from zoo.text import nfc

ITEMS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "a": ("cat", {"site": "north", "year": 2020}),
    "b": ("dog", {"site": "south", "year": 2021.5, "sold": True}),
    "c": (None, {"site": ["north", "south"], "year": "2020"}),
    "d": ("cat", {"tags": [], "more": {}, "none": None}),
    "e": (None, {"place": {"city": "Bern", "n": [1, 2, 3]}, "sold": False}),
    "f": ("Ä", {"site": "Zürich", "year": -1, "sold": 1, "empty": None}),
    "g": ("dog", {"site": "", "year": 2**53, "long": "x" * (MAX_TEXT + 1)}),
}
_RANGES = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def fill(database: Engine, **given: Any) -> Collection:
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
        ({"metadata.long": {"exists": True}}, "g"),
        ({"not": {"metadata.long": {"exists": True}}}, "abcdef"),
        ({"metadata.long": "x" * MAX_TEXT}, ""),
        ({"metadata.long": {"gt": "x" * MAX_TEXT}}, "g"),
        ({"metadata.long": {"lte": "x" * MAX_TEXT}}, ""),
        ({"metadata.place": {"exists": True}}, "e"),
        ({"metadata.place": {"gte": ""}}, ""),
        ({"metadata.tags": {"exists": True}}, "d"),
        ({"metadata.more": {"exists": True}}, "d"),
        ({"metadata.year": 2**53}, "g"),
        ({"metadata.year": float(2**53)}, "g"),
        ({"metadata.year": 2**53 + 1}, ""),
        ({"metadata.year": {"lt": 2**53 + 1, "gt": 2**53 - 1}}, "g"),
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
    "filter",
    [
        {"label": " Ka\u0308fer"},
        {"label": {"in": ["dog", "K\u00e4fer\u200b"]}},
        {"label": {"gte": "Ka\u0308fer", "lte": "K\u00e4fer "}},
        {"id": "a\u0308"},
        {"id": {"in": ["b", "a\u0308"]}},
        {"label": "Ka\u0308fer" + " " * 600},
    ],
)
def test_labels_and_ids_are_compared_as_they_are_stored(database: Engine, filter: Any) -> None:
    collection = make_collection(database)
    (one,) = some_items("\u00e4", label="K\u00e4fer")
    items.upsert(database, collection, [one])
    assert found(database, collection, filter) == "\u00e4"


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        ([], "not an object"),
        ({"colour": "red"}, "colour"),
        ({"metadata.": "red"}, "metadata"),
        ({"label": 3}, "label is text"),
        ({"label": None}, "exists"),
        ({"label": {}}, "no condition"),
        ({"label": ""}, '{"not": {"label": {"exists": true}}}'),
        ({"label": {"in": ["cat", " \u200b"]}}, "blank"),
        ({"not": {"label": {"gte": "\ufeff"}}}, "blank"),
        ({"metadata.x": {}}, "no condition"),
        ({"and": [{}]}, "{} inside"),
        ({"or": [{"label": "cat"}, {}]}, "{} inside"),
        ({"not": {}}, "{} inside"),
        ({"not": {"and": [{"label": "cat"}, {"or": [{}]}]}}, "{} inside"),
        ({"metadata.x": 2**63}, "64 bits"),
        ({"metadata.x": {"in": [1, -(2**63) - 1]}}, "64 bits"),
        ({"metadata.x": {"gt": 10**300}}, "64 bits"),
        ({"metadata.a\0b": 1}, "NUL"),
        ({"metadata." + "x" * 101: 1}, "100 characters"),
        ({"or": [{"metadata.x": {"in": list(range(1000))}}] * 11}, "10000 values"),
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
    operand: Any = "cat"
    for _ in range(5000):
        filter = {"not": filter}
        operand = [operand]
    with pytest.raises(InvalidInputError, match="nested"):
        filters.condition(filter, tmp_collection)
    for wrong in (operand, {"label": operand}, {"metadata.x": {"in": [operand]}}, {"not": operand}):
        with pytest.raises(InvalidInputError):
            filters.condition(wrong, tmp_collection)


def test_as_many_values_as_are_allowed_can_be_asked_for(database: Engine) -> None:
    filter = {"or": [{"metadata.year": {"in": [2020, *range(999)]}}] * 10}
    assert found(database, fill(database), filter) == "a"


def test_the_longest_keys_and_texts_fit_into_every_index(database: Engine) -> None:
    generator = np.random.default_rng(0)
    code_points = generator.integers(0x10000, 0x10FFFF, 1000)  # four bytes each, no repetition
    text = "".join(map(chr, code_points))
    key, long = text[:100], text[100:] * 10
    collection = make_collection(database)
    items.upsert(database, collection, some_items("a", metadata={key: long}))
    assert found(database, collection, {f"metadata.{key}": {"exists": True}}) == "a"
    assert found(database, collection, {f"metadata.{key}": {"gt": long[:MAX_TEXT]}}) == "a"
    assert found(database, collection, {f"metadata.{key}": long[:MAX_TEXT]}) == ""


@pytest.fixture
def tmp_collection(database: Engine) -> Collection:
    return make_collection(database, metadata_schema={"year": "integer"})


big = 2**53
texts = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3),
    st.sampled_from(["n", "north", "north ", "", "Z", "z", "\uffff", "\U0001f408", "2020"]),
    st.sampled_from(["2026-01-31T09:30:00Z", "2026-01-31T10:30:00+01:00"]),
    st.sampled_from([0, 1]).map(lambda more: "x" * (MAX_TEXT - more)),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.builds(
        lambda base, off: base + off, st.sampled_from([big, -big, 2**62]), st.integers(-2, 2)
    ),
    st.sampled_from([2**63 - 1, 2**63 - 2, -(2**63), 2**63 - 1024]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, -1.5, float(big), big + 2.0, 2.0**62, 2.0**63]),
    st.sampled_from([-(2.0**63), -(2.0**64), 1e300, 5e-324]),
)
operands = st.one_of(texts, numbers, st.booleans())
scalars = st.one_of(
    operands, st.sampled_from(["x" * (MAX_TEXT + 1), "x" * 5000, "x" * MAX_TEXT + "\U0001f408"])
)
keys = st.sampled_from(["a", "b", "a.b"])
metadata = st.dictionaries(
    keys,
    st.recursive(
        scalars | st.none(),
        lambda inner: st.one_of(
            st.lists(inner.filter(lambda value: not isinstance(value, list)), max_size=3),
            st.dictionaries(keys, inner, max_size=2),
        ),
        max_leaves=4,
    ),
    max_size=3,
)
ranges = st.dictionaries(st.sampled_from(list(_RANGES)), texts | numbers, min_size=1, max_size=2)
tests = st.one_of(
    operands,
    ranges,
    st.fixed_dictionaries({"in": st.lists(operands, min_size=1, max_size=4)}),
    st.just({"exists": True}),
    st.builds(
        lambda some, test: {"in": some, **test}, st.lists(operands, min_size=1, max_size=3), ranges
    ),
)
words = texts.filter(normal_label)
labels = st.none() | words.map(normal_label)
leaves = st.one_of(
    st.builds(
        lambda name, test: {f"metadata.{name}": test},
        st.sampled_from(["a", "b", "a.b", "a.a", "b.a", "c"]),
        tests,
    ),
    st.builds(
        lambda key, test: {key: test},
        st.sampled_from(["label", "id"]),
        st.one_of(
            words,
            st.just({"exists": True}),
            st.fixed_dictionaries({"in": st.lists(words, min_size=1, max_size=2)}),
            st.dictionaries(st.sampled_from(list(_RANGES)), words, min_size=1, max_size=2),
        ),
    ),
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


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[tuple[str | None, dict[str, Any]]], list[Any]]:
    """Items, and filters that are likely to be at the edge of some of them."""
    about = draw(st.lists(st.tuples(labels, metadata), min_size=1, max_size=4))
    asked = draw(st.lists(trees, min_size=1, max_size=3))
    for _, data in about:
        for key in ("a", "b", "a.b"):
            for value in _at(data, key.split(".")):
                if isinstance(value, str | int | float) and not _too_long(value):
                    asked.append({f"metadata.{key}": value})
                    if not isinstance(value, bool):
                        asked.append({f"metadata.{key}": {draw(st.sampled_from(NAMES)): value}})
    return about, asked


NAMES = list(_RANGES)


def _too_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > MAX_TEXT


def test_sql_agrees_with_the_specification(database: Engine) -> None:
    collection = make_collection(database)

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(questions())
    def agree(given: tuple[list[tuple[str | None, dict[str, Any]]], list[Any]]) -> None:
        about, asked = given
        new = [
            replace(item, label=label, metadata=data)
            for item, (label, data) in zip(some_items("abcd"[: len(about)]), about, strict=True)
        ]
        items.delete_items(database, collection)
        items.upsert(database, collection, new)
        stored, _ = items.scroll(database, collection)
        for item, sent in zip(stored, new, strict=True):
            # Not only equal: to Python 1, 1.0 and True are.
            assert repr(_sorted(item.metadata)) == repr(_sorted(sent.metadata))
        for filter in asked:
            expected = "".join(item.id for item in stored if holds(filter, item))
            assert found(database, collection, filter) == expected, filter

    agree()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def holds(filter: dict[str, Any], item: Item) -> bool:
    return all(_member_holds(name, value, item) for name, value in filter.items())


def _member_holds(name: str, value: Any, item: Item) -> bool:
    if name == "and":
        return all(holds(part, item) for part in value)
    if name == "or":
        return any(holds(part, item) for part in value)
    if name == "not":
        return not holds(value, item)
    if name == "label":
        return passes(item.label, _as_stored(value, normal_label))
    if name == "id":
        return passes(item.id, _as_stored(value, nfc))
    return any(passes(found, value) for found in _at(item.metadata, name.split(".")[1:]))


def _as_stored(test: Any, form: Callable[[str], str]) -> Any:
    if isinstance(test, str):
        return form(test)
    if isinstance(test, list):
        return [form(one) for one in test]
    if isinstance(test, dict):
        return {name: _as_stored(operand, form) for name, operand in test.items()}
    return test


def _at(value: Any, parts: list[str]) -> list[Any]:
    """Whatever is stored under a key: the elements of lists, and also lists and objects."""
    if isinstance(value, list):
        return [value] * (not parts) + [one for inner in value for one in _at(inner, parts)]
    if not parts:
        return [value]
    if not isinstance(value, dict):
        return []
    cuts = range(1, len(parts) + 1)
    named = [(".".join(parts[:cut]), parts[cut:]) for cut in cuts]
    return [one for key, rest in named if key in value for one in _at(value[key], rest)]


def passes(value: Any, test: Any) -> bool:
    if value is None:
        return False
    if not isinstance(test, dict):
        return _type(value) == _type(test) and value == test
    for name, operand in test.items():
        if name == "in" and not any(passes(value, each) for each in operand):
            return False
        if name in _RANGES and not (
            _type(value) == _type(operand) and _RANGES[name](value, operand)
        ):
            return False
    return True


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__
