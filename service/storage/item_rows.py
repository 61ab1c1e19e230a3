"""The rows of items: what is written of one into its four tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

import numpy as np
import orjson
from sqlalchemy import Connection, bindparam, delete, insert, update

from service.rules.metadata import INTEGERS, MAX_TEXT, Scalar, filter_values
from service.storage import schema
from service.storage.collections import Collection
from service.storage.types import now
from zoo.arrays import Vectors

_items, _vectors, _values = schema.items, schema.vectors, schema.item_values
_files = schema.item_files

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


def create_rows(
    connection: Connection, collection: Collection, new: Sequence[NewItem], numbers: Sequence[int]
) -> None:
    """Insert items that are new, each with the number of its change."""
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
    insert_values(
        connection, collection, [(key, i.metadata) for key, i in zip(keys, new, strict=True)]
    )


def update_rows(
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
        if not same_picture(after, before)
    ]
    for some in chunks([before.pk for before, _ in changed]):
        connection.execute(delete(_values).where(_values.c.item_pk.in_(some)))
    for some in chunks([key for key, _, _ in pictures]):
        for table in (_vectors, _files):
            connection.execute(delete(table).where(table.c.item_pk.in_(some)))
    if pictures:
        _insert_pictures(connection, collection, *zip(*pictures, strict=True))
    insert_values(
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


def insert_values(
    connection: Connection,
    collection: Collection,
    metadata: Sequence[tuple[int, Mapping[str, Any]]],
) -> None:
    """What filters see of items, by their keys: a row for each scalar in their metadata."""
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


def same_picture(new: NewItem, stored: Item) -> bool:
    """Whether both are of one image file, or are vectors without one that agree."""
    if new.digest is None and stored.digest is None:
        return close_vectors(new, stored)
    return new.digest == stored.digest


def close_vectors(new: NewItem, stored: Item) -> bool:
    """Whether the vectors are one, but for the rounding of sending it out and in again."""
    assert stored.vector is not None
    return bool(np.allclose(new.vector, stored.vector, rtol=0, atol=1e-6))


def same_words(new: NewItem, stored: Item) -> bool:
    """Whether label and metadata are the same."""
    # As JSON: to Python 1, 1.0 and true are equal.
    one, other = (
        orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS)
        for metadata in (new.metadata, stored.metadata)
    )
    return one == other and new.label == stored.label


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values, `CHUNK` at a time."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
