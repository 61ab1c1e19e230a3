"""SimCLR's views: ours, a batch at a time, against torchvision's v2, an image at a time.

    python benchmarks/augmentation.py [--size 32 64 224] [--images 256] [--rounds 5]

The parameters have the same distributions (no blur at 32 px, as in the paper's CIFAR set-up), and
both have `--cores` cores: ours as threads, torchvision's as the processes of a DataLoader, once
over PIL images and once over uint8 tensors. They take turns. Prints one JSON line: views a second
(median of the rounds), and ours over the faster of torchvision's, round by round.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import peers
import torch
from PIL import Image

from training.augment import Augmentation, random_views

STORED = {32: 32, 64: 64, 224: 256}  # side of the images a view is cut from


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, nargs="+", default=[32, 64, 224])
    arguments.add_argument("--images", type=int, default=256, help="a batch")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--cores", type=int, default=2)
    given = arguments.parse_args()
    torch.set_num_threads(given.cores)
    rows = [measured(size, given.images, given.rounds, given.cores) for size in given.size]
    print(json.dumps({"cores": given.cores, "batch": given.images, "over_size": rows}))


def measured(size: int, images: int, rounds: int, cores: int) -> dict[str, object]:
    small = size < 64
    augmentation = Augmentation(
        size=size, strength=0.5 if small else 1.0, blur=0.0 if small else 0.5
    )
    pixels = peers.photo_crops(images, STORED.get(size, size))
    contestants = {
        "ours": ours(pixels, augmentation),
        "torchvision_pil": theirs(pixels, augmentation, cores, pil=True),
        "torchvision_tensor": theirs(pixels, augmentation, cores, pil=False),
    }
    for run in contestants.values():
        run()
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            began = time.perf_counter()
            views = run()
            speeds[name].append(views / (time.perf_counter() - began))
    rivals = zip(speeds["torchvision_pil"], speeds["torchvision_tensor"], strict=True)
    ratios = [mine / max(pair) for mine, pair in zip(speeds["ours"], rivals, strict=True)]
    medians = {name: round(statistics.median(found)) for name, found in speeds.items()}
    return {"size": size, **medians, "ratio": round(statistics.median(ratios), 2)}


def ours(pixels: np.ndarray, augmentation: Augmentation) -> Callable[[], int]:
    images, generator = torch.from_numpy(pixels), torch.Generator().manual_seed(0)
    return lambda: len(random_views(images, augmentation, generator))


def theirs(
    pixels: np.ndarray, augmentation: Augmentation, cores: int, pil: bool
) -> Callable[[], int]:
    """One epoch over the images in processes that are already there."""
    view = peers.view_transform(augmentation, pil)
    items = [Image.fromarray(p) for p in pixels] if pil else list(torch.from_numpy(pixels))
    dataset = peers.Views(items, view if pil else lambda item: view(item.permute(2, 0, 1)))
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=max(1, min(64, len(items) // (2 * cores))),
        num_workers=cores,
        persistent_workers=True,
        worker_init_fn=peers.one_thread,
    )
    return lambda: sum(len(views) for views in loader)


if __name__ == "__main__":
    main()
