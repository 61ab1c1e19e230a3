"""Colour operators on float RGB batches (n, 3, h, w) in 0-1, with one factor per image.

Each equals torchvision's operator of the same name on float images.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def jitter(images: Tensor, order: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue, in an order of its own for each image.

    Args:
        order: int64 (n, 4), the operators' numbers, first to last; on the CPU.
        factors: (n, 4), brightness, contrast and saturation as factors and hue in turns.
    """
    operators: list[Callable[[Tensor, Tensor], Tensor]] = [brightness, contrast, saturation, hue]
    images = images.clone()
    for place in range(4):
        for number, operator in enumerate(operators):
            index = (order[:, place] == number).nonzero()[:, 0]
            if len(index) == len(images):
                images = operator(images, factors[:, number])
            elif len(index):
                index = index.to(images.device)
                images[index] = operator(images[index], factors[index, number])
    return images


def grey(images: Tensor) -> Tensor:
    """Luma (ITU-R 601), (n, 1, h, w)."""
    r, g, b = images.unbind(1)
    return (0.2989 * r).add_(g, alpha=0.587).add_(b, alpha=0.114)[:, None]


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
    high = torch.maximum(torch.maximum(r, g), b)
    low = torch.minimum(torch.minimum(r, g), b)
    chroma = high - low
    spread = torch.where(chroma > 0, chroma, 1.0)
    # Sextants of the colour circle, 0 at red; equal channels have no hue.
    angle = torch.where(high == g, (b - r).div_(spread).add_(2), (r - g).div_(spread).add_(4))
    angle = torch.where(high == r, (g - b).div_(spread), angle)
    angle = angle.add_(6 * turn[:, None, None]).remainder_(6)
    turned = torch.empty_like(images)
    torch.addcmul(low, chroma, (angle - 3).abs_().sub_(1).clamp_(0, 1), out=turned[:, 0])
    for channel, peak in ((1, 2), (2, 4)):
        share = (angle - peak).abs_().neg_().add_(2).clamp_(0, 1)
        torch.addcmul(low, chroma, share, out=turned[:, channel])
    return turned


def _wide(factor: Tensor) -> Tensor:
    return factor[:, None, None, None]
