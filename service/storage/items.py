"""Items in SQL. What takes an engine is one transaction, and blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

import numpy as np
import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    bindparam,
    delete,
    false,
    insert,
    select,
    update,
)

from service.errors import ItemError, ItemFailedError, NotFoundError
from service.rules.metadata import INTEGERS, MAX_TEXT, Scalar, filter_values
from service.storage import schema
from service.storage.collections import Collection, lock, take_numbers
from service.storage.database import reading, writing
from service.storage.types import now
from zoo.arrays import Keys, Vectors

_items, _vectors, _values = schema.items, schema.vectors, schema.item_values
_files, _deletions = schema.item_files, schema.deletions

CHUNK = 1000
"""Values in one IN list; SQLite allows 32,766 parameters a statement."""

T = TypeVar("T")


@dataclass(frozen=True)
class File:
    """A thumbnail or an original."""

    kind: Literal["thumbnail", "original"]
    media_type: str
    content: bytes


@dataclass(frozen=True, eq=False)
class NewItem:
    """An item to store; `vector` is float32 (dim,), unit length.

    digest: SHA-256 of the image file that the vector and the files are of, if there was one.
    """

    id: str
    vector: Vectors
    label: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    digest: str | None = None
    files: Sequence[File] = ()


@dataclass(frozen=True, eq=False)
class Item:
    """A stored item; `vector` only where it was asked for."""

    pk: int
    id: str
    label: str | None
    metadata: dict[str, Any]
    digest: str | None
    created_at: datetime
    updated_at: datetime
    vector: Vectors | None = None


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
            elif _same_picture(after, before) and _same_words(after, before):
                results.append("unchanged")
            else:
                changed.append((before, after))
                results.append("updated")
        if fresh or changed:
            numbers = take_numbers(connection, collection, len(fresh) + len(changed))
            _update(connection, collection, changed, numbers[: len(changed)])
            _create(connection, collection, fresh, numbers[len(changed) :])
        return results


def of_same_picture(new: NewItem, stored: Item) -> NewItem:
    """The item with the image file of the stored one, where it was sent with that one's vector."""
    if new.digest is None and _close(new, stored):
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
        _insert_values(connection, collection, [(row.pk, metadata)])
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
        for some in _chunks(keys):
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
    for some in _chunks([item_id for item_id in ids if "\0" not in item_id]):
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
    for some in _chunks(keys):
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


def _same_picture(new: NewItem, stored: Item) -> bool:
    """Whether both are of one image file, or are vectors without one that agree."""
    if new.digest is None and stored.digest is None:
        return _close(new, stored)
    return new.digest == stored.digest


def _close(new: NewItem, stored: Item) -> bool:
    """Whether the vectors are one, but for the rounding of sending it out and in again."""
    assert stored.vector is not None
    return bool(np.allclose(new.vector, stored.vector, rtol=0, atol=1e-6))


def _same_words(new: NewItem, stored: Item) -> bool:
    # As JSON: to Python 1, 1.0 and true are equal.
    one, other = (
        orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS)
        for metadata in (new.metadata, stored.metadata)
    )
    return one == other and new.label == stored.label


def _create(
    connection: Connection, collection: Collection, new: Sequence[NewItem], numbers: Sequence[int]
) -> None:
    if not new:
        return
    moment = now()
    rows: list[dict[str, Any]] = [
        {
            "collection_id": collection.id,
            "item_id": item.id,
            "label": item.label,
            "metadata": item.metadata,
            "digest": item.digest,
            "sequence": number,
            "created_at": moment,
            "updated_at": moment,
        }
        for item, number in zip(new, numbers, strict=True)
    ]
    query = insert(_items).returning(_items.c.pk, sort_by_parameter_order=True)
    keys = connection.scalars(query, rows).all()
    _insert_pictures(connection, collection, keys, numbers, new)
    _insert_values(
        connection, collection, [(key, i.metadata) for key, i in zip(keys, new, strict=True)]
    )


def _update(
    connection: Connection,
    collection: Collection,
    changed: Sequence[tuple[Item, NewItem]],
    numbers: Sequence[int],
) -> None:
    """Overwrite items. The picture of one that keeps it, its vector and files, is not touched."""
    if not changed:
        return
    names = ("label", "metadata", "digest", "sequence", "updated_at")
    change = update(_items).where(_items.c.pk == bindparam("key"))
    moment = now()
    connection.execute(
        change.values({name: bindparam(f"new_{name}") for name in names}),
        [
            {
                "key": before.pk,
                "new_label": after.label,
                "new_metadata": after.metadata,
                "new_digest": after.digest,
                "new_sequence": number,
                "new_updated_at": moment,
            }
            for (before, after), number in zip(changed, numbers, strict=True)
        ],
    )
    pictures = [
        (before.pk, number, after)
        for (before, after), number in zip(changed, numbers, strict=True)
        if not _same_picture(after, before)
    ]
    for some in _chunks([before.pk for before, _ in changed]):
        connection.execute(delete(_values).where(_values.c.item_pk.in_(some)))
    for some in _chunks([key for key, _, _ in pictures]):
        for table in (_vectors, _files):
            connection.execute(delete(table).where(table.c.item_pk.in_(some)))
    if pictures:
        _insert_pictures(connection, collection, *zip(*pictures, strict=True))
    _insert_values(
        connection, collection, [(before.pk, after.metadata) for before, after in changed]
    )


def _insert_pictures(
    connection: Connection,
    collection: Collection,
    keys: Sequence[int],
    numbers: Sequence[int],
    new: Sequence[NewItem],
) -> None:
    """The vectors of items, and their files."""
    vectors = [
        {
            "item_pk": key,
            "collection_id": collection.id,
            "sequence": number,
            "vector": item.vector,
        }
        for key, number, item in zip(keys, numbers, new, strict=True)
    ]
    files = [
        {"item_pk": key, **vars(file)}
        for key, item in zip(keys, new, strict=True)
        for file in item.files
    ]
    connection.execute(insert(_vectors), vectors)
    if files:
        connection.execute(insert(_files), files)


def _insert_values(
    connection: Connection,
    collection: Collection,
    metadata: Sequence[tuple[int, Mapping[str, Any]]],
) -> None:
    rows = [
        {"item_pk": key, "collection_id": collection.id, "key": name, **_columns(value)}
        for key, values in metadata
        for name, value in filter_values(values)
    ]
    if rows:
        connection.execute(insert(_values), rows)


def _columns(value: Scalar | None) -> dict[str, Scalar | None]:
    """The columns of `item_values` that hold a scalar; see there."""
    row: dict[str, Scalar | None] = dict.fromkeys(("text", "whole", "number", "boolean"))
    if isinstance(value, bool):
        row["boolean"] = value
    elif isinstance(value, str):
        row["text"] = value[: MAX_TEXT + 1]
    elif isinstance(value, float):
        row["number"] = value
    elif value is not None and value in INTEGERS:  # others, once accepted, match no comparison
        row["whole"] = value
    return row


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _missing(collection: Collection, item_id: str) -> NotFoundError:
    return NotFoundError(f"there is no item {item_id!r} in the collection {collection.name!r}")
