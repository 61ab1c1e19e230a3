"""What may be done with collections and their items, apart from adding and searching."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from service.embedding.encoders import Encoders, is_version_of
from service.errors import ConflictError, InvalidInputError
from service.rules.ids import naming
from service.rules.labels import check_label
from service.rules.metadata import MAX_KEY, ValueType, check_metadata, merged
from service.search import filters
from service.search.index import VectorIndex
from service.storage import collections, items
from service.storage.collections import Collection, Keep
from service.storage.item_rows import Item

MAX_PAGE = 1000
MAX_DECLARED = 64
"""Metadata keys a collection may declare."""


def put_collection(
    database: Engine,
    encoders: Encoders,
    name: str,
    *,
    model: str | None = None,
    keep: Keep | None = None,
    metadata_schema: Mapping[str, ValueType] | None = None,
) -> tuple[Collection, bool]:
    """Make a collection, or find the one that is there; and whether it is new.

    What is not given is, for a new one, the default model, `nothing` and no declared keys. A model
    by its name alone is, for one that is there, the version it has.

    Raises:
        InvalidInputError: a declared key that cannot be used.
        NotFoundError: no such model is served.
        ConflictError: the collection is there and differs from what is given.
    """
    for key in metadata_schema or {}:
        if not key or len(key) > MAX_KEY or "\0" in key:
            raise InvalidInputError(f"metadata_schema: the key {key[:200]!r} cannot be used")
    if len(metadata_schema or {}) > MAX_DECLARED:
        raise InvalidInputError(f"metadata_schema: at most {MAX_DECLARED} keys can be declared")
    manifest = encoders.get(model).manifest
    collection, created = collections.create_collection(
        database,
        name,
        model=manifest.reference,
        space=manifest.space,
        dim=manifest.dim,
        keep=keep or "nothing",
        metadata_schema=metadata_schema or {},
    )
    means_it = model is None or is_version_of(collection.model, model)
    wanted = None if means_it else manifest.space
    given = {
        "model": (collection.space, wanted),
        "keep": (collection.keep, keep),
        "metadata_schema": (collection.metadata_schema, metadata_schema),
    }
    for what, (stored, asked) in given.items():
        if asked is not None and asked != stored:
            raise ConflictError(
                f"the collection {name!r} is there with another {what}, which cannot be changed; "
                "delete it first, or choose another name"
            )
    return collection, created


def delete_collection(database: Engine, index: VectorIndex, name: str) -> None:
    """Remove a collection and everything in it. Raises NotFoundError."""
    collections.delete_collection(database, name)
    index.drop(name)


def page(
    database: Engine,
    name: str,
    *,
    cursor: str | None,
    limit: int,
    filter: Any,
    vectors: bool,
) -> tuple[Collection, list[Item], str | None]:
    """Items in the order they were created: the collection, up to `limit`, the next cursor.

    Raises:
        NotFoundError: there is no such collection.
        InvalidInputError: a limit, cursor or filter that cannot be used.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInputError(f"limit must be from 1 to {MAX_PAGE}, not {limit}")
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInputError("cursor is not one that was given; begin without one")
    collection = collections.get_collection(database, name)
    where = None if filter is None else filters.condition(filter, collection)
    found, more = items.scroll(
        database,
        collection,
        after=int(cursor or 0),
        limit=limit,
        where=where,
        vectors=vectors,
    )
    return collection, found, str(found[-1].pk) if more else None


def get_item(database: Engine, name: str, item_id: str) -> Item:
    """One item, with its vector. Raises NotFoundError."""
    return items.get_item(database, collections.get_collection(database, name), item_id)


def change_item(database: Engine, name: str, item_id: str, changes: Mapping[str, Any]) -> Item:
    """Set `label` (None clears it) and merge `metadata` (RFC 7396), whichever is in `changes`.

    Raises:
        NotFoundError: there is no such collection or item.
        ItemFailedError: a label or metadata that cannot be used; nothing is changed.
    """
    collection = collections.get_collection(database, name)

    def change(label: str | None, metadata: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        if "label" in changes:
            label = check_label(changes["label"])
        if "metadata" in changes:
            metadata = check_metadata(
                merged(metadata, changes["metadata"]), collection.metadata_schema
            )
        return label, metadata

    with naming(item_id):
        return items.change_item(database, collection, item_id, change)


def delete_items(
    database: Engine, name: str, *, ids: Sequence[str] | None = None, filter: Any = None
) -> int:
    """Remove items by id or by filter; how many there were.

    Raises:
        NotFoundError: there is no such collection.
        InvalidInputError: not exactly one of the two, or a filter that holds for everything.
    """
    if (ids is None) == (filter is None):
        raise InvalidInputError("give either ids or filter")
    collection = collections.get_collection(database, name)
    if ids is not None:
        return items.delete_items(database, collection, ids=list(dict.fromkeys(ids)))
    if filter == {}:
        raise InvalidInputError(
            "filter: {} holds for every item; to remove them all, delete the collection"
        )
    return items.delete_items(database, collection, where=filters.condition(filter, collection))


def delete_item(database: Engine, name: str, item_id: str) -> None:
    """Remove one item. Raises NotFoundError: no such collection or item."""
    collection = collections.get_collection(database, name)
    if not items.delete_items(database, collection, ids=[item_id]):
        items.get_item(database, collection, item_id)  # raises, with the reason
