"""Items in SQL. What takes an engine is one transaction, and blocks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    delete,
    false,
    insert,
    select,
    update,
)

from service.errors import ItemError, ItemFailedError, NotFoundError
from service.storage import schema
from service.storage.collections import Collection, lock, take_numbers
from service.storage.database import reading, writing
from service.storage.item_rows import (
    File,
    Item,
    NewItem,
    chunks,
    close_vectors,
    create_rows,
    insert_values,
    same_picture,
    same_words,
    update_rows,
)
from service.storage.types import now
from zoo.arrays import Keys, Vectors

_items, _vectors, _values = schema.items, schema.vectors, schema.item_values
_files, _deletions = schema.item_files, schema.deletions


Status = Literal["created", "updated", "unchanged", "skipped"]

OnExisting = Callable[[NewItem, Item], NewItem | None]
"""(item as sent, item that has its id) -> item as it shall be, or None to leave that one alone.

What it raises as ItemFailedError is the error of that item.
"""


def replace_existing(new: NewItem, _: Item) -> NewItem:
    """Of an item that was there nothing remains but its place in the order."""
    return new


def upsert(
    database: Engine,
    collection: Collection,
    new: Sequence[NewItem],
    on_existing: OnExisting = replace_existing,
) -> list[Status | ItemError]:
    """Store items of distinct ids in one transaction; in order, what became of each.

    `on_existing` decides about those whose ids are there. One that would stay as it is, in its
    picture, label and metadata, is left alone: it is no change to whoever follows the sequence.

    Raises:
        NotFoundError: the collection was removed meanwhile.
    """
    with writing(database) as connection:
        lock(connection, collection)
        known = keys_of(connection, collection, [item.id for item in new])
        stored = by_keys(connection, collection, list(known.values()), vectors=True)
        results: list[Status | ItemError] = []
        fresh: list[NewItem] = []
        changed: list[tuple[Item, NewItem]] = []
        for item in new:
            if item.id not in known:
                fresh.append(item)
                results.append("created")
                continue
            before = stored[known[item.id]]
            try:
                after = on_existing(item, before)
            except ItemFailedError as failed:
                results.append(failed.error)
                continue
            if after is None:
                results.append("skipped")
            elif same_picture(after, before) and same_words(after, before):
                results.append("unchanged")
            else:
                changed.append((before, after))
                results.append("updated")
        if fresh or changed:
            numbers = take_numbers(connection, collection, len(fresh) + len(changed))
            update_rows(connection, collection, changed, numbers[: len(changed)])
            create_rows(connection, collection, fresh, numbers[len(changed) :])
        return results


def of_same_picture(new: NewItem, stored: Item) -> NewItem:
    """The item with the image file of the stored one, where it was sent with that one's vector."""
    if new.digest is None and close_vectors(new, stored):
        return replace(new, digest=stored.digest)
    return new


def get_item(database: Engine, collection: Collection, item_id: str) -> Item:
    """One item with its vector. Raises NotFoundError."""
    with reading(database) as connection:
        query = _select(vectors=True).where(_this(collection, item_id))
        row = connection.execute(query).one_or_none()
    if row is None:
        raise _missing(collection, item_id)
    return _item(row)


def scroll(
    database: Engine,
    collection: Collection,
    *,
    after: int = 0,
    limit: int = 100,
    where: ColumnElement[bool] | None = None,
    vectors: bool = False,
) -> tuple[list[Item], bool]:
    """Items beyond the key `after`, in the order they were created; and whether more follow."""
    query = _select(vectors).where(_items.c.collection_id == collection.id, _items.c.pk > after)
    if where is not None:
        query = query.where(where)
    with reading(database) as connection:
        rows = connection.execute(query.order_by(_items.c.pk).limit(limit + 1)).all()
    return [_item(row) for row in rows[:limit]], len(rows) > limit


Change = Callable[[str | None, dict[str, Any]], tuple[str | None, dict[str, Any]]]
"""(label, metadata) as stored -> as they shall be."""


def change_item(database: Engine, collection: Collection, item_id: str, change: Change) -> Item:
    """Change the label and metadata of an item; what `change` raises leaves all as it is.

    Raises:
        NotFoundError: there is no such item.
    """
    with writing(database) as connection:
        lock(connection, collection)
        query = _select(vectors=True).where(_this(collection, item_id))
        row = connection.execute(query).one_or_none()
        if row is None:
            raise _missing(collection, item_id)
        label, metadata = change(row.label, dict(row.metadata))
        (number,) = take_numbers(connection, collection, 1)
        connection.execute(
            update(_items)
            .where(_items.c.pk == row.pk)
            .values(label=label, metadata=metadata, sequence=number, updated_at=now())
        )
        connection.execute(delete(_values).where(_values.c.item_pk == row.pk))
        insert_values(connection, collection, [(row.pk, metadata)])
        return _item(connection.execute(query).one())


def delete_items(
    database: Engine,
    collection: Collection,
    *,
    ids: Sequence[str] | None = None,
    where: ColumnElement[bool] | None = None,
) -> int:
    """Remove the items of these ids, or those a condition holds for; how many there were.

    Their vectors, files and the labels that heads have from them go with them.
    """
    with writing(database) as connection:
        lock(connection, collection)
        if ids is not None:
            keys = list(keys_of(connection, collection, ids).values())
        else:
            keys = matching_keys(connection, collection, where).tolist()
        numbers = take_numbers(connection, collection, len(keys))
        for some in chunks(keys):
            connection.execute(delete(_items).where(_items.c.pk.in_(some)))
        rows = [
            {"collection_id": collection.id, "sequence": number, "item_pk": key}
            for key, number in zip(keys, numbers, strict=True)
        ]
        if rows:
            connection.execute(insert(_deletions), rows)
        return len(keys)


def get_file(database: Engine, collection: Collection, item_id: str, kind: str) -> File:
    """A file of an item. Raises NotFoundError: no such item, or it has no such file."""
    query = (
        select(_files.c.kind, _files.c.media_type, _files.c.content)
        .join(_items, _items.c.pk == _files.c.item_pk)
        .where(_this(collection, item_id), _files.c.kind == kind)
    )
    with reading(database) as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            if connection.scalar(select(_items.c.pk).where(_this(collection, item_id))) is None:
                raise _missing(collection, item_id)
            raise NotFoundError(
                f"the item {item_id!r} has no {kind}: the collection keeps {collection.keep}, and "
                "only of items that were sent as images"
            )
    return File(**row._mapping)


def keys_of(connection: Connection, collection: Collection, ids: Sequence[str]) -> dict[str, int]:
    """id -> key of those ids that are there."""
    found: dict[str, int] = {}
    for some in chunks([item_id for item_id in ids if "\0" not in item_id]):
        query = select(_items.c.item_id, _items.c.pk).where(
            _items.c.collection_id == collection.id, _items.c.item_id.in_(some)
        )
        found |= {row.item_id: row.pk for row in connection.execute(query)}
    return found


def matching_keys(
    connection: Connection, collection: Collection, where: ColumnElement[bool] | None
) -> Keys:
    """The keys of the items that a condition holds for, ascending, int64 (n,)."""
    query = select(_items.c.pk).where(_items.c.collection_id == collection.id)
    if where is not None:
        query = query.where(where)
    return np.array(connection.scalars(query.order_by(_items.c.pk)).all(), dtype=np.int64)


def by_keys(
    connection: Connection, collection: Collection, keys: Sequence[int], vectors: bool = False
) -> dict[int, Item]:
    """key -> item."""
    found: dict[int, Item] = {}
    for some in chunks(keys):
        query = _select(vectors).where(
            _items.c.collection_id == collection.id, _items.c.pk.in_(some)
        )
        found |= {row.pk: _item(row) for row in connection.execute(query)}
    return found


def deleted_after(connection: Connection, collection: Collection, sequence: int) -> Keys:
    """Keys of the items removed by changes after a number, int64 (n,)."""
    query = select(_deletions.c.item_pk).where(
        _deletions.c.collection_id == collection.id, _deletions.c.sequence > sequence
    )
    return np.array(connection.scalars(query).all(), dtype=np.int64)


def vectors_after(
    connection: Connection, collection: Collection, sequence: int, chunk: int = 20_000
) -> Iterator[tuple[Keys, Vectors]]:
    """Vectors stored by changes after a number, in chunks: keys int64 (n,), float32 (n, dim)."""
    query = (
        select(_vectors.c.item_pk, _vectors.c.vector)
        .where(_vectors.c.collection_id == collection.id, _vectors.c.sequence > sequence)
        .order_by(_vectors.c.sequence)
        .execution_options(yield_per=chunk)
    )
    for rows in connection.execute(query).partitions():
        keys = np.array([row.item_pk for row in rows], dtype=np.int64)
        yield keys, np.stack([row.vector for row in rows])


def _select(vectors: bool) -> Any:
    columns = [_items.c[name] for name in ("pk", "item_id", "label", "metadata", "digest")]
    columns += [_items.c.created_at, _items.c.updated_at]
    if not vectors:
        return select(*columns)
    return select(*columns, _vectors.c.vector).join(_vectors, _vectors.c.item_pk == _items.c.pk)


def _item(row: Row[Any]) -> Item:
    values = dict(row._mapping)
    return Item(id=values.pop("item_id"), **values)


def _this(collection: Collection, item_id: str) -> ColumnElement[bool]:
    if "\0" in item_id:  # no id has one, and PostgreSQL refuses to compare with it
        return false()
    return (_items.c.collection_id == collection.id) & (_items.c.item_id == item_id)


def _missing(collection: Collection, item_id: str) -> NotFoundError:
    return NotFoundError(f"there is no item {item_id!r} in the collection {collection.name!r}")
