"""Collections in SQL. Each function is one transaction and blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import NotFoundError
from service.rules.metadata import ValueType
from service.storage import schema
from service.storage.database import reading, writing
from service.storage.types import now

Keep = Literal["nothing", "thumbnail", "original"]

_collections, _items = schema.collections, schema.items


@dataclass(frozen=True)
class Collection:
    """A named set of items of one space; `sequence` is the number of its last change."""

    id: int
    name: str
    model: str
    space: str
    dim: int
    keep: Keep
    metadata_schema: Mapping[str, ValueType]
    sequence: int
    created_at: datetime
    count: int


def list_collections(database: Engine) -> list[Collection]:
    """Every collection, by name."""
    with reading(database) as connection:
        rows = connection.execute(_select().order_by(_collections.c.name))
        return [_collection(row) for row in rows]


def get_collection(database: Engine, name: str) -> Collection:
    """The collection of that name. Raises NotFoundError."""
    with reading(database) as connection:
        return find(connection, name)


def create_collection(
    database: Engine,
    name: str,
    *,
    model: str,
    space: str,
    dim: int,
    keep: Keep,
    metadata_schema: Mapping[str, ValueType],
) -> tuple[Collection, bool]:
    """Make an empty collection, or find the one of that name as it is; and whether it is new.

    One transaction: whoever removes it at the same time does so before or after.
    """
    values = {
        "name": name,
        "model": model,
        "space": space,
        "dim": dim,
        "keep": keep,
        "metadata_schema": dict(metadata_schema),
        "sequence": 0,
        "created_at": now(),
    }
    there = select(_collections.c.id).where(_collections.c.name == name).with_for_update()
    with writing(database) as connection:
        while connection.scalar(there) is None:
            try:
                with connection.begin_nested():
                    connection.execute(insert(_collections).values(values))
            except IntegrityError:
                continue  # another made it at this moment, and may have removed it again
            return find(connection, name), True
        return find(connection, name), False


def delete_collection(database: Engine, name: str) -> None:
    """Remove a collection and everything in it. Raises NotFoundError."""
    with writing(database) as connection:
        if not connection.execute(delete(_collections).where(_collections.c.name == name)).rowcount:
            raise _missing(name)


def find(connection: Connection, name: str) -> Collection:
    """The collection of that name, inside a transaction. Raises NotFoundError."""
    row = connection.execute(_select().where(_collections.c.name == name)).one_or_none()
    if row is None:
        raise _missing(name)
    return _collection(row)


def lock(connection: Connection, collection: Collection) -> None:
    """Let other writers of the collection wait until the transaction ends.

    Raises:
        NotFoundError: it was removed meanwhile.
    """
    query = select(_collections.c.id).where(_collections.c.id == collection.id).with_for_update()
    if connection.scalar(query) is None:
        raise _missing(collection.name)


def take_numbers(connection: Connection, collection: Collection, count: int) -> range:
    """The next `count` numbers of the sequence; the collection must be locked."""
    change = update(_collections).where(_collections.c.id == collection.id)
    last: int = connection.execute(
        change.values(sequence=_collections.c.sequence + count).returning(_collections.c.sequence)
    ).scalar_one()
    return range(last - count + 1, last + 1)


def _select() -> Any:
    count = (
        select(func.count())
        .where(_items.c.collection_id == _collections.c.id)
        .scalar_subquery()
        .label("count")
    )
    return select(_collections, count)


def _collection(row: Row[Any]) -> Collection:
    return Collection(**row._mapping)


def _missing(name: str) -> NotFoundError:
    return NotFoundError(
        f"there is no collection {name!r}; make it with PUT /v1/collections/{name}"
    )
