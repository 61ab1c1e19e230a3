"""The processes that share a run: one, or those that `torchrun` has started."""

import os

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from training.precision import Precision


def start_processes(precision: Precision) -> Fabric:
    """One process, or those that `torchrun` has started, each on its device.

    One that `torchrun` started alone is a group too, with all that a larger one has.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    grouped = ranks > 1 or dist.is_torchelastic_launched()
    fabric = Fabric(
        accelerator="auto",
        devices=here,
        num_nodes=ranks // here,
        # A method keeps its queues and banks equal by itself; no need to send them every step.
        strategy=DDPStrategy(broadcast_buffers=False) if grouped else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def gathered(rows: Tensor) -> Tensor:
    """The rows (n, ...) of all processes, in the order of their ranks; each gives as many.

    Without a gradient. For what an `after_step` keeps in every process.
    """
    if not dist.is_initialized():
        return rows
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def mean_over_all(figures: Tensor) -> Tensor:
    """The mean over all processes."""
    return gathered(figures[None]).mean(dim=0)
