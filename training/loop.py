"""The training loop: one step after another, resumable, until the recipe's steps are done."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import Tensor

from training.data import Packed
from training.methods import build_method
from training.monitor import knn_monitor
from training.optimizers import build_optimizer, cosine_with_warmup
from training.recipe import Recipe


class TrainingError(RuntimeError):
    """A run that cannot start, resume or go on; the message says why and what to do."""


@dataclass(frozen=True)
class Step:
    """What a step reports. `knn` holds the monitor's accuracies where it ran."""

    step: int
    steps: int
    epoch: float
    loss: float
    lr: float
    images_per_second: float
    knn: dict[str, float]


def train(
    recipe: Recipe,
    sources: list[Packed],
    run: Path,
    report: Callable[[Step], None],
    save_every: int = 100,
    monitor_every: int = 400,
) -> bool:
    """Train until done, or until SIGTERM or SIGINT asks to stop; resumes what `run` holds.

    A checkpoint is written every `save_every` steps, at the end and when asked to stop. A resumed
    run takes the same batches and the same views as an unbroken one.

    Returns:
        Whether the run is complete.

    Raises:
        TrainingError: too few images, a checkpoint of another recipe, or a loss that is not finite.
    """
    plan = _Plan(recipe, [len(source) for source in sources])
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    torch.manual_seed(recipe.seed)
    method = build_method(recipe.method, recipe.architecture, recipe.augmentation)
    optimizer = build_optimizer(recipe, method)
    method = method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model, optimizer = fabric.setup(method, optimizer)
    step = _resume(fabric, run, recipe, method, optimizer)
    forward = torch.compile(model) if recipe.compile else model
    _describe(run, recipe, sources, fabric.device)
    with _stop_requests() as stop, (run / "log.jsonl").open("a") as log:
        stopping = False
        while step < plan.steps and not stopping:
            started = time.perf_counter()
            lr = recipe.peak_lr * cosine_with_warmup(step, plan.warmup, plan.steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            images = _batch(sources, plan, step, fabric.device)
            generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
            views = method.views(images, recipe.view_size(step, plan.steps), generator)
            loss = forward(views.contiguous(memory_format=torch.channels_last))
            fabric.backward(loss)
            if recipe.clip is not None:
                fabric.clip_gradients(model, optimizer, max_norm=recipe.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            value = float(loss.detach())
            if not np.isfinite(value):
                raise TrainingError(
                    f"the loss is {value} at step {step} (lr {lr:.3g}); the last checkpoint in "
                    f"{run} is sound: lower the learning rate or raise the temperature"
                )
            step += 1
            rate = recipe.batch / (time.perf_counter() - started)
            last = step == plan.steps
            knn = {}
            if step % monitor_every == 0 or last:
                knn = knn_monitor(method.encoder, sources, recipe.seed)
            entry = Step(step, plan.steps, plan.epoch(step), value, lr, rate, knn)
            log.write(json.dumps(entry.__dict__) + "\n")
            report(entry)
            stopping = bool(stop)  # looked at once: what comes later saves after the next step
            if step % save_every == 0 or last or stopping:
                log.flush()
                _save(fabric, run, recipe, method, optimizer, step)
    return step == plan.steps


class _Plan:
    """Which images each step takes.

    A batch comes from one source, so that nothing but the image tells its views from the others;
    within an epoch each image is taken at most once.
    """

    def __init__(self, recipe: Recipe, sizes: list[int]) -> None:
        self.recipe, self.sizes = recipe, sizes
        self.per_epoch = sum(size // recipe.batch for size in sizes)
        if self.per_epoch == 0:
            raise TrainingError(
                f"no source has the {recipe.batch} images of a batch (there are {sizes}): "
                "add images or lower the recipe's batch"
            )
        self.steps = max(1, round(recipe.epochs * self.per_epoch))
        self.warmup = min(self.steps, round(recipe.warmup_epochs * self.per_epoch))
        self._epoch = -1
        self._batches: list[tuple[int, npt.NDArray[np.int64]]] = []

    def epoch(self, step: int) -> float:
        return step / self.per_epoch

    def batch(self, step: int) -> tuple[int, npt.NDArray[np.int64]]:
        """The number of the source and the rows to take from it."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._batches = self._shuffled(epoch)
            self._epoch = epoch
        return self._batches[position]

    def _shuffled(self, epoch: int) -> list[tuple[int, npt.NDArray[np.int64]]]:
        rng = np.random.default_rng([self.recipe.seed, epoch])
        batches = []
        for number, size in enumerate(self.sizes):
            order = rng.permutation(size)
            for start in range(0, size - self.recipe.batch + 1, self.recipe.batch):
                batches.append((number, np.sort(order[start : start + self.recipe.batch])))
        return [batches[i] for i in rng.permutation(len(batches))]


def _batch(sources: list[Packed], plan: _Plan, step: int, device: torch.device) -> Tensor:
    number, rows = plan.batch(step)
    return torch.from_numpy(sources[number].pixels[rows]).to(device, non_blocking=True)


def _describe(run: Path, recipe: Recipe, sources: list[Packed], device: torch.device) -> None:
    """`run.json`: what the run is made of, for the package that comes of it."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    content = {
        "recipe": recipe.model_dump(mode="json"),
        "sources": [
            {"name": s.name, "images": len(s), "unreadable": len(s.unreadable)} for s in sources
        ],
        "hardware": gpu or f"{torch.get_num_threads()} CPU threads",
        "torch": str(torch.__version__),
    }
    run.mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_text(json.dumps(content, indent=1) + "\n")


def _save(
    fabric: Fabric, run: Path, recipe: Recipe, method: Any, optimizer: Any, step: int
) -> None:
    """Atomically: the previous checkpoint stands until the new one is whole on the disk."""
    partial = run / "checkpoint.partial"
    state = {"method": method, "optimizer": optimizer, "step": step}
    fabric.save(partial, state | {"recipe": recipe.model_dump_json()})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, run / "checkpoint.pt")


def _resume(fabric: Fabric, run: Path, recipe: Recipe, method: Any, optimizer: Any) -> int:
    path = run / "checkpoint.pt"
    if not path.is_file():
        return 0
    saved = torch.load(path, map_location=fabric.device, weights_only=True)
    if Recipe.model_validate_json(saved["recipe"]) != recipe:
        raise TrainingError(
            f"{path} was written by another recipe: give another --out, or the recipe it began with"
        )
    method.load_state_dict(saved["method"])
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])


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
