"""Recent embeddings by content, so that no image is encoded twice in a row."""

from collections import OrderedDict
from threading import Lock

from zoo.arrays import Vector

_OVERHEAD = 200  # bytes of a key, an array object and their places in the table, about


class EmbeddingCache:
    """The most recently used embeddings of one encoder, within a budget of bytes. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._lock = Lock()

    def get(self, digest: str) -> Vector | None:
        """The embedding of the file with this SHA-256, not yet unit length, if it is here."""
        with self._lock:
            vector = self._vectors.get(digest)
            if vector is not None:
                self._vectors.move_to_end(digest)
            return vector

    def put(self, digest: str, vector: Vector) -> None:
        """Keep an embedding, at the cost of those that were not used for longest."""
        with self._lock:
            if digest not in self._vectors:
                self._bytes += vector.nbytes + _OVERHEAD
            self._vectors[digest] = vector
            self._vectors.move_to_end(digest)
            while self._bytes > self._max_bytes:
                _, oldest = self._vectors.popitem(last=False)
                self._bytes -= oldest.nbytes + _OVERHEAD
