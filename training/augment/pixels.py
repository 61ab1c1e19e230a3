"""Operators on float RGB batches (n, 3, h, w) in 0-1 that turn, hide, disturb or outline pixels,
with parameters of its own for each image.

Rotation, cutout and noise equal torchvision's `rotate`, `erase` and `gaussian_noise`; Sobel equals
scikit-image's filter, channel by channel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

HOLE = 0.5
"""What cutout fills with: mid grey, the zero of DeVries and Taylor's normalised images."""


def rotate(images: Tensor, quarters: Tensor) -> Tensor:
    """Turn square images counter-clockwise by `quarters` (n,) of a right angle, int64 0-3."""
    turned = images.clone()
    for count in (1, 2, 3):
        index = (quarters == count).nonzero()[:, 0]
        turned[index] = images[index].rot90(count, dims=(2, 3))
    return turned


def cutout(images: Tensor, top: Tensor, left: Tensor, h: Tensor, w: Tensor) -> Tensor:
    """Fill a box of each image with mid grey; the parts of a box outside its image do nothing.

    Args:
        top, left, h, w: int64 (n,) each, in pixels.

    DeVries and Taylor 2017, arXiv:1708.04552.
    """
    hidden = (
        _inside(top, h, images.shape[2])[:, :, None] & _inside(left, w, images.shape[3])[:, None]
    )
    return images.masked_fill(hidden[:, None], HOLE)


def noise(images: Tensor, sigma: Tensor, seeds: list[int]) -> Tensor:
    """Add Gaussian noise of deviation `sigma` (n,) to every sample, and clip.

    The noise comes from a generator of the images' own device, begun with the seed of each image:
    as many samples as a batch has are slow to draw on a CPU. So one seed gives the same noise on
    one kind of device, and other noise on another.
    """
    generator = torch.Generator(images.device)
    drawn = torch.empty_like(images, memory_format=torch.contiguous_format)
    for row, seed in zip(drawn, seeds, strict=True):
        row.normal_(generator=generator.manual_seed(seed))
    return (images + drawn * sigma[:, None, None, None]).clamp_(0, 1)


def sobel(images: Tensor) -> Tensor:
    """The strength of the edges of each channel, 0-1: Sobel's two derivatives, root mean square."""
    x = F.pad(images, (1, 1, 1, 1), mode="replicate")
    smooth_rows = (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4
    smooth_columns = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    across = smooth_rows[..., 2:] - smooth_rows[..., :-2]
    down = smooth_columns[:, :, 2:] - smooth_columns[:, :, :-2]
    return ((across.square() + down.square()) / 2).sqrt()


def drop_channels(images: Tensor, kept: Tensor) -> Tensor:
    """Keep the channel `kept` (n,) of each image, int64 0-2, and set the two others to zero.

    CPC v2's colour dropping (arXiv:1905.09272, section 3.1), which is not SimCLR's greyscale.
    """
    keeps = F.one_hot(kept, 3).to(images.dtype)
    return images * keeps[:, :, None, None]


def _inside(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Which of `size` samples lie in each interval, bool (n, size)."""
    place = torch.arange(size, device=start.device)
    return (place >= start[:, None]) & (place < (start + length)[:, None])
