"""The index of a collection: exact, in memory, derived from SQL and brought up to it when asked.

It is a tuple of immutable segments. What is new becomes a segment of its own; segments of like
size are merged, so there are few of them and a row is copied a logarithmic number of times. What
was replaced or removed is struck out, and left behind at the next merge.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine

from service.errors import NotFoundError
from service.search.gpu import Place
from service.search.segments import Keys, Segment, make_segment, merge, nearest, without
from service.storage import collections, items
from service.storage.collections import Collection
from service.storage.database import reading

MAX_DEAD = 0.25
"""Share of rows struck out beyond which a segment is written anew."""

Vector = npt.NDArray[np.float32]


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


class Indexes:
    """The indexes of this process, by the name of the collection.

    place: copies segments to a GPU, which then searches them.
    """

    def __init__(self, place: Place | None = None) -> None:
        self._place = place
        self._slots: dict[str, _Slot] = {}
        self._lock = Lock()

    @contextmanager
    def current(
        self, database: Engine, name: str
    ) -> Iterator[tuple[Connection, Collection, Snapshot]]:
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
                snapshot = slot.snapshot = _followed(
                    slot.snapshot, connection, collection, self._place
                )
            yield connection, collection, snapshot

    def held(self, collection: Collection) -> Snapshot:
        """What is in memory of a collection at this moment."""
        slot = self._slots.get(collection.name)
        known = slot is not None and slot.collection_id == collection.id
        return slot.snapshot if slot is not None and known else Snapshot(0)

    def drop(self, name: str) -> None:
        """Free what is held of a removed collection."""
        with self._lock:
            self._slots.pop(name, None)

    def _slot(self, name: str) -> "_Slot":
        with self._lock:
            return self._slots.setdefault(name, _Slot())


@dataclass(eq=False)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    collection_id: int = 0
    snapshot: Snapshot = field(default_factory=lambda: Snapshot(0))


def _followed(
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
