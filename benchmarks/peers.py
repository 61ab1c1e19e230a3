"""What the training benchmarks compare with: torchvision's and lightly's per-image pipelines."""

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

from training.augment import Augmentation
from training.optimizers import LARS, parameter_groups

_libraries: list[Any] = []  # definitions go when their library does


@functools.cache
def torchvision() -> ModuleType:
    """torchvision, also beside a build of PyTorch that cannot load its compiled extension.

    No transform needs the extension; the operators that the import looks for are declared.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise SystemExit("this needs torchvision: pip install torchvision")
    try:
        for extension in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(extension)  # type: ignore[no-untyped-call]
    except OSError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(  # type: ignore[no-untyped-call]
                f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        _libraries.append(library)
    return importlib.import_module("torchvision")


def lightly() -> ModuleType:
    """lightly with the parts that are used, or a message that says what to install."""
    torchvision()
    try:
        for part in ("transforms", "loss", "models.modules"):
            importlib.import_module(f"lightly.{part}")
        return importlib.import_module("lightly")
    except ImportError as error:
        raise SystemExit(
            f"this needs lightly ({error}): pip install lightly, in an environment of its own"
        ) from error


def view_transform(augmentation: Augmentation, pil: bool) -> Callable[[Any], Tensor]:
    """One random view of one image by torchvision's v2, from a PIL image or uint8 (3, h, w)."""
    torchvision()
    v2 = importlib.import_module("torchvision.transforms.v2")
    a = augmentation
    jitter = v2.ColorJitter(*(share * a.strength for share in (0.8, 0.8, 0.8, 0.2)))
    kernel = a.size // 10 | 1
    steps = [
        v2.RandomResizedCrop(
            a.size, a.area, a.aspect, v2.InterpolationMode.BICUBIC, antialias=True
        ),
        v2.RandomHorizontalFlip(a.flip),
        v2.RandomApply([jitter], a.jitter),
        v2.RandomGrayscale(a.grey),
    ]
    if kernel > 1 and a.blur > 0:
        steps.append(v2.RandomApply([v2.GaussianBlur(kernel, a.blur_sigma)], a.blur))
    convert = [v2.ToImage()] if pil else []
    view: Callable[[Any], Tensor] = v2.Compose(
        [*steps, *convert, v2.ToDtype(torch.float32, scale=True)]
    )
    return view


class Views(torch.utils.data.Dataset[Any]):
    """What `view` makes of each item, one at a time."""

    def __init__(self, items: Sequence[Any], view: Callable[[Any], Any]) -> None:
        self.items, self.view = items, view

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.view(self.items[index])


def batches(dataset: Views, batch: int, workers: int, seed: int) -> Iterator[Tensor]:
    """Views (2 * batch, 3, side, side) without end, epoch after epoch, of pairs of views."""
    generator = torch.Generator().manual_seed(seed)
    loader = torch.utils.data.DataLoader(
        dataset,
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        generator=generator,
        worker_init_fn=one_thread,
    )
    while True:
        for first, second in loader:
            yield torch.cat([first, second])


def one_thread(_: int) -> None:
    """For a worker: the cores are shared by processes."""
    torch.set_num_threads(1)


class Peer(nn.Module):
    """An encoder and a head whose projections of the first and second views meet in a loss."""

    def __init__(self, encoder: Any, head: nn.Module, loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.encoder, self.head, self.pair_loss = encoder, head, loss

    def forward(self, views: Tensor) -> Tensor:
        """The loss of (2n, 3, side, side)."""
        first, second = self.head(self.encoder(views)).chunk(2)
        return self.pair_loss(first, second)


def lightly_simclr(encoder: Any, temperature: float, head_dim: int) -> Peer:
    """lightly's head and loss on an encoder of ours."""
    there = lightly()
    head = there.models.modules.SimCLRProjectionHead(encoder.dim, encoder.dim, head_dim)
    return Peer(encoder, head, there.loss.NTXentLoss(temperature))


def lightly_transform(augmentation: Augmentation) -> Callable[[Any], list[Tensor]]:
    """lightly's two views of a PIL image, with our distribution, not normalised."""
    a = augmentation
    transform: Callable[[Any], list[Tensor]] = lightly().transforms.SimCLRTransform(
        input_size=a.size,
        cj_prob=a.jitter,
        cj_strength=a.strength,
        min_scale=a.area[0],
        random_gray_scale=a.grey,
        gaussian_blur=a.blur,
        sigmas=a.blur_sigma,
        hf_prob=a.flip,
        normalize=None,
    )
    return transform


def lars(model: nn.Module, lr: float, weight_decay: float) -> LARS:
    """The optimizer all contestants share."""
    return LARS(parameter_groups(model), lr=lr, weight_decay=weight_decay)


def photo_crops(n: int, side: int, seed: int = 0) -> np.ndarray:
    """Pieces of two photos, uint8 (n, side, side, 3)."""
    photos = load_sample_images().images
    rng = np.random.default_rng(seed)
    pieces = np.empty((n, side, side, 3), np.uint8)
    for row in pieces:
        photo = photos[rng.integers(len(photos))]
        top, left = (rng.integers(limit - side + 1) for limit in photo.shape[:2])
        row[:] = photo[top : top + side, left : left + side]
    return pieces
