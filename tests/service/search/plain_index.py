"""A second index behind the protocol: no memory of its own, every search reads all vectors."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine

from service.search.index import IndexStatus
from service.storage import collections, items
from service.storage.collections import Collection
from service.storage.database import reading
from zoo.arrays import Vector


@dataclass(frozen=True)
class PlainView:
    connection: Connection
    collection: Collection

    def nearest(
        self,
        query: Vector,
        k: int,
        where: ColumnElement[bool] | None = None,
        excluded: Iterable[int] = (),
    ) -> list[tuple[int, float]]:
        allowed = set(items.matching_keys(self.connection, self.collection, where).tolist())
        parts = list(items.vectors_after(self.connection, self.collection, 0))
        found = [
            (int(key), float(score))
            for keys, vectors in parts
            for key, score in zip(keys, np.clip(vectors @ query, -1, 1), strict=True)
            if key in allowed - set(excluded)
        ]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]


class PlainIndex:
    @contextmanager
    def view(self, database: Engine, name: str) -> Iterator[PlainView]:
        with reading(database) as connection:
            yield PlainView(connection, collections.find(connection, name))

    def status(self, collection: Collection) -> IndexStatus:
        return IndexStatus("exact", "ready", collection.count)

    def drop(self, name: str) -> None:
        pass
