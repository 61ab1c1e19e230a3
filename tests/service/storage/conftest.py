"""Databases of both kinds, and what is put into them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from service.storage import collections
from service.storage.collections import Collection
from service.storage.database import open_database
from service.storage.item_rows import NewItem
from tests.service.databases import DATABASES, empty_database

SPACE = "a" * 64


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is empty."""
    with empty_database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def database(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def make_collection(
    database: Engine, name: str = "photos", dim: int = 4, **given: object
) -> Collection:
    values = {"model": "m@1", "space": SPACE, "keep": "nothing", "metadata_schema": {}, **given}
    collection, created = collections.create_collection(database, name, dim=dim, **values)  # type: ignore[arg-type]
    assert created
    return collection


def some_items(ids: str, dim: int = 4, seed: int = 0, **given: object) -> list[NewItem]:
    """One item with a random unit vector for each letter."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(len(ids), dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [NewItem(i, row.astype(np.float32), **given) for i, row in zip(ids, rows, strict=True)]  # type: ignore[arg-type]
