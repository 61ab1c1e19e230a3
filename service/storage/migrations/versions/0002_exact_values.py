"""What filters see of metadata, without loss: whole numbers, long texts, objects, empty lists."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHUNK = 1000
TEXT = 513
INTEGERS = range(-(2**63), 2**63)

# As they are after this migration, which does not change when the tables of today do.
ITEMS = sa.table(
    "items",
    sa.column("pk", sa.BigInteger()),
    sa.column("collection_id", sa.BigInteger()),
    sa.column("metadata", sa.JSON()),
)
VALUES = sa.table(
    "item_values",
    sa.column("item_pk", sa.BigInteger()),
    sa.column("collection_id", sa.BigInteger()),
    sa.column("key", sa.Text()),
    sa.column("text", sa.Text()),
    sa.column("whole", sa.BigInteger()),
    sa.column("number", sa.Double()),
    sa.column("boolean", sa.Boolean()),
)


def upgrade() -> None:
    """Apply, and write the values of all items anew from their metadata."""
    op.add_column("item_values", sa.Column("whole", sa.BigInteger(), nullable=True))
    connection = op.get_bind()
    connection.execute(sa.delete(VALUES))
    last = 0
    query = sa.select(ITEMS).order_by(ITEMS.c.pk).limit(CHUNK)
    while items := connection.execute(query.where(ITEMS.c.pk > last)).all():
        last = items[-1].pk
        rows = [
            {"item_pk": item.pk, "collection_id": item.collection_id, "key": key, **columns(value)}
            for item in items
            for key, value in filter_values(item.metadata)
        ]
        if rows:
            connection.execute(sa.insert(VALUES), rows)
    op.create_index(
        op.f("ix_item_values_collection_id_key_whole"),
        "item_values",
        ["collection_id", "key", "whole"],
        unique=False,
    )


def columns(value: Any) -> dict[str, Any]:
    """The columns of a scalar. A whole number beyond 64 bits, once accepted, is only there."""
    is_boolean, is_whole = isinstance(value, bool), isinstance(value, int) and value in INTEGERS
    return {
        "text": value[:TEXT] if isinstance(value, str) else None,
        "whole": value if is_whole and not is_boolean else None,
        "number": value if isinstance(value, float) else None,
        "boolean": value if is_boolean else None,
    }


def filter_values(metadata: Any) -> Iterator[tuple[str, Any]]:
    """Each key with each of its scalars, None for one that is there without a scalar."""
    bare, with_scalars = set(), set()
    for path, value in _values(metadata, ()):
        if not path or value is None:
            continue
        key = ".".join(path)
        if isinstance(value, str | int | float):
            with_scalars.add(key)
            yield key, value
        else:
            bare.add(key)
    for key in sorted(bare - with_scalars):
        yield key, None


def _values(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, path)
