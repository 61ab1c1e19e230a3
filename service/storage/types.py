"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from zoo.arrays import Vector

Key = BigInteger().with_variant(Integer(), "sqlite")
"""A key the database numbers; SQLite numbers by itself only what is called INTEGER."""

Ordered = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared by code point, as SQLite and Python do, whatever the locale of the database."""


class Moment(TypeDecorator[datetime]):
    """A point in time, UTC; SQLite keeps no zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From what the database gives, with or without a zone."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class StoredVector(TypeDecorator[Vector]):
    """A vector of `dim` floats, stored as little-endian float32."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """float (dim,) -> bytes."""
        return None if value is None else np.asarray(value, dtype="<f4").tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> Vector | None:  # noqa: ARG002
        """Bytes -> float32 (dim,), read-only."""
        return (
            None if value is None else np.frombuffer(value, dtype="<f4").astype("=f4", copy=False)
        )


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)
