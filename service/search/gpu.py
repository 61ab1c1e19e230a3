"""Exact search on an NVIDIA GPU: copies of large segments in its memory.

Never run: no GPU was at hand.
"""

from collections.abc import Callable
from threading import RLock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import structlog

LEAST_ROWS = 10_000
"""A smaller segment is searched on the CPU in less time than a GPU takes to be asked."""
MOST_FOUND = 2048
"""Results that FAISS can give on a GPU."""

Place = Callable[[Any], "OnGpu | None"]
"""Copies a FAISS index to the GPU, where that is worth while."""


class OnGpu:
    """A copy of a flat index on the GPU.

    FAISS lets one thread at a time make, search and free what shares a GPU's memory: hence one lock
    for all copies. It is reentrant, because any allocation may free a copy.
    """

    def __init__(self, copy: Any, lock: "RLock") -> None:
        self._copy, self._lock = copy, lock

    def __del__(self) -> None:
        with self._lock:
            self._copy = None

    def search(
        self, queries: npt.NDArray[np.float32], k: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores and rows, (queries, k) each."""
        with self._lock:
            scores, rows = self._copy.search(queries, k)
        return scores, rows


def open_search_device(wanted: Literal["cpu", "cuda"]) -> Place | None:
    """How segments get to the GPU; None where search stays on the CPU.

    A GPU that was asked for and cannot be used is warned of in the log.
    """
    if wanted == "cpu":
        return None
    import faiss  # noqa: PLC0415 - a quarter of a second, which start-up need not wait for

    count = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if not hasattr(faiss, "StandardGpuResources") or not count:
        lacks = "it sees no GPU" if hasattr(faiss, "StandardGpuResources") else "it is faiss-cpu"
        structlog.get_logger().warning(
            "search stays on the CPU",
            detail=f"ZOO_SEARCH_DEVICE=cuda was asked for, and FAISS cannot: {lacks}; install "
            "'encoder-zoo[gpu]' and run `zoo doctor`",
        )
        return None
    resources, lock = faiss.StandardGpuResources(), RLock()

    def place(flat: Any) -> OnGpu | None:
        if flat.ntotal < LEAST_ROWS:
            return None
        try:
            with lock:
                return OnGpu(faiss.index_cpu_to_gpu(resources, 0, flat), lock)
        except RuntimeError as error:  # of FAISS, such as for want of memory
            structlog.get_logger().warning(
                "a segment stays on the CPU", rows=flat.ntotal, detail=str(error)
            )
            return None

    return place
