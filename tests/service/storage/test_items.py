"""Items in SQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from service.errors import NotFoundError
from service.storage import collections, items, schema
from service.storage.database import reading
from service.storage.item_rows import File, NewItem
from tests.service.storage.conftest import make_collection, some_items


def count(database: Engine, table: str) -> int:
    with reading(database) as connection:
        return int(
            connection.scalar(select(func.count()).select_from(schema.metadata.tables[table])) or 0
        )


def test_an_item_comes_back_as_it_was_given(database: Engine) -> None:
    collection = make_collection(database)
    (given,) = some_items("a", label="Katze 🐈", metadata={"n": 1, "x": [True, "é", {"y": None}]})
    assert items.upsert(database, collection, [given]) == ["created"]
    item = items.get_item(database, collection, "a")
    assert (item.id, item.label, item.metadata) == ("a", given.label, given.metadata)
    assert item.vector is not None
    assert item.vector.dtype == np.float32
    np.testing.assert_array_equal(item.vector, given.vector)
    assert item.created_at == item.updated_at
    assert item.created_at.utcoffset() is not None


def test_an_item_that_is_sent_again_is_replaced_whole(database: Engine) -> None:
    collection = make_collection(database)
    picture = File("thumbnail", "image/jpeg", b"...")
    first, second = some_items("aa", seed=1)
    rich = NewItem("a", first.vector, "cat", {"site": "n"}, "d" * 64, [picture])
    assert items.upsert(database, collection, [rich, *some_items("b")]) == ["created", "created"]
    bare = NewItem("a", second.vector)
    assert items.upsert(database, collection, [*some_items("c"), bare]) == ["created", "updated"]
    item = items.get_item(database, collection, "a")
    assert (item.label, item.metadata, item.digest) == (None, {}, None)
    np.testing.assert_array_equal(item.vector, second.vector)
    assert item.created_at < item.updated_at
    assert count(database, "item_values") == count(database, "item_files") == 0
    assert count(database, "vectors") == count(database, "items") == 3
    found, _ = items.scroll(database, collection)
    assert [one.id for one in found] == ["a", "b", "c"]


def test_deleting_takes_everything_along(database: Engine) -> None:
    collection = make_collection(database)
    picture = File("thumbnail", "image/jpeg", b"...")
    new = some_items("abc", metadata={"k": [1, 2]}, files=[picture])
    items.upsert(database, collection, new)
    assert items.delete_items(database, collection, ids=["a", "missing", "c"]) == 2
    assert [count(database, t) for t in ("items", "vectors", "item_files", "item_values")] == [
        1,
        1,
        1,
        2,
    ]
    with pytest.raises(NotFoundError, match="'a'"):
        items.get_item(database, collection, "a")
    collections.delete_collection(database, "photos")
    for table in schema.metadata.tables.values():
        assert count(database, table.name) == 0
    with pytest.raises(NotFoundError):
        items.upsert(database, collection, new)


def test_a_key_is_never_given_twice(database: Engine) -> None:
    collection = make_collection(database)
    keys = []
    for _ in range(3):
        items.upsert(database, collection, some_items("a"))
        keys.append(items.get_item(database, collection, "a").pk)
        items.delete_items(database, collection, ids=["a"])
    assert len(set(keys)) == 3
    collections.delete_collection(database, "photos")
    assert make_collection(database).id != collection.id


def test_many_values_at_once(database: Engine) -> None:
    collection = make_collection(database, dim=1)
    one = np.ones(1, np.float32)
    new = [NewItem(str(i), one, metadata={"n": i}) for i in range(2500)]
    assert set(items.upsert(database, collection, new)) == {"created"}
    assert set(items.upsert(database, collection, new)) == {"unchanged"}
    pages, after = [], 0
    more = True
    while more:
        page, more = items.scroll(database, collection, after=after, limit=700)
        after = page[-1].pk
        pages += [item.id for item in page]
    assert pages == [str(i) for i in range(2500)]
    assert items.delete_items(database, collection, ids=pages) == 2500
    assert collections.get_collection(database, "photos").count == 0


def test_every_change_has_a_number_of_its_own_whoever_writes(database: Engine) -> None:
    collection = make_collection(database)

    def write(writer: int) -> None:
        for turn in range(5):
            new = some_items("abc", seed=writer)
            items.upsert(
                database, collection, [NewItem(f"{writer}-{turn}-{i.id}", i.vector) for i in new]
            )
        items.delete_items(database, collection, ids=[f"{writer}-0-a"])
        items.change_item(
            database, collection, f"{writer}-0-b", lambda _, metadata: ("x", metadata)
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with reading(database) as connection:
        numbers = connection.scalars(select(schema.items.c.sequence)).all()
        removed = connection.scalars(select(schema.deletions.c.sequence)).all()
    assert len(set(numbers)) == len(numbers) == 4 * 14
    assert not set(numbers) & set(removed)
    assert collections.get_collection(database, "photos").sequence == 4 * (15 + 1 + 1)


def test_a_change_that_fails_changes_nothing(database: Engine) -> None:
    collection = make_collection(database)
    items.upsert(database, collection, some_items("a", label="cat"))

    def refuse(
        label: str | None, metadata: dict[str, object]
    ) -> tuple[str | None, dict[str, object]]:
        raise ValueError(label)

    with pytest.raises(ValueError, match="cat"):
        items.change_item(database, collection, "a", refuse)
    assert collections.get_collection(database, "photos").sequence == 1


def test_what_is_sent_as_it_is_takes_no_number_and_tells_no_index(database: Engine) -> None:
    collection = make_collection(database)
    new = some_items("ab", label="cat", metadata={"n": 1})
    items.upsert(database, collection, new)
    assert items.upsert(database, collection, new) == ["unchanged", "unchanged"]
    assert collections.get_collection(database, "photos").sequence == 2
    relabelled = [replace(new[0], label="dog"), new[1]]
    assert items.upsert(database, collection, relabelled) == ["updated", "unchanged"]
    assert collections.get_collection(database, "photos").sequence == 3
    with reading(database) as connection:
        assert list(items.vectors_after(connection, collection, 2)) == []
