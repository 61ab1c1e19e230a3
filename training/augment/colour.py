"""Colour operators on float RGB batches (n, 3, h, w) in 0-1, with one factor per image.

Each equals torchvision's operator of the same name on float images.
"""

import torch
from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


def jitter(images: Tensor, order: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue, in an order of its own for each image.

    The first three blend an image with another: with black, with its mean luma, with its luma. So
    every image takes each step together with the rest, whichever of them is its own.

    Args:
        order: int64 (n, 4), the operators' numbers, first to last; on the CPU.
        factors: (n, 4), brightness, contrast and saturation as factors and hue in turns.
    """
    own = factors.gather(1, order.to(factors.device)).unbind(1)
    for numbers, factor in zip(order.unbind(1), own, strict=True):
        turned = (numbers == HUE).nonzero()[:, 0].to(images.device)
        if len(turned) < len(images):
            images = _blended_each(images, numbers, factor)
        if len(turned) == len(images):
            images = hue(images, factor)
        elif len(turned):
            part = hue(images.index_select(0, turned), factor[turned])
            images.index_copy_(0, turned, part)
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
    return _blended(images, grey(images).mean(dim=(2, 3), keepdim=True), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the grey image: 0 gives grey, 1 the image."""
    return _blended(images, grey(images), factor)


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by `turn` (n,), in turns of the colour circle (-0.5 to 0.5)."""
    r, g, b = images.unbind(1)
    high = torch.maximum(torch.maximum(r, g), b)
    low = torch.minimum(torch.minimum(r, g), b)
    chroma = high - low
    # In sextants of the colour circle: how far from red, and to which side. Where channels are
    # equal there is no hue, and any will do.
    angle = (g + b).sub_(r).sub_(low).div_(chroma.clamp(min=1e-12)).add_(1)
    angle = angle.copysign_(g - b).add_(6 * turn[:, None, None])
    angle.sub_((angle / 6).floor_(), alpha=6)
    # Each channel's share of the chroma is 1 within a sextant of its colour, and falls to 0 in one.
    centre, sign, level = images.new_tensor([[3, 2, 4], [1, -1, -1], [-1, 2, 2]])[:, :, None, None]
    share: Tensor = (angle[:, None] - centre).abs_().mul_(sign).add_(level).clamp_(0, 1)
    return share.mul_(chroma[:, None]).add_(low[:, None])


def _blended(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """`factor` of the images and the rest of `other`, which may have fewer channels or pixels."""
    return (images * _wide(factor)).add_(other * _wide(1 - factor)).clamp_(0, 1)


def _blended_each(images: Tensor, numbers: Tensor, factor: Tensor) -> Tensor:
    """The operator of its own for each image, by number (n,) on the CPU; HUE leaves it as it is."""
    numbers, kinds = numbers.to(images.device), set(numbers.tolist())
    share = _wide(torch.where(numbers == HUE, 1.0, factor))
    blended = images * share
    if kinds & {CONTRAST, SATURATION}:
        luma = grey(images)
        mean = luma.mean(dim=(2, 3), keepdim=True)
        luma *= (1 - share) * _wide(numbers == SATURATION)
        blended += luma.add_(mean * ((1 - share) * _wide(numbers == CONTRAST)))
    return blended.clamp_(0, 1)


def _wide(factor: Tensor) -> Tensor:
    return factor[:, None, None, None]
