"""Colour operators on float RGB batches (n, 3, h, w) in 0-1, with one factor per image.

Each equals torchvision's operator of the same name on float images.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def jitter(images: Tensor, order: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue, in an order of its own for each image.

    Args:
        order: int64 (n, 4), the operators' numbers, first to last.
        factors: (n, 4), brightness, contrast and saturation as factors and hue in turns.
    """
    operators: list[Callable[[Tensor, Tensor], Tensor]] = [brightness, contrast, saturation, hue]
    images = images.clone()
    for place in range(4):
        for number, operator in enumerate(operators):
            index = (order[:, place] == number).nonzero()[:, 0]
            images[index] = operator(images[index], factors[index, number])
    return images


def grey(images: Tensor) -> Tensor:
    """Luma (ITU-R 601), (n, 1, h, w)."""
    r, g, b = images.unbind(1)
    return (0.2989 * r + 0.587 * g + 0.114 * b)[:, None]


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Scale by `factor` (n,) and clip."""
    return (images * _wide(factor)).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the image's mean luma: 0 gives flat grey, 1 the image."""
    mean = grey(images).mean(dim=(2, 3), keepdim=True)
    return torch.lerp(mean.expand_as(images), images, _wide(factor)).clamp_(0, 1)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the grey image: 0 gives grey, 1 the image."""
    return torch.lerp(grey(images).expand_as(images), images, _wide(factor)).clamp_(0, 1)


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by `turn` (n,), in turns of the colour circle (-0.5 to 0.5)."""
    r, g, b = images.unbind(1)
    high, low = images.amax(dim=1), images.amin(dim=1)
    chroma = high - low
    spread = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    # Sextants of the colour circle, 0 at red; equal channels have no hue.
    angle = torch.where(high == r, (g - b) / spread, (b - r) / spread + 2)
    angle = torch.where((high != r) & (high != g), (r - g) / spread + 4, angle)
    angle = angle + 6 * turn[:, None, None]
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (angle + offset).remainder(6)
        channels.append(high - chroma * torch.minimum(k, 4 - k).clamp_(0, 1))
    return torch.stack(channels, dim=1)


def _wide(factor: Tensor) -> Tensor:
    return factor[:, None, None, None]
