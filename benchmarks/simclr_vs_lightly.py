"""Correctness by result: SimCLR trained by us and by lightly, then linear accuracy on CIFAR-10.

    python benchmarks/simclr_vs_lightly.py --data cifar10.tar [--steps 400] [--batch 256]
        [--images 20000] [--test-images 10000] [--seeds 3] [--stem cifar] [--out results/]

Both train a ResNet-18 on the same images, with equal steps, batch, temperature, optimizer (LARS)
and schedule; a seed gives both the same first encoder and the same images. Ours is the training
loop; theirs is lightly's head, loss and transform behind a DataLoader. Features of the last epoch
go to one linear protocol (training.evaluation.linear_accuracy). Prints one JSON line: both
accuracies by seed, and the mean difference, ours less theirs, in points with its 95% interval
(Student's t over the pairs; null with one seed). `--out` keeps our runs, which resume, and each
finished pair, so that a stopped benchmark goes on.

At CPU size, in half an hour of two cores: `--stem stride2-pool --steps 234 --images 20000`, three
epochs. The CIFAR stem takes 16 times as many operations.
"""

import argparse
import hashlib
import json
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from PIL import Image
from scipy.stats import t as student

from training import loop
from training.augment import Augmentation
from training.data import Packed, pack
from training.evaluation.linear import linear_accuracy
from training.methods.simclr import SimCLRSettings
from training.optimizers import cosine_with_warmup
from training.recipe import Recipe
from training.schedule import BatchSchedule
from zoo.architectures import ResNetArchitecture


def main() -> None:
    given = parsed()
    peers.lightly()
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        train = some(pack(given.data, out / "packed", 32, "train"), given.images)
        test = some(pack(given.data, out / "packed", 32, "test"), given.test_images)
        pairs = []
        for seed in range(given.seeds):
            recipe = recipe_of(given, seed, len(train))
            pairs.append(
                pair(recipe, train, test, out / name_of(recipe, train, test), given.workers)
            )
    print(json.dumps(summary(given, pairs, len(train), len(test))))


def parsed() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="cifar10.tar, with labels.csv")
    arguments.add_argument("--steps", type=int, default=400)
    arguments.add_argument("--batch", type=int, default=256)
    arguments.add_argument("--images", type=int, default=50_000)
    arguments.add_argument("--test-images", type=int, default=10_000)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--temperature", type=float, default=0.2)
    arguments.add_argument("--stem", default="cifar", choices=["cifar", "stride2-pool"])
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--out", type=Path)
    return arguments.parse_args()


def some(source: Packed, count: int) -> Packed:
    """`count` of the images, the same ones whenever it is asked."""
    chosen = np.zeros(len(source), bool)
    chosen[np.random.default_rng(0).permutation(len(source))[:count]] = True
    return source.select(chosen)


def recipe_of(given: argparse.Namespace, seed: int, images: int) -> Recipe:
    per_epoch = images // given.batch
    return Recipe(
        method=SimCLRSettings(temperature=given.temperature),
        architecture=ResNetArchitecture(depth=18, stem=given.stem),
        augmentation=Augmentation(size=32, strength=0.5, blur=0),
        stored_side=32,
        batch=given.batch,
        epochs=given.steps / per_epoch,
        warmup_epochs=0.1 * given.steps / per_epoch,
        learning_rate=0.075,
        lr_scaling="sqrt",
        weight_decay=1e-6,
        precision=given.precision,
        compile=given.compile,
        seed=seed,
    )


def name_of(recipe: Recipe, train: Packed, test: Packed) -> str:
    """Of the folder of a pair; another for other settings."""
    key = f"{recipe.model_dump_json()} {len(train)} {len(test)}"
    return f"seed-{recipe.seed}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def pair(
    recipe: Recipe, train: Packed, test: Packed, folder: Path, workers: int
) -> dict[str, float]:
    """Linear accuracies and seconds of both, from one seed."""
    done = folder / "pair.json"
    if done.is_file():
        return json.loads(done.read_text())
    began = time.perf_counter()
    if not loop.train(recipe, [train], folder, lambda _: None):
        raise SystemExit(f"stopped; the same command goes on with {folder}")
    middle = time.perf_counter()
    method, _ = loop.build(recipe, recipe.setup())
    saved = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    method.load_state_dict(saved["method"])
    encoder = lightly_encoder(recipe, train, workers)
    end = time.perf_counter()
    found = {
        "ours": linear(method.encoder, train, test),
        "lightly": linear(encoder, train, test),
        "our_seconds": round(middle - began, 1),
        "lightly_seconds": round(end - middle, 1),
    }
    done.write_text(json.dumps(found))
    return found


def lightly_encoder(recipe: Recipe, train: Packed, workers: int) -> Any:
    """The encoder after the recipe's steps of lightly's SimCLR."""
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    plan = BatchSchedule(recipe, [len(train)])
    method, _ = loop.build(recipe, recipe.setup())
    settings = recipe.method
    model = peers.lightly_simclr(method.encoder, settings.temperature, settings.head_dim)
    optimizer = peers.lars(model, recipe.peak_lr, recipe.weight_decay)
    model, optimizer = fabric.setup(model.to(memory_format=torch.channels_last), optimizer)
    forward = torch.compile(model) if recipe.compile else model
    two = peers.lightly_transform(recipe.augmentation)
    dataset = peers.Views(train.pixels, lambda pixels: tuple(two(Image.fromarray(pixels))))
    views = peers.batches(dataset, recipe.batch, workers, recipe.seed)
    for step in range(plan.steps):
        lr = recipe.peak_lr * cosine_with_warmup(step, plan.warmup, plan.steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        batch = next(views).to(fabric.device, non_blocking=True)
        loss = forward(batch.contiguous(memory_format=torch.channels_last))
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if not math.isfinite(float(loss.detach())):
            raise SystemExit(f"lightly's loss is not finite at step {step}")
    return method.encoder


def linear(encoder: Any, train: Packed, test: Packed) -> float:
    """Linear accuracy on the test images, in percent."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = encoder.to(device).eval()
    labels, names = train.labels()
    number = {name: index for index, name in enumerate(names)}
    truth = np.array([number[entry.label] for entry in test.entries], np.int64)
    result = linear_accuracy(features(encoder, train), labels, features(encoder, test), truth)
    return 100 * result.accuracy


@torch.no_grad()
def features(encoder: Any, source: Packed) -> np.ndarray:
    device = next(encoder.parameters()).device
    rows = []
    for start in range(0, len(source), 512):
        pixels = torch.from_numpy(source.pixels[start : start + 512]).to(device)
        images = pixels.permute(0, 3, 1, 2).float().div_(255)
        rows.append(F.normalize(encoder(images), dim=1).float().cpu())
    return torch.cat(rows).numpy()


def summary(
    given: argparse.Namespace, pairs: list[dict[str, float]], train: int, test: int
) -> dict[str, object]:
    differences = [found["ours"] - found["lightly"] for found in pairs]
    mean, interval = statistics.mean(differences), None
    if len(pairs) > 1:
        error = statistics.stdev(differences) / len(pairs) ** 0.5
        reach = float(student.ppf(0.975, len(pairs) - 1)) * error
        interval = [round(mean - reach, 2), round(mean + reach, 2)]
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "network": f"ResNet-18 {given.stem}",
        "steps": given.steps,
        "batch": given.batch,
        "images": train,
        "test_images": test,
        "pairs": [{key: round(value, 2) for key, value in found.items()} for found in pairs],
        "difference_points": round(mean, 2),
        "interval_95": interval,
    }


if __name__ == "__main__":
    main()
