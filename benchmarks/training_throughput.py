"""Source images a second of training SimCLR, two views each, data loading included.

    python benchmarks/training_throughput.py [--size 32] [--batch 64] [--steps 8] [--rounds 3]

Four contestants with one network, batch and optimizer take turns on one machine:

    ours         the training loop on a packed source
    resident     the same step on one batch of views that lies ready on the device: the ceiling
    torchvision  our step, views made an image at a time from JPEG files by torchvision's v2
    lightly      lightly's head, loss and transform, from the same files

Prints one JSON line: medians over the rounds, `ours` as a share of `resident` and times the others,
the share of our step spent waiting for data, and the share of the device's peak that our step
reaches (MFU): of a GPU's by its data sheet, where it is known, and of what a large matrix product
reaches on a CPU. `--without lightly` leaves out what is not installed.
"""

import argparse
import functools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import peers
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from training import loop
from training.augment import Augmentation, random_pair
from training.data import Packed, pack
from training.journal import Step
from training.losses import nt_xent
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}
"""Dense bf16 operations a second, by a part of the device's name (the makers' data sheets)."""


def main() -> None:
    given = parsed()
    recipe = Recipe(
        architecture=ResNetArchitecture(depth=given.depth, stem=given.stem),
        augmentation=Augmentation(
            size=given.size,
            strength=0.5 if given.size < 64 else 1.0,
            blur=0.0 if given.size < 64 else 0.5,
        ),
        stored_side=given.stored or given.size,
        batch=given.batch,
        epochs=1,
        precision=given.precision,
        compile=given.compile,
    )
    with tempfile.TemporaryDirectory() as folder:
        files = written(Path(folder) / "photos", 4 * given.batch, recipe.stored_side)
        began = time.perf_counter()
        source = pack(Path(folder) / "photos", Path(folder) / "cache", recipe.stored_side)
        packing = time.perf_counter() - began
        runs: dict[str, Callable[[], list[float]]] = {
            "ours": lambda: ours(recipe, source, given.steps, Path(tempfile.mkdtemp(dir=folder))),
            "resident": lambda: timed(recipe, resident(recipe, source), given.steps),
            "torchvision": lambda: timed(
                recipe, torchvision_views(recipe, files, given.workers), given.steps
            ),
            "lightly": lambda: timed(
                recipe, lightly_views(recipe, files, given.workers), given.steps, lightly=True
            ),
        }
        speeds: dict[str, list[float]] = {n: [] for n in runs if n not in given.without}
        waiting = []
        for _ in range(given.rounds):
            for name, found in speeds.items():
                speed, *rest = runs[name]()
                found.append(speed)
                waiting += rest
    print(json.dumps(summary(recipe, speeds, waiting, packing, len(files))))


def parsed() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, default=32, help="side of a view")
    arguments.add_argument("--stored", type=int, help="side of the images; without it, a view's")
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--depth", type=int, default=18)
    arguments.add_argument("--stem", default="cifar")
    arguments.add_argument("--steps", type=int, default=8, help="timed, after two that are not")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--workers", type=int, default=2, help="processes of a peer's loader")
    arguments.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--without", nargs="*", default=[], choices=["torchvision", "lightly"])
    return arguments.parse_args()


def written(folder: Path, n: int, side: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number:06d}.jpg" for number in range(n)]
    for path, pixels in zip(paths, peers.photo_crops(n, side), strict=True):
        Image.fromarray(pixels).save(path, quality=90)
    return paths


def ours(recipe: Recipe, source: Packed, steps: int, run: Path) -> list[float]:
    """Source images a second between the reports of the real loop, and its share of waiting."""
    total = 2 + steps + 1  # the last, in which the monitor looks, is not timed either
    recipe = recipe.model_copy(update={"epochs": total / (len(source) // recipe.batch)})
    times, waited = [], []

    def report(step: Step) -> None:
        times.append(time.perf_counter())
        waited.append(step.waiting)

    loop.train(recipe, [source], run, report)
    seconds = times[steps + 1] - times[1]
    return [recipe.batch * steps / seconds, statistics.mean(waited[2 : steps + 2])]


def timed(
    recipe: Recipe, views: Iterator[torch.Tensor], steps: int, lightly: bool = False
) -> list[float]:
    """Source images a second of a plain loop over views that come from elsewhere."""
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    method, [optimizer] = loop.build(recipe, recipe.setup())
    if lightly:
        settings = recipe.method
        model = peers.lightly_simclr(method.encoder, settings.temperature, settings.head_dim)
        optimizer = peers.lars(model, recipe.peak_lr, recipe.weight_decay)
    else:
        loss = functools.partial(nt_xent, temperature=recipe.method.temperature)
        model = peers.Peer(method.encoder, method.head, loss)
    model, optimizer = fabric.setup(model.to(memory_format=torch.channels_last), optimizer)
    forward = torch.compile(model) if recipe.compile else model
    began = 0.0
    for step in count():
        if step == 2:
            began = time.perf_counter()
        if step == steps + 2:
            return [recipe.batch * steps / (time.perf_counter() - began)]
        batch = next(views).to(fabric.device, non_blocking=True)
        value = forward(batch.contiguous(memory_format=torch.channels_last))
        fabric.backward(value)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        float(value.detach())
    raise AssertionError


def resident(recipe: Recipe, source: Packed) -> Iterator[torch.Tensor]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = torch.tensor(source.pixels[: recipe.batch], device=device)
    views = random_pair(images, recipe.augmentation, torch.Generator().manual_seed(0))
    views = views.contiguous(memory_format=torch.channels_last)
    while True:
        yield views


def opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def torchvision_views(recipe: Recipe, files: list[Path], workers: int) -> Iterator[torch.Tensor]:
    view = peers.view_transform(recipe.augmentation, pil=True)

    def two(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
        image = opened(path)
        return view(image), view(image)

    return peers.batches(peers.Views(files, two), recipe.batch, workers, seed=0)


def lightly_views(recipe: Recipe, files: list[Path], workers: int) -> Iterator[torch.Tensor]:
    two = peers.lightly_transform(recipe.augmentation)
    dataset = peers.Views(files, lambda path: tuple(two(opened(path))))
    return peers.batches(dataset, recipe.batch, workers, seed=0)


def summary(
    recipe: Recipe,
    speeds: dict[str, list[float]],
    waiting: list[float],
    packing: float,
    files: int,
) -> dict[str, object]:
    def ratio(name: str) -> float | None:
        if name not in speeds:
            return None
        pairs = zip(speeds["ours"], speeds[name], strict=True)
        return round(statistics.median(mine / other for mine, other in pairs), 3)

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    medians = {name: round(statistics.median(found), 1) for name, found in speeds.items()}
    flops = step_flops(recipe) / recipe.batch
    peak = product_rate(recipe) if device == "CPU" else None
    peak = next((value for name, value in PEAK.items() if name in device), peak)
    return {
        "device": device,
        "threads": torch.get_num_threads(),
        "network": f"ResNet-{recipe.architecture.depth} {recipe.architecture.stem}",
        "size": recipe.augmentation.size,
        "batch": recipe.batch,
        "images_per_second": medians,
        "share_of_resident": ratio("resident"),
        "times_torchvision": ratio("torchvision"),
        "times_lightly": ratio("lightly"),
        "share_waiting_for_data": round(statistics.median(waiting), 4),
        "gflop_per_image": round(flops / 1e9, 2),
        "mfu": round(medians["ours"] * flops / peak, 3) if peak else None,
        "packing_images_per_second": round(files / packing),
    }


def product_rate(recipe: Recipe) -> float:
    """Operations a second of a product of 2048 x 2048 matrices, the best of several."""
    kind = torch.bfloat16 if recipe.precision == "bf16-mixed" else torch.float32
    matrix = torch.rand(2048, 2048).to(kind)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        torch.mm(matrix, matrix)
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(seconds)


def step_flops(recipe: Recipe) -> int:
    """Floating-point operations of the convolutions and products, forward and backward."""
    method, _ = loop.build(recipe, recipe.setup())
    side = recipe.augmentation.size
    counter = FlopCounterMode(display=False)
    with counter:
        method(torch.rand(2 * recipe.batch, 3, side, side)).backward()
    return int(counter.get_total_flops())


if __name__ == "__main__":
    main()
