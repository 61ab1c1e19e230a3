"""SimCLR's random views (arXiv:2002.05709, appendix A), drawn per image and applied per batch."""

import torch
from torch import Generator, Tensor

from training.augment.boxes import random_crops
from training.augment.draws import uniform
from training.augment.geometry import apply_separable, flip, resize_matrix
from training.augment.operators import apply_operators
from training.augment.settings import Augmentation, OperatorName

_AFTER_CROP: tuple[OperatorName, ...] = ("jitter", "grey", "blur")


def random_pair(images: Tensor, augmentation: Augmentation, generator: Generator) -> Tensor:
    """Two random views of each image: all first views and then all second ones.

    With `branches="one"` the first view is a random crop, and the second is the same crop after
    the named operators.

    Args:
        images: uint8 (n, h, w, 3), on any device.
        generator: a CPU generator.

    Returns:
        float32 (2n, 3, size, size) in 0-1, on the images' device.
    """
    if augmentation.branches == "one" and augmentation.operators is not None:
        first = _resized(images, *_crops(images, augmentation, generator))
        second = apply_operators(first.clone(), augmentation.operators, augmentation, generator)
        return torch.cat([first, second])
    return torch.cat([random_views(images, augmentation, generator) for _ in range(2)])


def random_views(images: Tensor, augmentation: Augmentation, generator: Generator) -> Tensor:
    """One random view of each image: SimCLR's, or the named operators on the resized image.

    Args:
        images: uint8 (n, h, w, 3), on any device.
        generator: a CPU generator.

    Returns:
        float32 (n, 3, size, size) in 0-1, on the images' device.
    """
    if augmentation.operators is None:
        views = _resized(images, *_geometry(images, augmentation, generator))
        return apply_operators(views, _AFTER_CROP, augmentation, generator)
    views = _resized(images, *_whole(images, augmentation.size))
    return apply_operators(views, augmentation.operators, augmentation, generator)


def _resized(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return apply_separable(images.float().div_(255), rows, columns).clamp_(0, 1)


def _whole(images: Tensor, size: int) -> tuple[Tensor, Tensor]:
    n, height, width, _ = images.shape
    start = torch.zeros(n, device=images.device)
    return (
        resize_matrix(start, start + height, height, size),
        resize_matrix(start, start + width, width, size),
    )


def _crops(images: Tensor, a: Augmentation, generator: Generator) -> tuple[Tensor, Tensor]:
    n, height, width, _ = images.shape
    boxes = random_crops(n, height, width, a.area, a.aspect, generator)
    top, left, h, w = (x.to(images.device) for x in boxes)
    return resize_matrix(top, h, height, a.size), resize_matrix(left, w, width, a.size)


def _geometry(images: Tensor, a: Augmentation, generator: Generator) -> tuple[Tensor, Tensor]:
    """Crop, flip and loss of resolution as one pair of maps."""
    n = len(images)
    rows, columns = _crops(images, a, generator)
    mirrored = uniform(n, generator=generator) < a.flip
    share = a.lowest + (1 - a.lowest) * uniform(n, generator=generator)
    lossy = uniform(n, generator=generator) < a.low_resolution
    columns = flip(columns, mirrored.to(images.device))
    if a.low_resolution > 0:
        share = torch.where(lossy, share, torch.ones_like(share))
        loss = _loss_matrix(share, a.size).to(images.device)
        rows, columns = torch.bmm(loss, rows), torch.bmm(loss, columns)
    return rows, columns


def _loss_matrix(share: Tensor, size: int) -> Tensor:
    """Reduce to `share` of the samples and enlarge again, (n, size, size); identity at 1."""
    maps = torch.eye(size).repeat(len(share), 1, 1)
    start = torch.zeros(1)
    kept = (share * size).round().long().clamp(min=2)
    for samples in set(kept.tolist()):
        if samples == size:
            continue
        down = resize_matrix(start, start + size, size, samples, "bilinear")
        up = resize_matrix(start, start + samples, samples, size, "bilinear")
        maps[kept == samples] = (up @ down)[0]
    return maps
