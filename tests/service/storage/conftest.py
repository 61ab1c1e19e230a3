"""Databases that are thrown away: SQLite always, PostgreSQL where a server is named."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from service.storage import collections
from service.storage.collections import Collection
from service.storage.database import open_database
from service.storage.items import NewItem

POSTGRES = "ZOO_TEST_POSTGRES"
"""Names a server on which databases may be made: postgresql://user@host/postgres."""

SPACE = "a" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is empty."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    if POSTGRES not in os.environ:
        pytest.skip(f"{POSTGRES} names no PostgreSQL server")
    server = make_url(os.environ[POSTGRES]).set(drivername="postgresql+psycopg")
    name = f"zoo_{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def make_collection(
    database: Engine, name: str = "photos", dim: int = 4, **given: object
) -> Collection:
    values = {"model": "m@1", "space": SPACE, "keep": "nothing", "metadata_schema": {}, **given}
    assert collections.create_collection(database, name, dim=dim, **values)  # type: ignore[arg-type]
    return collections.get_collection(database, name)


def some_items(ids: str, dim: int = 4, seed: int = 0, **given: object) -> list[NewItem]:
    """One item with a random unit vector for each letter."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(len(ids), dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [NewItem(i, row.astype(np.float32), **given) for i, row in zip(ids, rows, strict=True)]  # type: ignore[arg-type]
