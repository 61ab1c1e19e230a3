"""Training in a group of processes against one process: the same weights after some steps.

A group of one has all that a larger one has: NCCL, the gathering of all outputs, and the averaging
of gradients. Where there are several GPUs, a group of as many is compared too.
"""

import multiprocessing
import os
import socket
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu.parts.toy import small
from benchmarks.gpu.work import Work
from benchmarks.peers import photo_crops
from sources import Entry
from training.data import Packed
from training.loop import build, train
from training.recipe import Recipe, load_recipe

_STEPS = 2


def run(work: Work) -> None:
    """Groups of one, and of all GPUs."""
    recipe = load_recipe("simclr-r18-cifar10").model_copy(
        update={
            "batch": 64, "epochs": 1, "warmup_epochs": 0, "learning_rate": 0.01,
            "optimizer": "sgd", "lr_scaling": "none", "precision": "32-true", "compile": False,
        }
    )  # fmt: skip
    if work.toy:
        recipe = small(recipe)
    gpus = torch.cuda.device_count() if work.device == "cuda" else 1
    alone = work.folder / f"alone-{time.time_ns()}"
    _train_in_group(recipe, alone, 0)
    for members in sorted({1, gpus}):
        began = time.perf_counter()
        together = work.folder / f"together-{members}-{time.time_ns()}"
        _train_in_group(recipe, together, members)
        work.record(
            f"weights of a group of {members} apart from those of one process",
            _apart(recipe, alone, together), "relative", began,
            {"steps": _STEPS, "batch": recipe.batch}, most=0.02,
        )  # fmt: skip


def _train_in_group(recipe: Recipe, run: Path, members: int) -> None:
    """Train in as many processes that know of one another; 0: in one that knows of none."""
    context = multiprocessing.get_context("forkserver")
    port = _free_port()
    processes = [
        context.Process(target=_member, args=(recipe, run, rank, members, port))
        for rank in range(max(members, 1))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError(f"a process of a group of {members} ended with an error")


def _member(recipe: Recipe, run: Path, rank: int, members: int, port: int) -> None:
    if members:
        os.environ.update(_as_torchrun(rank, members, port))
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    pixels = photo_crops(_STEPS * recipe.batch, recipe.stored_side)
    source = Packed("photos", pixels, [Entry(f"{i}", "", "") for i in range(len(pixels))], {})
    assert train(recipe, [source], run, lambda _: None)


def _as_torchrun(rank: int, members: int, port: int) -> dict[str, str]:
    """What `torchrun` tells each process."""
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0",
        "WORLD_SIZE": str(members), "LOCAL_WORLD_SIZE": str(members),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "benchmark",
    }  # fmt: skip


def _apart(recipe: Recipe, one: Path, other: Path) -> float:
    """The distance of two runs' weights, as a share of how far the first have moved."""
    begun = build(recipe, recipe.setup())[0].state_dict()
    first, second = (
        torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["method"]
        for run in (one, other)
    )
    return _distance(first, second) / _distance(first, begun)


def _distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    squares = [(x - other[name]).double().square().sum() for name, x in one.items()]
    return float(torch.stack(squares).sum().sqrt())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
