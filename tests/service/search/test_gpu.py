"""Search on a GPU, with a stand-in for the GPU."""

from threading import RLock

import faiss
import numpy as np
import pytest

from service.search import segments
from service.search.gpu import OnGpu, open_search_device
from service.search.memory import Snapshot
from service.search.segments import make_segment


class _Counted:
    """A FAISS index in the place of a copy on a GPU."""

    def __init__(self, flat: faiss.IndexFlatIP) -> None:
        self.flat, self.asked = flat, 0

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        self.asked += 1
        return self.flat.search(queries, k)


def test_a_copy_on_a_gpu_finds_what_the_cpu_finds(monkeypatch: pytest.MonkeyPatch):
    """With a stand-in for the GPU: which searches go to it, and that rows become keys."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = rng.permutation(10_000)[:500].astype(np.int64)
    copies: list[_Counted] = []

    def place(flat: faiss.IndexFlatIP) -> OnGpu:
        copies.append(_Counted(flat))
        return OnGpu(copies[-1], RLock())

    plain, placed = (Snapshot(1, (make_segment(keys, vectors, p),)) for p in (None, place))
    for query in vectors[:20]:
        assert placed.search(query, 7) == plain.search(query, 7)
    assert copies[0].asked == 20
    only = np.sort(keys)[::3]
    best = plain.search(vectors[0], 1)[0][0]
    for choice in ({"only": only}, {"excluded": [best]}):
        assert placed.search(vectors[0], 7, **choice) == plain.search(vectors[0], 7, **choice)
    assert copies[0].asked == 22
    monkeypatch.setattr(segments, "MOST_FOUND", 300)  # fewer than what is passed over
    assert placed.search(vectors[0], 7, only=only) == plain.search(vectors[0], 7, only=only)
    assert copies[0].asked == 22


def test_search_stays_on_the_cpu_unless_asked():
    assert open_search_device("cpu") is None
