"""Databases that are thrown away: SQLite always, PostgreSQL where a server is named."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

DATABASES = ("sqlite", "postgresql")

POSTGRES = "ZOO_TEST_POSTGRES"
"""Names a server on which databases may be made: postgresql://user@host/postgres."""


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new database; PostgreSQL's is dropped at the end. Skips without a server."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'test.db'}"
        return
    name = f"zoo_{uuid.uuid4().hex}"
    admin = postgres_server()
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def postgres_server() -> Engine:
    """The server itself, outside transactions. Skips where none is named."""
    if POSTGRES not in os.environ:
        pytest.skip(f"{POSTGRES} names no PostgreSQL server")
    url = make_url(os.environ[POSTGRES]).set(drivername="postgresql+psycopg")
    return create_engine(url, isolation_level="AUTOCOMMIT")
