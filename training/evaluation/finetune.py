"""Training a network on labelled images: fine-tuned from its weights, or from scratch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.augment import Augmentation, random_views
from training.augment.geometry import apply_separable, resize_taps
from training.evaluation.models import device
from training.evaluation.task import Size
from training.optimizers import cosine_with_warmup
from zoo.arrays import Labels
from zoo.encoders import ServedEncoder
from zoo.images import InputBlock

_TEST_BATCH = 256


@dataclass(frozen=True)
class Schedule:
    """SGD with Nesterov momentum 0.9 on a cosine to zero.

    rate: at a batch of 256, scaled linearly. few, more: epochs on less than a tenth of the labels,
    and on more. warmup: share of the steps. most_steps: where the epochs would take longer.
    """

    batch: int
    rate: float
    weight_decay: float
    warmup: float
    few: int
    more: int
    most_steps: int | None = None


FINE_TUNE = Schedule(batch=256, rate=0.05, weight_decay=0, warmup=0, few=60, more=30)
"""SimCLR's (arXiv:2002.05709, appendix B.5): 60 epochs on 1% of the labels, 30 on 10%."""

SCRATCH = Schedule(batch=256, rate=0.1, weight_decay=5e-4, warmup=0.05, few=240, more=120)
"""Ours: four times as long as fine-tuning, as it starts from nothing."""

Start = Literal["fine-tuned", "from scratch"]

SCHEDULES: dict[Size, Mapping[Start, Schedule]] = {
    "paper": {"fine-tuned": FINE_TUNE, "from scratch": SCRATCH},
    "cpu": {
        "fine-tuned": replace(FINE_TUNE, batch=64, most_steps=100),
        "from scratch": replace(SCRATCH, batch=64, most_steps=200),
    },
}


@dataclass(frozen=True)
class Labelled:
    """Some images of a packed source: uint8 (all, side, side, 3), the rows meant, their labels."""

    pixels: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    labels: Labels


@dataclass(frozen=True)
class ConcreteSchedule:
    """A schedule for a number of images; a batch is at most an eighth of them."""

    batch: int
    steps: int
    epochs: float
    peak: float
    warmup: int

    @classmethod
    def of(cls, schedule: Schedule, images: int, percent: int) -> "ConcreteSchedule":
        """What a schedule comes to."""
        batch = min(schedule.batch, max(2, images // 8))
        per_epoch = images // batch
        steps = (schedule.few if percent < 10 else schedule.more) * per_epoch
        steps = min(steps, schedule.most_steps or steps)
        return cls(
            batch=batch,
            steps=steps,
            epochs=steps / per_epoch,
            peak=schedule.rate * batch / 256,
            warmup=round(schedule.warmup * steps),
        )

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.epochs:.3g} epochs, {self.steps} steps"


class Classifier(nn.Module):
    """A served network's pooled stages with a linear layer on them.

    The steps of a package's layer (root, unit length, centring) serve comparing, and are left out.
    """

    def __init__(self, served: ServedEncoder, classes: int) -> None:
        super().__init__()
        self.encoder, self.stages = served.encoder, served.layer.stages
        self.linear = nn.Linear(self.encoder.pooled_dim(self.stages), classes)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.tensor(served.block.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(served.block.std)[:, None, None])

    def forward(self, views: Tensor) -> Tensor:
        """float (n, 3, size, size) in 0-1 -> logits (n, classes)."""
        x = (views - self.get_buffer("mean")) / self.get_buffer("std")
        logits: Tensor = self.linear(torch.cat(self.encoder.pooled(x, self.stages), dim=1))
        return logits


def train_classifier(
    served: ServedEncoder,
    images: Labelled,
    plan: ConcreteSchedule,
    weight_decay: float,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Train all of a network (it is changed) on random crops and flips of labelled images.

    No other augmentation, as in the paper.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Classifier(served, int(images.labels.max()) + 1)
    network.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    optimizer = torch.optim.SGD(
        network.parameters(), plan.peak, momentum=0.9, nesterov=True, weight_decay=weight_decay
    )
    views = Augmentation(size=served.block.size, jitter=0, grey=0, blur=0)
    rng, order = np.random.default_rng(seed), np.empty(0, np.int64)
    for step in range(plan.steps):
        if len(order) < plan.batch:
            order = rng.permutation(len(images.rows))
        chosen, order = np.sort(order[: plan.batch]), order[plan.batch :]
        optimizer.param_groups[0]["lr"] = plan.peak * cosine_with_warmup(
            step, plan.warmup, plan.steps
        )
        batch = torch.from_numpy(images.pixels[images.rows[chosen]]).to(device())
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        x = random_views(batch, views, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device().type, torch.bfloat16, enabled=device().type == "cuda"):
            logits = network(x)
        loss = F.cross_entropy(logits.float(), torch.from_numpy(images.labels[chosen]).to(x.device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress:
            progress(step + 1, plan.steps)
    return network.eval()


@torch.inference_mode()
def classifier_accuracy(network: Classifier, images: Labelled, block: InputBlock) -> float:
    """Share of the images, each one's centre square as the block says, that are told right."""
    right = 0
    for start in range(0, len(images.rows), _TEST_BATCH):
        rows = images.rows[start : start + _TEST_BATCH]
        views = centre_views(torch.from_numpy(images.pixels[rows]).to(device()), block)
        labels = torch.from_numpy(images.labels[start : start + _TEST_BATCH]).to(views.device)
        right += int((network(views).argmax(dim=1) == labels).sum())
    return right / len(images.rows)


def centre_views(images: Tensor, block: InputBlock) -> Tensor:
    """uint8 (n, side, side, 3) -> the centre square at the block's size, (n, 3, size, size).

    As `zoo.images.square` cuts it, but for the rim where `crop` is below 1: there Pillow's filter
    reads beyond the square, and this one does not.
    """
    n, side = images.shape[:2]
    kept = torch.full((n,), round(block.crop * side))
    maps = resize_taps(
        (side - kept) // 2, kept, block.size, block.interpolation, device=images.device
    )
    return apply_separable(images.float().div_(255), maps, maps).clamp_(0, 1)
