"""Random boxes, one for each image of a batch."""

import math

import torch
from torch import Generator, Tensor

from training.augment.draws import integers, uniform

Boxes = tuple[Tensor, Tensor, Tensor, Tensor]
"""top, left, height and width in pixels, int64 (n,) each."""


def random_crops(
    n: int,
    height: int,
    width: int,
    area: tuple[float, float],
    aspect: tuple[float, float],
    generator: Generator,
) -> Boxes:
    """Boxes of random area and aspect, as torchvision's RandomResizedCrop draws them.

    Ten tries an image; the first that fits is taken, else the largest centred box of an allowed
    aspect.

    Returns:
        top, left, h, w: int64 (n,) each.
    """
    tries = 10
    target = uniform(n, tries, generator=generator, low=area[0], high=area[1]) * height * width
    least, most = (math.log(x) for x in aspect)
    ratio = uniform(n, tries, generator=generator, low=least, high=most)
    w = (target * ratio.exp()).sqrt().round().long()
    h = (target / ratio.exp()).sqrt().round().long()
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.int().argmax(dim=1, keepdim=True)
    w, h = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0]
    fallback_w, fallback_h = _largest_box(height, width, aspect)
    found = fits.any(dim=1)
    w = torch.where(found, w, torch.full_like(w, fallback_w))
    h = torch.where(found, h, torch.full_like(h, fallback_h))
    top = (uniform(n, generator=generator) * (height - h + 1)).long()
    left = (uniform(n, generator=generator) * (width - w + 1)).long()
    top = torch.where(found, top, (height - h) // 2)
    left = torch.where(found, left, (width - w) // 2)
    return top, left, h, w


def random_holes(n: int, side: int, generator: Generator) -> Boxes:
    """Squares of half the side, centred anywhere in the image, so that some reach beyond it."""
    top, left = (integers(n, 0, side, generator) - side // 4 for _ in range(2))
    length = torch.full((n,), side // 2)
    return top, left, length, length


def _largest_box(height: int, width: int, aspect: tuple[float, float]) -> tuple[int, int]:
    if width / height < aspect[0]:
        return width, round(width / aspect[0])
    if width / height > aspect[1]:
        return round(height * aspect[1]), height
    return width, height
