"""An index in memory: exact, derived from SQL, and brought up to it when asked.

It is a tuple of immutable segments. What is new becomes a segment of its own; segments of like
size are merged, so there are few of them and a row is copied a logarithmic number of times. What
was replaced or removed is struck out, and left behind at the next merge.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine

from service.errors import NotFoundError
from service.search.gpu import Place
from service.search.index import IndexStatus
from service.search.segments import Segment, make_segment, merge, nearest, without
from service.storage import collections, items
from service.storage.collections import Collection
from service.storage.database import reading
from zoo.arrays import Keys, Vector

MAX_DEAD = 0.25
"""Share of rows struck out beyond which a segment is written anew."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The index as of one number of the collection's sequence; it never changes."""

    sequence: int
    segments: tuple[Segment, ...] = ()

    @property
    def count(self) -> int:
        """Live rows."""
        return sum(int(segment.live.sum()) for segment in self.segments)

    def search(
        self, query: Vector, k: int, only: Keys | None = None, excluded: Iterable[int] = ()
    ) -> list[tuple[int, float]]:
        """The k nearest items: (key, cosine similarity), best first, ties by key.

        query: float32 (dim,), unit length. only: the keys that may be found, None for all.
        Exact: k come back whenever that many may be found.
        """
        banned = np.array(sorted(excluded), np.int64)
        found: list[tuple[int, float]] = []
        for segment in self.segments:
            allowed = segment.live
            if only is not None:
                allowed = allowed & np.isin(segment.keys, only, assume_unique=True)
            if banned.size:
                allowed = allowed & ~np.isin(segment.keys, banned, assume_unique=True)
            keys, scores = nearest(segment, query, k, allowed)
            found += zip(keys.tolist(), np.clip(scores, -1, 1).tolist(), strict=True)
        found.sort(key=lambda pair: (-pair[1], pair[0]))
        return found[:k]


class MemoryIndex:
    """The collections that were searched in this process; a `VectorIndex`.

    place: copies segments to a GPU, which then searches them.
    """

    def __init__(self, place: Place | None = None) -> None:
        self._place = place
        self._slots: dict[str, _Slot] = {}
        self._lock = Lock()

    @contextmanager
    def view(self, database: Engine, name: str) -> Iterator["MemoryView"]:
        """A transaction, the collection in it, and the index of exactly what the transaction sees.

        Raises:
            NotFoundError: there is no such collection.
        """
        slot = self._slot(name)
        with reading(database) as connection:
            # The transaction begins at its first statement, under the lock: so it is never older
            # than the snapshot that the thread before left.
            with slot.lock:
                try:
                    collection = collections.find(connection, name)
                except NotFoundError:
                    self.drop(name)
                    raise
                if slot.collection_id != collection.id:
                    slot.collection_id, slot.snapshot = collection.id, Snapshot(0)
                snapshot = slot.snapshot = _caught_up(
                    slot.snapshot, connection, collection, self._place
                )
            yield MemoryView(connection, collection, snapshot)

    def status(self, collection: Collection) -> IndexStatus:
        """What is in memory of a collection at this moment."""
        slot = self._slots.get(collection.name)
        known = slot is not None and slot.collection_id == collection.id
        held = slot.snapshot if slot is not None and known else Snapshot(0)
        ready = held.sequence >= collection.sequence
        return IndexStatus("exact", "ready" if ready else "behind", held.count)

    def drop(self, name: str) -> None:
        """Free what is held of a removed collection."""
        with self._lock:
            self._slots.pop(name, None)

    def _slot(self, name: str) -> "_Slot":
        with self._lock:
            return self._slots.setdefault(name, _Slot())


@dataclass(frozen=True, eq=False)
class MemoryView:
    """A collection as one transaction sees it, with the snapshot of exactly that."""

    connection: Connection
    collection: Collection
    snapshot: Snapshot

    def nearest(
        self,
        query: Vector,
        k: int,
        where: ColumnElement[bool] | None = None,
        excluded: Iterable[int] = (),
    ) -> list[tuple[int, float]]:
        """The k nearest items: (key, cosine similarity), best first, ties by key.

        Exact: k come back whenever that many meet the condition.
        """
        only = None
        if where is not None:
            only = items.matching_keys(self.connection, self.collection, where)
        return self.snapshot.search(query, k, only, excluded)


@dataclass(eq=False)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    collection_id: int = 0
    snapshot: Snapshot = field(default_factory=lambda: Snapshot(0))


def _caught_up(
    seen: Snapshot, connection: Connection, collection: Collection, place: Place | None
) -> Snapshot:
    """The snapshot with all changes since, as the transaction of `connection` sees them."""
    if seen.sequence == collection.sequence:
        return seen
    segments = seen.segments
    for keys, vectors in items.vectors_after(connection, collection, seen.sequence):
        struck = (without(segment, keys) for segment in segments)
        segments = _tidy((*struck, make_segment(keys, vectors, place)), place)
    if segments:
        gone = items.deleted_after(connection, collection, seen.sequence)
        segments = _tidy(tuple(without(segment, gone) for segment in segments), place)
    return Snapshot(collection.sequence, segments)


def _tidy(segments: Sequence[Segment], place: Place | None) -> tuple[Segment, ...]:
    """Rewrite what is mostly dead, and merge the tail of segments that are of like size."""
    alive = [segment for segment in segments if segment.live.any()]
    tidied = [merge([s], place) if s.live.mean() < 1 - MAX_DEAD else s for s in alive]
    start = len(tidied) - 1
    size = 0
    while start >= 0:
        size += len(tidied[start].keys)
        if start == 0 or len(tidied[start - 1].keys) >= 2 * size:
            break
        start -= 1
    if len(tidied) - start > 1:
        tidied[start:] = [merge(tidied[start:], place)]
    return tuple(tidied)
