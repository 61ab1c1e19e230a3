"""Heads in SQL."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from service.errors import ConflictError, NotFoundError, SpaceMismatchError
from service.storage import collections, head_rows, items
from service.storage.database import writing
from service.storage.head_rows import Example, Fitted, Head
from tests.service.storage.conftest import SPACE, make_collection, some_items


def fitted(number: int = 1) -> Fitted:
    return Fitted([{"name": "cat", "count": 2}], {"accuracy": number}, bytes([number]))


def examples(labels: dict[str, str], **given: Any) -> list[Example]:
    vector = np.array([1, 0, 0, 0], np.float32)
    return [Example(i, label, vector, **given) for i, label in labels.items()]


def put(
    database: Engine, labels: dict[str, str], number: int = 1, space: str = SPACE
) -> tuple[Head, bool]:
    return head_rows.put_head(
        database,
        "h",
        model="m@1",
        space=space,
        dim=4,
        examples=examples(labels),
        fitted=fitted(number),
    )


def change(database: Engine, new: list[Example], remove: Sequence[str] = ()) -> None:
    with writing(database) as connection:
        head_rows.change_examples(connection, head_rows.lock(connection, "h"), new, remove)


def stored(database: Engine) -> dict[str, str]:
    return {example.id: example.label for example in head_rows.examples(database, "h")}


def test_putting_again_replaces_the_labels_and_adds_a_version(database: Engine) -> None:
    head, created = put(database, {"a": "cat", "b": "dog"})
    assert (created, head.live, head.last, head.labels) == (True, 1, 1, 2)
    head, created = put(database, {"c": "cat"}, number=2)
    assert (created, head.live, head.last, head.labels) == (False, 2, 2, 1)
    assert stored(database) == {"c": "cat"}
    assert [v.number for v in head_rows.versions(database, "h")] == [1, 2]
    assert [h.name for h in head_rows.list_heads(database)] == ["h"]


def test_an_older_version_can_answer_again(database: Engine) -> None:
    put(database, {"a": "cat"})
    head_rows.add_version(database, "h", fitted(2))
    assert head_rows.classifier(database, "h") == bytes([2])
    assert head_rows.set_live(database, "h", 1).live == 1
    assert head_rows.classifier(database, "h") == bytes([1])
    assert head_rows.classifier(database, "h", 2) == bytes([2])
    assert head_rows.version(database, "h").report == {"accuracy": 1}
    assert head_rows.add_version(database, "h", fitted(3)).live == 3
    with pytest.raises(NotFoundError, match="no version 4"):
        head_rows.set_live(database, "h", 4)


def test_another_space_is_refused(database: Engine) -> None:
    put(database, {"a": "cat"})
    with pytest.raises(SpaceMismatchError, match="delete it first"):
        put(database, {"a": "cat"}, space="b" * 64)
    assert head_rows.get_head(database, "h").last == 1


def test_labels_are_added_changed_and_removed(database: Engine) -> None:
    put(database, {"a": "cat", "b": "dog", "c": "cow"})
    change(database, examples({"b": "cat", "d": "dog"}), ["c", "missing"])
    assert stored(database) == {"a": "cat", "b": "cat", "d": "dog"}
    with pytest.raises(ConflictError):
        change(database, [*examples({"e": "cat"}), *examples({"e": "dog"})])
    assert "e" not in stored(database)


def test_an_item_takes_its_labels_with_it(database: Engine) -> None:
    collection = make_collection(database)
    items.upsert(database, collection, some_items("ab"))
    put(database, {"own": "cat"})
    for item_id in "ab":
        key = items.get_item(database, collection, item_id).pk
        change(database, examples({item_id: "cat"}, item_pk=key))
    items.delete_items(database, collection, ids=["a"])
    assert set(stored(database)) == {"own", "b"}
    collections.delete_collection(database, "photos")
    assert set(stored(database)) == {"own"}
    with pytest.raises(ConflictError, match="removed"):
        change(database, examples({"x": "cat"}, item_pk=12345))


def test_a_removed_head_is_gone(database: Engine) -> None:
    put(database, {"a": "cat"})
    head_rows.delete_head(database, "h")
    for call in (
        head_rows.get_head,
        head_rows.examples,
        head_rows.versions,
        head_rows.version,
        head_rows.delete_head,
    ):
        with pytest.raises(NotFoundError, match="'h'"):
            call(database, "h")
    assert put(database, {"z": "cat"})[1]


def test_whoever_puts_a_head_has_it_whoever_else_puts_or_deletes_it(database: Engine) -> None:
    def put_and_delete(_: int) -> bool:
        _head, created = put(database, {"a": "cat"})
        with suppress(NotFoundError):
            head_rows.delete_head(database, "h")
        return created

    with ThreadPoolExecutor(6) as pool:
        assert any(pool.map(put_and_delete, range(60)))
    with pytest.raises(NotFoundError):
        head_rows.get_head(database, "h")
