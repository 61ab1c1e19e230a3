"""SimCLR at 64 px: images a second of the training loop, against the encoder alone.

The floor of a step is the encoder's forward and backward pass over as many views, in the same
precision, compiled alike: what no augmentation, loss or optimizer can go below. By their operations
and bytes, on an H100 at a batch of 1,024 it is 34 ms with the CIFAR stem (a good step: 85 ms) and
2 to 4 ms with the stem of the built-in model (12 to 15 ms).
"""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from benchmarks.gpu.parts.toy import small
from benchmarks.gpu.results import Settings
from benchmarks.gpu.work import Work
from benchmarks.peers import photo_crops
from sources import Entry
from training.data import Packed
from training.journal import Step
from training.loop import build, train
from training.precision import usable
from training.recipe import Recipe, load_recipe
from zoo.architectures import ResNetArchitecture

_WARM_UP = 5  # steps, in which the network is compiled and its algorithms are chosen
_NEVER = 1 << 30


def run(work: Work) -> None:
    """Both stems; the toy has neither."""
    stems: tuple[Literal["cifar", "stride2-pool"], ...] = ("cifar", "stride2-pool")
    for stem in stems[1:] if work.toy else stems:
        if not work.measured(f"{stem}, share of the floor"):
            _measure(work, stem, steps=1 if work.toy else 40)


def _measure(work: Work, stem: Literal["cifar", "stride2-pool"], steps: int) -> None:
    recipe, began = load_recipe("simclr-r18-tiny-imagenet"), time.perf_counter()
    network = ResNetArchitecture(depth=18, stem=stem)
    recipe = recipe.model_copy(update={"architecture": network, "batch": 1024})
    recipe = small(recipe) if work.toy else recipe
    settings: Settings = {
        "batch": recipe.batch, "size": recipe.augmentation.size,
        "precision": usable(recipe.precision), "compile": recipe.compile,
    }  # fmt: skip
    speed, waiting = _training(recipe, _WARM_UP + steps)
    work.record(f"{stem}, training", speed, "images/s", began, settings)
    work.record(f"{stem}, step", 1000 * recipe.batch / speed, "ms", began, settings)
    work.record(f"{stem}, waiting for data", 100 * waiting, "%", began, settings)
    if work.device == "cuda":
        most = torch.cuda.max_memory_allocated() / 1e9
        work.record(f"{stem}, memory of the GPU", most, "GB", began, settings)
    began, floor = time.perf_counter(), _floor(recipe, work.device, _WARM_UP + steps)
    work.record(f"{stem}, floor of a step", 1000 * floor, "ms", began, settings)
    share = 100 * floor * speed / recipe.batch
    work.record(f"{stem}, share of the floor", share, "%", began, settings)


def _training(recipe: Recipe, steps: int) -> tuple[float, float]:
    """Images a second of the median step of the real loop, and the share that it waits."""
    found: list[Step] = []
    pixels = photo_crops(4 * recipe.batch, recipe.stored_side)
    source = Packed("photos", pixels, [Entry(f"{i}", "", "") for i in range(len(pixels))], {})
    recipe = recipe.model_copy(update={"epochs": steps / 4})
    with TemporaryDirectory() as folder:
        train(recipe, [source], Path(folder) / "run", found.append, _NEVER, _NEVER)
    timed = found[_WARM_UP:]
    speed = statistics.median(step.images_per_second for step in timed)
    return speed, statistics.median(step.waiting for step in timed)


def _floor(recipe: Recipe, device: str, steps: int) -> float:
    """Seconds of the median forward and backward pass of the encoder over two views an image."""
    method, _ = build(recipe, recipe.setup())
    encoder = method.encoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = torch.compile(encoder) if recipe.compile else encoder
    side = recipe.augmentation.size
    views = torch.rand(2 * recipe.batch, 3, side, side, device=device)
    views = views.contiguous(memory_format=torch.channels_last)
    lowered = usable(recipe.precision) == "bf16-mixed"
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=lowered):
            value = forward(views).float().sum()
        value.backward()
        encoder.zero_grad(set_to_none=True)
        float(value.detach())  # waits for the device
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[_WARM_UP:])
