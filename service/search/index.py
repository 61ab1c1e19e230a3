"""What searches the vectors of a collection: the protocol that stands between domain and search."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import ColumnElement, Connection, Engine

from service.storage.collections import Collection
from zoo.arrays import Vector


@dataclass(frozen=True)
class IndexStatus:
    """What there is of a collection in an index. `behind`: the next search first catches up."""

    kind: Literal["exact"]
    status: Literal["ready", "behind"]
    count: int


class View(Protocol):
    """A collection as one transaction sees it, together with the index of exactly that."""

    @property
    def connection(self) -> Connection:
        """The transaction."""
        ...

    @property
    def collection(self) -> Collection:
        """The collection in it."""
        ...

    def nearest(
        self,
        query: Vector,
        k: int,
        where: ColumnElement[bool] | None = None,
        excluded: Iterable[int] = (),
    ) -> list[tuple[int, float]]:
        """The k nearest items: (key, cosine similarity), best first, ties by key.

        Args:
            query: float32 (dim,), unit length.
            where: a condition on the `items` table that what is found must meet.
            excluded: keys of items that are not to be found.
        """
        ...


class VectorIndex(Protocol):
    """The vectors of all collections. Its methods block and may be called in any thread."""

    def view(self, database: Engine, name: str) -> AbstractContextManager[View]:
        """A collection as it is now: everything committed before is seen, whoever wrote it.

        Raises:
            NotFoundError: there is no such collection.
        """
        ...

    def status(self, collection: Collection) -> IndexStatus:
        """What there is of a collection at this moment."""
        ...

    def drop(self, name: str) -> None:
        """Free what is held of a removed collection."""
        ...
