"""A batch in chunks that stay in a CPU's cache, several at a time."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, starmap

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

_CACHED = 4 << 20  # bytes of images, beside the copies that an operator makes of them


def in_chunks(views: Tensor, work: Callable[[slice], None]) -> None:
    """Call `work` with rows that together are the batch `views` (n, ...).

    All at once on a GPU. On a CPU each of PyTorch's threads takes pieces of its own: to share every
    operation on a small piece would cost more than it saves.
    """
    if views.device.type != "cpu":
        work(slice(len(views)))
        return
    inference = torch.is_inference_mode_enabled()

    def alone(rows: slice) -> None:
        with torch.inference_mode(inference), torch.no_grad():
            work(rows)

    n = len(views)
    count = min(n, -(-views.nbytes // _CACHED))
    bounds = [n * i // count for i in range(count + 1)]
    for _ in _workers(torch.get_num_threads()).map(alone, starmap(slice, pairwise(bounds))):
        pass


@functools.cache
def _workers(threads: int) -> ThreadPoolExecutor:
    # Once a block of nearly 32 MiB was freed, glibc keeps the memory of smaller ones for the next;
    # until then it gives them back, and every piece waits for new pages.
    torch.empty((32 << 20) - (1 << 16), dtype=torch.uint8)
    return ThreadPoolExecutor(threads, "augment", _limit_to_one_thread)


def _limit_to_one_thread() -> None:
    """For a worker: OpenMP has a limit for each thread, which PyTorch sets when first asked."""
    torch.get_num_threads()
    threadpool_limits(1, user_api="openmp")


os.register_at_fork(after_in_child=_workers.cache_clear)  # a child has none of the threads
