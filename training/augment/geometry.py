"""Geometry as linear maps: every crop, resize, flip, blur and loss of resolution of an image is a
map on its rows and one on its columns, each output a weighted sum of a few inputs, so a batch with
its own parameters an image is two lookups with weights, on any device.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Filter = Literal["bilinear", "bicubic"]


class Taps(NamedTuple):
    """A map of an axis for each of n images: the inputs that make up each output, and how much.

    source: int64 (n, outputs, k). weight: float32 (n, outputs, k).
    """

    source: Tensor
    weight: Tensor


def apply_separable(images: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Apply one map per image to its rows and one to its columns.

    Args:
        images: float32 (n, h, w, channels).

    Returns:
        float32 (n, channels, out_h, out_w), contiguous.
    """
    n, h, w, channels = images.shape
    x = _combined(images.reshape(n, h, w * channels), rows)
    out_h = x.shape[1]
    x = x.transpose(1, 2).reshape(n, w, channels * out_h)
    x = _combined(x, columns).transpose(1, 2).contiguous()
    return x.view(n, channels, out_h, -1)


def resize_taps(
    start: Tensor,
    length: Tensor,
    outputs: int | Tensor,
    kind: Filter = "bicubic",
    mirrored: Tensor | None = None,
    device: torch.device | None = None,
) -> Taps:
    """Cut `length` samples from `start` and resample them to `outputs`, with antialiasing.

    The weights are those of Pillow and of torchvision with `antialias=True`: the filter widens
    with the reduction, is cut at the crop's borders, and is normalised.

    Args:
        start, length: integers (n,), in samples, on the CPU.
        outputs: of all images, or (n,); what is beyond an image's own number is undefined.
        mirrored: bool (n,) on the CPU, whose outputs are reversed; none where None.
        device: of the result, the CPU where None.
    """
    samples = outputs if isinstance(outputs, int) else int(outputs.max())
    scale = length.float() / outputs
    radius = 1 if kind == "bilinear" else 2
    count = 2 * int((radius * scale.max().clamp(min=1)).ceil()) + 1
    order = torch.arange(samples).expand(len(length), -1)
    if mirrored is not None:
        order = torch.where(mirrored[:, None], samples - 1 - order, order)
    start, length, scale = (x.to(device)[:, None, None] for x in (start, length, scale))
    widening = scale.clamp(min=1)
    centre = (order.to(device)[:, :, None] + 0.5) * scale
    first = (centre - radius * widening + 0.5).floor()
    position = first + torch.arange(count, device=device)
    distance = ((position + 0.5 - centre) / widening).abs_()
    weight = _triangle(distance) if kind == "bilinear" else cubic(distance)
    weight *= (position >= 0) & (position < length)
    weight /= weight.sum(dim=2, keepdim=True)
    source = torch.minimum(position.long().clamp_(min=0), length - 1).add_(start)
    return Taps(source, weight)


def blur_taps(sigma: Tensor, size: int, kernel: int) -> Taps:
    """Gaussian blur of an axis of `size` samples, mirrored at its ends, as torchvision's.

    Args:
        sigma: (n,), in samples. kernel: odd number of taps, at most 2 * size - 1.
    """
    radius = kernel // 2
    taps = torch.arange(-radius, radius + 1, device=sigma.device)
    weight = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    weight /= weight.sum(dim=1, keepdim=True)
    source = (torch.arange(size, device=sigma.device)[:, None] + taps).abs_()
    source = torch.where(source >= size, 2 * (size - 1) - source, source)
    shape = (len(sigma), size, kernel)
    return Taps(source.expand(shape), weight[:, None].expand(shape))


def _combined(lines: Tensor, taps: Taps) -> Tensor:
    """Weighted sums of the lines of each image: (n, inputs, d) -> (n, outputs, d)."""
    n, inputs, d = lines.shape
    outputs, k = taps.source.shape[1:]
    offset = inputs * torch.arange(n, device=lines.device)[:, None, None]
    bags = (taps.source + offset).view(n * outputs, k)
    weights = taps.weight.reshape(n * outputs, k)
    table = lines.reshape(n * inputs, d)
    return F.embedding_bag(bags, table, mode="sum", per_sample_weights=weights).view(n, outputs, d)


def _triangle(x: Tensor) -> Tensor:
    return (1 - x).clamp_(min=0)


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -0.5, for x >= 0.

    The outer piece, which ends at 2, and what the inner one adds to it below 1: a choice by
    `where` is slow on a CPU.
    """
    outer, inner = x.clamp(max=2), x.clamp(max=1)
    far = ((-0.5 * outer + 2.5) * outer - 4) * outer + 2
    return far.add_((inner - 1).square_() * (2 * inner - 1))
