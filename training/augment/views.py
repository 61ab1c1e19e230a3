"""SimCLR's random views (arXiv:2002.05709, appendix A), drawn per image and applied per batch.

Parameters are drawn on the CPU, so that one seed gives the same views on every device and no
operator waits for the device.
"""

import math
from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor

from training.augment import colour
from training.augment.geometry import apply_separable, blur_matrix, flip, resize_matrix


class Augmentation(BaseModel):
    """The distribution of views; the defaults are the paper's for ImageNet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(224, description="side of a view, in pixels")
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    strength: float = Field(1.0, description="s: jitter of (.8s, .8s, .8s, .2s)")
    grey: float = 0.2
    blur: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    low_resolution: float = Field(
        0.0, description="probability of losing resolution, so that small photos embed like large"
    )
    lowest: float = Field(0.35, description="the smallest share of the resolution that is left")


def random_views(images: Tensor, augmentation: Augmentation, generator: Generator) -> Tensor:
    """One random view of each image.

    Args:
        images: uint8 (n, h, w, 3), on any device.
        generator: a CPU generator.

    Returns:
        float32 (n, 3, size, size) in 0-1, on the images' device.
    """
    rows, columns = _geometry(images, augmentation, generator)
    views = apply_separable(images.float().div_(255), rows, columns).clamp_(0, 1)
    n = len(views)
    jittered = _chosen(n, augmentation.jitter, generator)
    views = _jitter(views, jittered, augmentation.strength, generator)
    greyed = _chosen(n, augmentation.grey, generator).to(views.device)
    views[greyed] = colour.grey(views[greyed]).expand(-1, 3, -1, -1)
    return _blur(views, augmentation, generator)


def _geometry(images: Tensor, a: Augmentation, generator: Generator) -> tuple[Tensor, Tensor]:
    """Crop, flip and loss of resolution as one pair of maps."""
    n, height, width, _ = images.shape
    top, left, h, w = random_crops(n, height, width, a.area, a.aspect, generator)
    mirrored = torch.rand(n, generator=generator) < a.flip
    share = a.lowest + (1 - a.lowest) * torch.rand(n, generator=generator)
    lossy = torch.rand(n, generator=generator) < a.low_resolution
    top, left, h, w, mirrored = (x.to(images.device) for x in (top, left, h, w, mirrored))
    rows = resize_matrix(top, h, height, a.size)
    columns = flip(resize_matrix(left, w, width, a.size), mirrored)
    if a.low_resolution > 0:
        share = torch.where(lossy, share, torch.ones_like(share)).to(images.device)
        loss = _loss_matrix(share, a.size)
        rows, columns = torch.bmm(loss, rows), torch.bmm(loss, columns)
    return rows, columns


def _loss_matrix(share: Tensor, size: int) -> Tensor:
    """Reduce to `share` of the samples and enlarge again, (n, size, size); identity at 1."""
    maps = torch.eye(size, device=share.device).repeat(len(share), 1, 1)
    start = torch.zeros(1, device=share.device)
    kept = (share * size).round().long().clamp(min=2)
    for samples in set(kept.tolist()):
        if samples == size:
            continue
        down = resize_matrix(start, start + size, size, samples, "bilinear")
        up = resize_matrix(start, start + samples, samples, size, "bilinear")
        maps[kept == samples] = (up @ down)[0]
    return maps


def random_crops(
    n: int,
    height: int,
    width: int,
    area: tuple[float, float],
    aspect: tuple[float, float],
    generator: Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Boxes of random area and aspect, as torchvision's RandomResizedCrop draws them.

    Ten tries an image; the first that fits is taken, else the largest centred box of an allowed
    aspect.

    Returns:
        top, left, h, w: int64 (n,) each.
    """
    tries = 10
    target = torch.empty(n, tries).uniform_(*area, generator=generator) * height * width
    ratio = torch.empty(n, tries).uniform_(*(math.log(x) for x in aspect), generator=generator)
    w = (target * ratio.exp()).sqrt().round().long()
    h = (target / ratio.exp()).sqrt().round().long()
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.int().argmax(dim=1, keepdim=True)
    w, h = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0]
    fallback_w, fallback_h = _largest_box(height, width, aspect)
    found = fits.any(dim=1)
    w = torch.where(found, w, torch.full_like(w, fallback_w))
    h = torch.where(found, h, torch.full_like(h, fallback_h))
    top = (torch.rand(n, generator=generator) * (height - h + 1)).long()
    left = (torch.rand(n, generator=generator) * (width - w + 1)).long()
    top = torch.where(found, top, (height - h) // 2)
    left = torch.where(found, left, (width - w) // 2)
    return top, left, h, w


def _largest_box(height: int, width: int, aspect: tuple[float, float]) -> tuple[int, int]:
    if width / height < aspect[0]:
        return width, round(width / aspect[0])
    if width / height > aspect[1]:
        return round(height * aspect[1]), height
    return width, height


def _chosen(n: int, probability: float, generator: Generator) -> Tensor:
    """Indices of the images that an operator of this probability meets, int64."""
    return (torch.rand(n, generator=generator) < probability).nonzero()[:, 0]


def _jitter(views: Tensor, chosen: Tensor, strength: float, generator: Generator) -> Tensor:
    """Brightness, contrast, saturation and hue, in an order of its own for each image."""
    n = len(views)
    order = torch.rand(n, 4, generator=generator).argsort(dim=1)
    spread = strength * torch.tensor([0.8, 0.8, 0.8, 0.2])
    uniform = 2 * torch.rand(n, 4, generator=generator) - 1
    factors = torch.where(
        torch.arange(4) < 3, (1 + uniform * spread).clamp(min=0), uniform * spread
    )
    operators: list[Callable[[Tensor, Tensor], Tensor]] = [
        colour.brightness,
        colour.contrast,
        colour.saturation,
        colour.hue,
    ]
    for place in range(4):
        for number, operator in enumerate(operators):
            met = chosen[order[chosen, place] == number]
            index = met.to(views.device)
            views[index] = operator(views[index], factors[met, number].to(views.device))
    return views


def _blur(views: Tensor, a: Augmentation, generator: Generator) -> Tensor:
    chosen = _chosen(len(views), a.blur, generator)
    sigma = torch.empty(len(chosen)).uniform_(*a.blur_sigma, generator=generator)
    kernel = a.size // 10 | 1
    if len(chosen) == 0 or kernel == 1:
        return views
    maps = blur_matrix(sigma.to(views.device), a.size, kernel)
    index = chosen.to(views.device)
    views[index] = apply_separable(views[index].permute(0, 2, 3, 1), maps, maps)
    return views
