"""Immutable parts of an index, each an exact FAISS index over its rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from service.search.gpu import MOST_FOUND, OnGpu, Place
from zoo.arrays import Keys, Vectors

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segment:
    """n rows: `keys` int64 (n,), ascending; `live` bool (n,), which of them still count.

    Nothing in it is ever changed, so any number of threads may search it.
    """

    keys: Keys
    live: Mask
    flat: Any  # faiss.IndexFlatIP with n rows
    gpu: OnGpu | None = None  # a copy of it

    @property
    def vectors(self) -> Vectors:
        """The rows, float32 (n, dim), as they lie in the FAISS index."""
        import faiss  # noqa: PLC0415 - see make_segment

        rows: Vectors = faiss.rev_swig_ptr(self.flat.get_xb(), self.flat.ntotal * self.flat.d)
        return rows.reshape(self.flat.ntotal, self.flat.d)


def make_segment(keys: Keys, vectors: Vectors, place: Place | None = None) -> Segment:
    """A segment of distinct keys int64 (n,) and unit vectors float32 (n, dim)."""
    import faiss  # noqa: PLC0415 - a quarter of a second, which start-up need not wait for

    order = np.argsort(keys)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors[order], np.float32))
    copy = place(flat) if place else None
    return Segment(keys[order], np.ones(len(keys), np.bool_), flat, copy)


def without(segment: Segment, gone: Keys) -> Segment:
    """The segment with some keys no longer live; keys it does not hold are passed over."""
    places = np.searchsorted(segment.keys, gone)
    places[places == len(segment.keys)] = 0
    places = places[segment.keys[places] == gone]
    if not segment.live[places].any():
        return segment
    live = segment.live.copy()
    live[places] = False
    return replace(segment, live=live)


def merge(segments: Sequence[Segment], place: Place | None = None) -> Segment:
    """The live rows of several segments as one."""
    keys = np.concatenate([segment.keys[segment.live] for segment in segments])
    vectors = np.concatenate([segment.vectors[segment.live] for segment in segments])
    return make_segment(keys, vectors, place)


def nearest(
    segment: Segment, query: Vectors, k: int, allowed: Mask
) -> tuple[Keys, npt.NDArray[np.float32]]:
    """The k rows of greatest inner product among those allowed: keys and scores, best first.

    query: float32 (dim,). allowed: bool (n,), the rows that may be found; all of them must be live.
    Fewer than k come back only where fewer are allowed.
    """
    import faiss  # noqa: PLC0415 - see make_segment

    k = min(k, int(allowed.sum()))
    if k == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    refused = len(allowed) - int(allowed.sum())
    if segment.gpu and k + refused <= MOST_FOUND:
        # FAISS does not select rows on a GPU: what is refused is asked for too, and passed over.
        scores, places = segment.gpu.search(query[np.newaxis], k + refused)
        found = np.flatnonzero(allowed[places[0]])[:k]
        return segment.keys[places[0][found]], scores[0][found]
    parameters = None
    if refused:
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)  # type: ignore[arg-type, call-arg]
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
    scores, places = segment.flat.search(query[np.newaxis], k, params=parameters)
    return segment.keys[places[0]], scores[0]
