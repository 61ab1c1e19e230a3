"""Every index behind the protocol, against brute force in NumPy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from service.domain.search import Match, near_items, near_vector, search
from service.errors import InvalidInputError, ItemFailedError, NotFoundError, SpaceMismatchError
from service.search.index import VectorIndex
from service.search.memory import MemoryIndex
from service.storage import collections, items
from service.storage.item_rows import NewItem
from tests.service.search.plain_index import PlainIndex
from tests.service.storage.conftest import SPACE, make_collection, some_items

Kind = type[MemoryIndex] | type[PlainIndex]

DIM = 6
IDS = [f"i{n}" for n in range(24)]
LABELS = ["cat", "dog", None]

Model = dict[str, tuple[np.ndarray, str | None]]


@dataclass(frozen=True)
class Put:
    ids: list[str]
    seed: int


@dataclass(frozen=True)
class Remove:
    ids: list[str]


@dataclass(frozen=True)
class Ask:
    seed: int
    k: int
    label: str | None
    process: int


some_ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=16, unique=True)
seeds = st.integers(0, 10_000)
steps = st.lists(
    st.one_of(
        st.builds(Put, some_ids, seeds),
        st.builds(Remove, some_ids),
        st.builds(
            Ask, seeds, st.integers(1, 30), st.sampled_from([None, "cat", "dog"]), st.integers(0, 1)
        ),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(params=[MemoryIndex, PlainIndex])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_searches_equal_brute_force_whatever_was_written_before(
    database: Engine, kind: Kind
) -> None:
    count = iter(range(1_000_000))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps)
    def agree(taken: list[Put | Remove | Ask]) -> None:
        name = f"c{next(count)}"
        make_collection(database, name, dim=DIM)
        processes = kind(), kind()
        model: Model = {}
        # At the end both are asked for everything, so that every sequence of steps tests something.
        final = [Ask(7, 30, None, process) for process in (0, 1)]
        for step in [*taken, *final]:
            apply(database, name, processes, model, step)

    agree()


def apply(
    database: Engine, name: str, processes: tuple[VectorIndex, VectorIndex], model: Model, step: Any
) -> None:
    collection = collections.get_collection(database, name)
    if isinstance(step, Put):
        generator = np.random.default_rng(step.seed)
        new = [
            NewItem(i, unit(int(generator.integers(10_000))), LABELS[generator.integers(3)])
            for i in step.ids
        ]
        statuses = items.upsert(database, collection, new)
        assert [status == "created" for status in statuses] == [i.id not in model for i in new]
        model.update({item.id: (item.vector, item.label) for item in new})
    elif isinstance(step, Remove):
        deleted = items.delete_items(database, collection, ids=step.ids)
        assert deleted == sum(model.pop(i, None) is not None for i in step.ids)
    else:
        query = unit(step.seed)
        filter = None if step.label is None else {"label": step.label}
        aim = near_vector(query.tolist())
        _, matches = search(database, processes[step.process], name, aim, k=step.k, filter=filter)
        allowed = {i: v for i, (v, label) in model.items() if step.label in (None, label)}
        check(matches, query, allowed, step.k)


def check(matches: list[Match], query: np.ndarray, allowed: dict[str, Any], k: int) -> None:
    """The k greatest cosine similarities of those allowed; ties in any order."""
    ids = [match.item.id for match in matches]
    scores = [match.score for match in matches]
    best = sorted((float(vector @ query) for vector in allowed.values()), reverse=True)[:k]
    assert len(set(ids)) == len(ids)
    np.testing.assert_allclose(scores, best, atol=1e-5)
    np.testing.assert_allclose(scores, [allowed[i] @ query for i in ids], atol=1e-5)


def test_a_deleted_collection_of_the_same_name_leaves_nothing_behind(
    database: Engine, kind: Kind
) -> None:
    index = kind()
    query = near_vector([1, 0, 0, 0])
    items.upsert(database, make_collection(database), some_items("abc"))
    assert len(search(database, index, "photos", query, k=5)[1]) == 3
    collections.delete_collection(database, "photos")
    with pytest.raises(NotFoundError):
        search(database, index, "photos", query, k=5)
    items.upsert(database, make_collection(database), some_items("z"))
    assert [m.item.id for m in search(database, index, "photos", query, k=5)[1]] == ["z"]


def test_examples_pull_and_push_and_are_not_found(database: Engine, kind: Kind) -> None:
    collection = make_collection(database)
    new = some_items("abcdefgh")
    vector = {item.id: item.vector for item in new}
    items.upsert(database, collection, new)
    aim = near_items(["a", "b"], ["c"])
    _, matches = search(database, kind(), "photos", aim, k=10)
    direction = (vector["a"] + vector["b"]) - vector["c"]  # 2 mean(a, b) - mean(c)
    direction /= np.linalg.norm(direction)
    check(matches, direction, {i: v for i, v in vector.items() if i in "defgh"}, 10)
    _, matches = search(database, kind(), "photos", near_items(["a"]), k=10)
    check(matches, vector["a"], {i: v for i, v in vector.items() if i != "a"}, 10)


def test_what_cannot_be_searched_is_refused(database: Engine, kind: Kind) -> None:
    collection = make_collection(database)
    items.upsert(database, collection, some_items("ab"))
    asked: list[tuple[Any, int, type[Exception], str]] = [
        (near_vector([1, 0, 0]), 5, ItemFailedError, "3"),
        (near_vector([0, 0, 0, 0]), 5, ItemFailedError, "zero"),
        (near_vector([1, 0, 0, float("inf")]), 5, ItemFailedError, "finite"),
        (near_vector([1, 0, 0, 0], "b" * 64), 5, SpaceMismatchError, "b" * 64),
        (near_vector([1, 0, 0, 0], SPACE), 0, InvalidInputError, "k must be"),
        (near_vector([1, 0, 0, 0], SPACE), 1001, InvalidInputError, "k must be"),
        (near_items(["a", "x"]), 5, NotFoundError, "'x'"),
    ]
    for aim, k, error, words in asked:
        with pytest.raises(error, match=words):
            search(database, kind(), "photos", aim, k=k)
    with pytest.raises(InvalidInputError, match="positive"):
        near_items([], ["a"])
    axis = np.array([1, 0, 0, 0], np.float32)
    items.upsert(database, collection, [NewItem("p", axis), NewItem("q", -axis)])
    with pytest.raises(InvalidInputError, match="cancel out"):
        search(database, kind(), "photos", near_items(["p", "q"]), k=5)


def test_many_writes_leave_few_segments_and_no_dead_weight(database: Engine) -> None:
    collection = make_collection(database)
    index = MemoryIndex()
    query = near_vector([1, 0, 0, 0])
    for turn in range(40):
        items.upsert(
            database, collection, [NewItem(f"{turn}", some_items("x", seed=turn)[0].vector)]
        )
        search(database, index, "photos", query, k=1)
    with index.view(database, "photos") as view:
        assert view.snapshot.count == 40
        assert len(view.snapshot.segments) <= 6
    items.delete_items(database, collection, ids=[f"{turn}" for turn in range(30)])
    with index.view(database, "photos") as view:
        assert view.snapshot.count == 10
        assert sum(len(segment.keys) for segment in view.snapshot.segments) <= 14
