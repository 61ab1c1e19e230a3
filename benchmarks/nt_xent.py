"""Time and peak memory of NT-Xent, forward and backward, tiled (ours) and dense, over n.

    python benchmarks/nt_xent.py [--n 1024 4096 16384] [--device cuda] [--rounds 5]

The dense form is the usual one: all 2n x 2n similarities and a cross entropy. Each runs in a
process of its own, in turns. Prints one JSON line; `dense` is null where it would not fit (above
n = 8,192 on a CPU, 16,384 on a GPU).
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses import nt_xent

DIM, TEMPERATURE = 128, 0.2


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, nargs="+", default=[256, 1024, 4096, 16384])
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    widest = 8192 if given.device == "cpu" else 16384
    rows = []
    for n in given.n:
        contestants = ["tiled", "dense"] if n <= widest else ["tiled"]
        found: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
        for _ in range(given.rounds):
            for name in contestants:
                found[name].append(measured(name, n, given.device))
        rows.append({"n": n, "dense": None} | {name: median(runs) for name, runs in found.items()})
    device = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    print(json.dumps({"device": device, "dim": DIM, "rounds": given.rounds, "over_n": rows}))


def dense(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    n = len(first)
    views = F.normalize(torch.cat([first, second]), dim=1)
    logits = views @ views.T / temperature
    logits.fill_diagonal_(float("-inf"))
    return F.cross_entropy(logits, torch.arange(2 * n, device=first.device).roll(n))


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}


def measured(name: str, n: int, device: str) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run, (name, n, device))


def run(name: str, n: int, device: str) -> dict[str, float]:
    """Seconds (on a CPU also of processor time) of the second call, and the memory both took."""
    loss = {"tiled": nt_xent, "dense": dense}[name]
    generator = torch.Generator().manual_seed(0)
    pair = [x.to(device).requires_grad_() for x in torch.randn(2, n, DIM, generator=generator)]
    call(loss, [x[:64].detach().requires_grad_() for x in pair])
    before = memory(device)
    began, worked = time.perf_counter(), time.process_time()
    call(loss, pair)
    result = {"seconds": time.perf_counter() - began, "mb": (memory(device) - before) / 1e6}
    return result | ({"cpu_seconds": time.process_time() - worked} if device == "cpu" else {})


def call(loss: Any, pair: list[Tensor]) -> None:
    torch.autograd.grad(loss(*pair, TEMPERATURE), pair)
    if pair[0].is_cuda:
        torch.cuda.synchronize()


def memory(device: str) -> int:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
