"""The training loop: one step after another, resumable, until the recipe's steps are done."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training import checkpoint
from training.data import Feed, Packed
from training.diagnosis import first_not_finite
from training.errors import TrainingError
from training.gradient_cache import cached_backward
from training.journal import Journal, Step
from training.methods import AnyMethod, Setup, build_method
from training.methods.method import named, unnamed
from training.monitor import embedding_geometry, knn_monitor, unit_features
from training.optimizers import cosine_with_warmup
from training.parts import parts_of, seed_draws
from training.precision import usable
from training.processes import mean_over_all, start_processes
from training.recipe import Recipe
from training.schedule import BatchSchedule
from zoo.package import Package
from zoo.progress import Progress

__all__ = ["Step", "TrainingError", "build", "train"]

_GEOMETRY_EVERY = 50
Optimizers = list[torch.optim.Optimizer]


def train(
    recipe: Recipe,
    sources: list[Packed],
    run: Path,
    report: Callable[[Step], None],
    save_every: int = 100,
    monitor_every: int = 400,
    start: Package | None = None,
    preparing: Progress | None = None,
) -> bool:
    """Train until done, or until SIGTERM or SIGINT asks to stop; resumes what `run` holds.

    A checkpoint is written every `save_every` steps, at the end and when asked to stop. A resumed
    run takes the same batches and the same views as an unbroken one. A new run begins with the
    encoder of the package `start`, where one is given, and else with random weights. `preparing` is
    told how many images a method has looked at that looks at all of them before the first step.

    Under `torchrun` the batch is shared by all processes: negatives are global and, on GPUs, so are
    the statistics of batch normalisation (on CPUs each process has its own). Only the first process
    reports and writes.

    Returns:
        Whether the run is complete.

    Raises:
        TrainingError: too few images, a batch that cannot be divided, a method that does not go
            with these images or processes, a checkpoint of another recipe or one that cannot be
            written, or a loss or gradient that is not finite.
    """
    precision = usable(recipe.precision)
    fabric = start_processes(precision)
    images = [len(source) for source in sources]
    schedule = BatchSchedule(recipe, images, fabric.world_size)
    method, optimizers = build(recipe, schedule.setup, start)
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    network, optimizers = _set_up(fabric, method, optimizers)
    step = _resume(run, recipe, images, method, optimizers, fabric.device)
    forward = torch.compile(network) if recipe.compile else network
    if fabric.is_global_zero and step < schedule.steps:
        checkpoint.check_room(run, recipe, method)
        if step == 0:
            checkpoint.describe(
                run, recipe, sources, fabric.device, precision, start, method.teacher
            )
    if step < schedule.steps:
        method.before_run(run, sources, preparing)
    labels = torch.from_numpy(_labels(sources)).to(fabric.device)
    begun, stopping = step, False
    with (
        _stop_requests() as stop,
        Feed(
            sources,
            partial(schedule.batch, rank=fabric.global_rank),
            schedule.steps,
            fabric.device,
        ) as feed,
        Journal(run, begun, report) if fabric.is_global_zero else nullcontext() as journal,
    ):
        while step < schedule.steps and not stopping:
            if step % schedule.per_epoch == 0:
                _begin_epoch(fabric, method, recipe.seed, step // schedule.per_epoch, sources)
            started, feed.waited = time.perf_counter(), 0.0
            share = cosine_with_warmup(step, schedule.warmup, schedule.steps)
            _set_rates(optimizers, [peak * share for peak in peaks])
            lr = recipe.peak_lr * share
            pixels, index = feed.images(step)
            parts = parts_of(
                method, schedule, step, fabric.global_rank, (pixels, index, labels[index])
            )
            if journal and step == begun:
                journal.views(named(parts[0]()), schedule.share // schedule.parts, step)
            loss, outputs = _backward(fabric, schedule, method, forward, parts)
            value = _finite(fabric, method, loss, parts, f"step {step} (lr {lr:.3g})", run)
            if recipe.clip is not None:
                fabric.clip_gradients(network, optimizers[0], max_norm=recipe.clip)
            _move(optimizers)
            method.after_step(step, outputs)
            step += 1
            seconds, last = time.perf_counter() - started, step == schedule.steps
            if journal:
                epoch = schedule.epoch(step)
                speeds = recipe.batch / seconds, feed.waited / seconds
                knn = (
                    knn_monitor(method.encoder, sources, recipe.seed)
                    if last or step % monitor_every == 0
                    else {}
                )
                geometry = (
                    embedding_geometry(method.encoder, pixels, recipe.augmentation, recipe.seed)
                    if last or step % _GEOMETRY_EVERY == 0
                    else {}
                )
                journal.step(Step(step, schedule.steps, epoch, value, lr, *speeds, knn, geometry))
            stopping = _any(fabric, bool(stop))  # what comes later saves after the next step
            if journal and (step % save_every == 0 or last or stopping):
                journal.flush()
                checkpoint.save(run, recipe, images, _state(method, optimizers), step)
    fabric.barrier()  # no process goes on before the checkpoint is whole
    return step == schedule.steps


def build(
    recipe: Recipe, setup: Setup, start: Package | None = None
) -> tuple[AnyMethod, Optimizers]:
    """The recipe's method and its optimizers, with fresh weights or the encoder of `start`."""
    torch.manual_seed(recipe.seed)
    method = build_method(recipe.method, setup, start)
    return method, method.optimizers(recipe)


def _set_up(fabric: Fabric, method: AnyMethod, optimizers: Optimizers) -> tuple[Any, Optimizers]:
    """What embeds views, as it is called, on the device, and the optimizers."""
    if fabric.world_size > 1 and fabric.device.type == "cuda" and method.shares_statistics:
        nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call]
    method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wrapped, *wrapped_optimizers = fabric.setup(_WithoutLoss(method), *optimizers)
    return wrapped, wrapped_optimizers


class _WithoutLoss(nn.Module):
    """A method up to its outputs, each image on its own."""

    def __init__(self, method: AnyMethod) -> None:
        super().__init__()
        self.method = method

    def forward(self, views: Any) -> Any:
        return self.method.embed(views)


def _resume(
    run: Path,
    recipe: Recipe,
    images: list[int],
    method: AnyMethod,
    optimizers: Optimizers,
    device: torch.device,
) -> int:
    saved = checkpoint.load(run, recipe, images, device)
    if saved is None:
        return 0
    checkpoint.check_teacher(run, saved, method.teacher)
    method.load_state_dict(saved["method"])
    for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    return int(saved["step"])


def _state(method: AnyMethod, optimizers: Optimizers) -> dict[str, Any]:
    """What `_resume` reads."""
    moments = [optimizer.state_dict() for optimizer in optimizers]
    state = {"method": method.state_dict(), "optimizers": moments}
    return state | {"teacher": checkpoint.named_space(method.teacher)}


def _labels(sources: list[Packed]) -> npt.NDArray[np.int64]:
    """The class of each image of all sources, numbered by name over all; -1 without a label."""
    labels = [entry.label for source in sources for entry in source.entries]
    number = {name: place for place, name in enumerate(sorted(set(labels) - {""}))}
    return np.array([number.get(label, -1) for label in labels], np.int64)


def _begin_epoch(
    fabric: Fabric, method: AnyMethod, seed: int, epoch: int, sources: list[Packed]
) -> None:
    """Tell the method that an epoch begins, with the features of all images if it wants them.

    Those of the first process, as the statistics of batch normalisation are its own in each.
    """
    features = None
    if method.wants_features:
        if fabric.is_global_zero:
            found = [unit_features(method.encoder, s, np.arange(len(s))) for s in sources]
            features = torch.cat(found)
        features = fabric.broadcast(features)
    seed_draws(seed, epoch)
    method.before_epoch(epoch, features)


def _set_rates(optimizers: Optimizers, rates: list[float]) -> None:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate


def _move(optimizers: Optimizers) -> None:
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _backward(
    fabric: Fabric,
    schedule: BatchSchedule,
    method: AnyMethod,
    forward: Any,
    parts: list[Callable[[], Any]],
) -> tuple[Tensor, Any]:
    """The loss and the outputs of this process's batch, detached; its gradient is left at the
    parameters.
    """
    if schedule.parts > 1:
        size = schedule.share // schedule.parts
        return cached_backward(fabric, forward, method.loss, parts, size)
    outputs = forward(parts[0]())
    loss: Tensor = method.loss(outputs)
    fabric.backward(loss)
    detached = {name: tensor.detach() for name, tensor in named(outputs).items()}
    return loss.detach(), unnamed(detached)


def _finite(
    fabric: Fabric,
    method: AnyMethod,
    loss: Tensor,
    parts: list[Callable[[], Any]],
    place: str,
    run: Path,
) -> float:
    """The loss as a number, once it and the gradient are known to be finite in every process.

    Raises:
        TrainingError: one is not; the message says which, where, and what to do.
    """
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    found = torch.stack([loss.float(), nn.utils.get_total_norm(gradients)])
    value, norm = mean_over_all(found).tolist()
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


def _any(fabric: Fabric, stop: bool) -> bool:
    """Whether any process was asked to stop."""
    if fabric.world_size == 1:
        return stop
    return bool(mean_over_all(torch.tensor(float(stop), device=fabric.device)) > 0)


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
