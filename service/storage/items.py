"""Items in SQL. What takes an engine is one transaction, and blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
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

from service.errors import NotFoundError
from service.rules.metadata import scalars
from service.storage import schema
from service.storage.collections import Collection, lock, take_numbers
from service.storage.database import reading, writing
from service.storage.types import Vectors, now

_items, _vectors, _values = schema.items, schema.vectors, schema.item_values
_files, _deletions = schema.item_files, schema.deletions

CHUNK = 1000
"""Values in one IN list; SQLite allows 32,766 parameters a statement."""

T = TypeVar("T")
Keys = npt.NDArray[np.int64]


@dataclass(frozen=True)
class File:
    """A thumbnail or an original."""

    kind: Literal["thumbnail", "original"]
    media_type: str
    content: bytes


@dataclass(frozen=True, eq=False)
class NewItem:
    """An item to store; `vector` is float32 (dim,), unit length."""

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


def upsert(database: Engine, collection: Collection, new: Sequence[NewItem]) -> list[bool]:
    """Store items, in place of those that have their ids; for each, whether it was created.

    All are stored, or none. Of an item that was there nothing remains but its place in the order.

    Raises:
        NotFoundError: the collection was removed meanwhile.
    """
    with writing(database) as connection:
        lock(connection, collection)
        known = keys_of(connection, collection, [item.id for item in new])
        numbers = take_numbers(connection, collection, len(new))
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
        _update(
            [{**row, "key": known[row["item_id"]]} for row in rows if row["item_id"] in known],
            connection,
        )
        created = [row for row in rows if row["item_id"] not in known]
        if created:
            query = insert(_items).returning(_items.c.pk, sort_by_parameter_order=True)
            made = connection.scalars(query, created)
            known |= {row["item_id"]: pk for row, pk in zip(created, made, strict=True)}
        _insert_parts(connection, collection, [known[item.id] for item in new], numbers, new)
        fresh = {row["item_id"] for row in created}
        return [item.id in fresh for item in new]


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


def _update(rows: list[dict[str, Any]], connection: Connection) -> None:
    """Overwrite items and drop their parts, which are inserted anew."""
    if not rows:
        return
    names = ("label", "metadata", "digest", "sequence", "updated_at")
    change = update(_items).where(_items.c.pk == bindparam("key"))
    connection.execute(
        change.values({name: bindparam(f"new_{name}") for name in names}),
        [{"key": row["key"], **{f"new_{name}": row[name] for name in names}} for row in rows],
    )
    for some in _chunks([row["key"] for row in rows]):
        for table in (_vectors, _values, _files):
            connection.execute(delete(table).where(table.c.item_pk.in_(some)))


def _insert_parts(
    connection: Connection,
    collection: Collection,
    keys: Sequence[int],
    numbers: Sequence[int],
    new: Sequence[NewItem],
) -> None:
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
    if vectors:
        connection.execute(insert(_vectors), vectors)
    if files:
        connection.execute(insert(_files), files)
    _insert_values(
        connection, collection, [(key, item.metadata) for key, item in zip(keys, new, strict=True)]
    )


_COLUMNS = {str: "text", float: "number", bool: "boolean"}


def _insert_values(
    connection: Connection,
    collection: Collection,
    metadata: Sequence[tuple[int, Mapping[str, Any]]],
) -> None:
    empty = {"text": None, "number": None, "boolean": None}
    rows = [
        {
            "item_pk": key,
            "collection_id": collection.id,
            "key": name,
            **empty,
            _COLUMNS[type(value)]: value,
        }
        for key, values in metadata
        for name, value in scalars(values)
    ]
    if rows:
        connection.execute(insert(_values), rows)


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _missing(collection: Collection, item_id: str) -> NotFoundError:
    return NotFoundError(f"there is no item {item_id!r} in the collection {collection.name!r}")
