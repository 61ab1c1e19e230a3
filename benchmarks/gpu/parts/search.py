"""Exact search by FAISS on the GPU against the CPU: the same neighbours, and queries a second."""

import copy
import time
from collections.abc import Callable
from threading import RLock
from typing import Any

import numpy as np

from benchmarks.gpu.work import SkippedError, Work
from service.search.gpu import OnGpu, open_search_device

_K = 10
_NEAR = 1e-4  # scores so close may change places


def run(work: Work) -> None:
    """A collection of 512 values an item; the toy is of 2,000 items."""
    import faiss  # noqa: PLC0415 - may be missing

    rows, queries, dim = (2_000, 20, 32) if work.toy else (500_000, 1_000, 512)
    rng = np.random.default_rng(0)
    vectors = _unit(rng.standard_normal((rows, dim), np.float32))
    asked = _unit(vectors[:queries] + 0.5 * _unit(rng.standard_normal((queries, dim), np.float32)))
    flat = faiss.IndexFlatIP(dim)
    flat.add(vectors)
    there = _copied(flat, work)
    settings = {"items": rows, "dim": dim, "k": _K, "queries": queries}
    began = time.perf_counter()
    scores, found = flat.search(asked, _K)
    scores_there, found_there = there.search(asked, _K)
    work.record(
        "scores apart, most", float(np.abs(scores - scores_there).max()), "", began,
        settings, most=_NEAR,
    )  # fmt: skip
    moved = np.mean(found != found_there)
    untied = missed(scores, found, found_there)
    work.record("neighbours in another place", 100 * float(moved), "%", began, settings)
    work.record("of them, not by a tie", untied, "", began, settings, most=0)
    for name, search in (("device", there.search), ("CPU", flat.search)):
        began = time.perf_counter()
        work.record(f"{name}, a batch", _rate(search, asked), "queries/s", began, settings)
        began = time.perf_counter()
        one = _rate(lambda x, k: [search(row[None], k) for row in x], asked[:100])  # noqa: B023
        work.record(f"{name}, one at a time", one, "queries/s", began, settings)


def _copied(flat: Any, work: Work) -> OnGpu:
    """The index where it is to be searched."""
    if work.device == "cpu":
        return OnGpu(copy.deepcopy(flat), RLock())
    place = open_search_device("cuda")
    if place is None:
        raise SkippedError("FAISS has no GPU here: install 'encoder-zoo[gpu]' (faiss-gpu)")
    copied = place(flat)
    if copied is None:
        raise MemoryError("FAISS could not copy the items to the GPU")
    return copied


def missed(scores: np.ndarray, found: np.ndarray, there: np.ndarray) -> int:
    """Neighbours that are missing on the GPU though they are nearer than the last by more than a
    tie.
    """
    clear = scores > scores[:, -1:] + _NEAR
    missing = [
        len(set(row[sure]) - set(other))
        for row, sure, other in zip(found, clear, there, strict=True)
    ]
    return sum(missing)


def _rate(search: Callable[[np.ndarray, int], Any], queries: np.ndarray) -> float:
    """Queries a second of the fastest of three rounds."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        search(queries, _K)
        seconds.append(time.perf_counter() - began)
    return len(queries) / min(seconds)


def _unit(rows: np.ndarray) -> np.ndarray:
    normed: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return normed
