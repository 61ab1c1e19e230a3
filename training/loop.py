"""The training loop: one step after another, resumable, until the recipe's steps are done."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training import checkpoint
from training.augment import share_generator
from training.cached import cached_backward
from training.data import Feed, Packed
from training.diagnosis import first_not_finite
from training.errors import TrainingError
from training.journal import Journal, Step
from training.methods import Method, build_method
from training.monitor import embedding_geometry, knn_monitor
from training.optimizers import build_optimizer, cosine_with_warmup
from training.plan import Plan
from training.precision import has_bfloat16
from training.recipe import Precision, Recipe
from training.start import begin_with
from zoo.package import Package

__all__ = ["Step", "TrainingError", "train"]

_GEOMETRY_EVERY = 50


def train(
    recipe: Recipe,
    sources: list[Packed],
    run: Path,
    report: Callable[[Step], None],
    save_every: int = 100,
    monitor_every: int = 400,
    start: Package | None = None,
) -> bool:
    """Train until done, or until SIGTERM or SIGINT asks to stop; resumes what `run` holds.

    A checkpoint is written every `save_every` steps, at the end and when asked to stop. A resumed
    run takes the same batches and the same views as an unbroken one. A new run begins with the
    encoder of the package `start`, where one is given, and else with random weights.

    Under `torchrun` the batch is shared by all processes: negatives are global and, on GPUs, so are
    the statistics of batch normalisation (on CPUs each process has its own). Only the first process
    reports and writes.

    Returns:
        Whether the run is complete.

    Raises:
        TrainingError: too few images, a batch that cannot be divided, a checkpoint of another
            recipe or one that cannot be written, or a loss or gradient that is not finite.
    """
    precision = _precision(recipe)
    fabric = _fabric(precision)
    images = [len(source) for source in sources]
    plan = Plan(recipe, images, fabric.world_size)
    method, optimizer = _build(recipe)
    if start is not None:
        begin_with(method.encoder, start)
    network, optimizer = _set_up(fabric, plan, method, optimizer)
    step = _resume(run, recipe, images, method, optimizer, fabric.device)
    forward = torch.compile(network) if recipe.compile else network
    if fabric.is_global_zero and step < plan.steps:
        checkpoint.check_room(run, recipe, method)
        if step == 0:
            checkpoint.describe(run, recipe, sources, fabric.device, precision, start)
    rows = partial(plan.batch, rank=fabric.global_rank)
    begun, stopping = step, False
    with (
        _stop_requests() as stop,
        Feed(sources, rows, plan.steps, fabric.device) as feed,
        Journal(run, begun, report) if fabric.is_global_zero else nullcontext() as journal,
    ):
        while step < plan.steps and not stopping:
            started, feed.waited = time.perf_counter(), 0.0
            lr = recipe.peak_lr * cosine_with_warmup(step, plan.warmup, plan.steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            pixels = feed.images(step)
            parts = _views(fabric, plan, method, pixels, step)
            if journal and step == begun:
                journal.views(parts[0](), plan.share // plan.parts, step)
            loss = _backward(fabric, plan, method, forward, parts)
            value = _finite(fabric, method, loss, parts, f"step {step} (lr {lr:.3g})", run)
            if recipe.clip is not None:
                fabric.clip_gradients(network, optimizer, max_norm=recipe.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            seconds, last = time.perf_counter() - started, step == plan.steps
            if journal:
                speeds = recipe.batch / seconds, feed.waited / seconds
                knn, geometry = {}, {}
                if last or step % monitor_every == 0:
                    knn = knn_monitor(method.encoder, sources, recipe.seed)
                if last or step % _GEOMETRY_EVERY == 0:
                    geometry = embedding_geometry(
                        method.encoder, pixels, recipe.augmentation, recipe.seed
                    )
                epoch = plan.epoch(step)
                journal.step(Step(step, plan.steps, epoch, value, lr, *speeds, knn, geometry))
            stopping = _agreed(fabric, bool(stop))  # what comes later saves after the next step
            if journal and (step % save_every == 0 or last or stopping):
                journal.flush()
                state = {"method": method.state_dict(), "optimizer": optimizer.state_dict()}
                checkpoint.save(run, recipe, images, state, step)
    fabric.barrier()  # no process goes on before the checkpoint is whole
    return step == plan.steps


def _build(recipe: Recipe) -> tuple[Method, torch.optim.Optimizer]:
    """The recipe's method and optimizer, with fresh weights."""
    torch.manual_seed(recipe.seed)
    method = build_method(recipe.method, recipe.architecture, recipe.augmentation)
    return method, build_optimizer(recipe, method)


def _precision(recipe: Recipe) -> Precision:
    """The recipe's, or float32 where the machine has no other."""
    if recipe.precision == "32-true" or torch.cuda.is_available() or has_bfloat16():
        return recipe.precision
    return "32-true"


def _fabric(precision: Precision) -> Fabric:
    """One process, or those that `torchrun` has started."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator="auto",
        devices=here,
        num_nodes=ranks // here,
        strategy="ddp" if ranks > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def _set_up(fabric: Fabric, plan: Plan, method: Method, optimizer: Any) -> tuple[Any, Any]:
    """The network as it is called, on the device, and its optimizer."""
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call]
    method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = method if plan.parts == 1 else _Embedder(method)
    wrapped, optimizer = fabric.setup(network, optimizer)
    return wrapped, optimizer


class _Embedder(nn.Module):
    """A method up to its embeddings, without the loss."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, views: Tensor) -> Tensor:
        return self.method.embed(views)


def _resume(
    run: Path,
    recipe: Recipe,
    images: list[int],
    method: Method,
    optimizer: Any,
    device: torch.device,
) -> int:
    saved = checkpoint.load(run, recipe, images, device)
    if saved is None:
        return 0
    method.load_state_dict(saved["method"])
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])


def _views(
    fabric: Fabric, plan: Plan, method: Method, pixels: Tensor, step: int
) -> list[Callable[[], Tensor]]:
    """What makes the views of each part of this process's images, the same at every call."""
    recipe = plan.recipe
    size = recipe.view_size(step, plan.steps)

    def make(part: int, images: Tensor) -> Tensor:
        share = fabric.global_rank * plan.parts + part
        generator = share_generator(
            recipe.seed * 1_000_003 + step, share, fabric.world_size * plan.parts
        )
        views = method.views(images, size, generator)
        return views.contiguous(memory_format=torch.channels_last)

    return [partial(make, part, images) for part, images in enumerate(pixels.chunk(plan.parts))]


def _backward(
    fabric: Fabric, plan: Plan, method: Method, forward: Any, parts: list[Callable[[], Tensor]]
) -> Tensor:
    """The loss of the whole batch, detached, with its gradient left at the parameters."""
    if plan.parts > 1:
        return cached_backward(fabric, forward, method.loss, parts, plan.share // plan.parts)
    loss: Tensor = forward(parts[0]())
    fabric.backward(loss)
    return loss.detach()


def _finite(
    fabric: Fabric,
    method: Method,
    loss: Tensor,
    parts: list[Callable[[], Tensor]],
    place: str,
    run: Path,
) -> float:
    """The loss as a number, once it and the gradient are known to be finite in every process.

    Raises:
        TrainingError: one is not; the message says which, where, and what to do.
    """
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    found = torch.stack([loss.float(), nn.utils.get_total_norm(gradients)])
    value, norm = _over_all(fabric, found).tolist()
    if np.isfinite(value) and np.isfinite(norm):
        return float(value)
    what = f"the gradient's norm is {norm}" if np.isfinite(value) else f"the loss is {value}"
    saved = (run / checkpoint.CHECKPOINT).is_file()
    with fabric.autocast():
        where = first_not_finite(method, parts[0]())
    raise TrainingError(
        f"{what} at {place}: {where}; "
        f"{f'the last checkpoint in {run} is sound' if saved else 'nothing was saved yet'}: "
        "lower the learning rate or raise the temperature"
    )


def _agreed(fabric: Fabric, stop: bool) -> bool:
    """Whether any process was asked to stop."""
    if fabric.world_size == 1:
        return stop
    return bool(_over_all(fabric, torch.tensor(float(stop), device=fabric.device)) > 0)


def _over_all(fabric: Fabric, figures: Tensor) -> Tensor:
    """The mean over all processes."""
    mean = fabric.all_reduce(figures, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """A list that is empty until SIGTERM or SIGINT asks the loop to save and stop."""
    received: list[int] = []
    watched = (signal.SIGTERM, signal.SIGINT)
    previous = {
        number: signal.signal(number, lambda caught, _: received.append(caught))
        for number in watched
    }
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
