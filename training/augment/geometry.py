"""Geometry as linear maps: every crop, resize, flip, blur and loss of resolution of an image is a
matrix on its rows and one on its columns, so a batch with its own parameters an image is two
batched matrix products, on any device.
"""

from typing import Literal

import torch
from torch import Tensor

Filter = Literal["bilinear", "bicubic"]


def apply_separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Apply one linear map per image to its rows and one to its columns.

    Args:
        images: float (n, h, w, 3).
        rows: (n, out_h, h). columns: (n, out_w, w).

    Returns:
        float (n, 3, out_h, out_w), contiguous.
    """
    n, h, w, channels = images.shape
    out_h, out_w = rows.shape[1], columns.shape[1]
    x = torch.bmm(rows, images.reshape(n, h, w * channels)).view(n, out_h, w, channels)
    x = x.permute(0, 2, 1, 3).reshape(n, w, out_h * channels)
    x = torch.bmm(columns, x).view(n, out_w, out_h, channels)
    return x.permute(0, 3, 2, 1).contiguous()


def resize_matrix(
    start: Tensor, length: Tensor, inputs: int, outputs: int, kind: Filter = "bicubic"
) -> Tensor:
    """Cut `length` samples from `start` and resample them to `outputs`, with antialiasing.

    The weights are those of Pillow and of torchvision with `antialias=True`: the filter widens
    with the reduction, is cut at the crop's borders, and is normalised.

    Args:
        start, length: (n,), integers, in samples of an axis of `inputs`.

    Returns:
        float32 (n, outputs, inputs).
    """
    device = start.device
    start, length = start.float()[:, None, None], length.float()[:, None, None]
    position = torch.arange(inputs, device=device)[None, None, :] - start
    scale = length / outputs
    centre = (torch.arange(outputs, device=device)[None, :, None] + 0.5) * scale
    distance = (position + 0.5 - centre) / scale.clamp(min=1.0)
    weights = (_triangle if kind == "bilinear" else _cubic)(distance.abs())
    weights = weights * ((position >= 0) & (position < length))
    return weights / weights.sum(dim=2, keepdim=True)


def blur_matrix(sigma: Tensor, size: int, kernel: int) -> Tensor:
    """Gaussian blur of an axis of `size` samples, mirrored at its ends, as torchvision's.

    Args:
        sigma: (n,), in samples. kernel: odd number of taps, at most 2 * size - 1.

    Returns:
        float32 (n, size, size).
    """
    radius = kernel // 2
    taps = torch.arange(-radius, radius + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (taps[None, :] / sigma[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    source = (torch.arange(size, device=sigma.device)[:, None] + taps[None, :]).abs()
    source = torch.where(source >= size, 2 * (size - 1) - source, source)
    matrix = sigma.new_zeros(len(sigma), size, size)
    return matrix.scatter_add_(
        2, source.expand(len(sigma), -1, -1), weights[:, None, :].expand(-1, size, -1)
    )


def flip(matrix: Tensor, flipped: Tensor) -> Tensor:
    """Reverse the outputs of the maps where `flipped` (n,) is true."""
    return torch.where(flipped[:, None, None], matrix.flip(1), matrix)


def _triangle(x: Tensor) -> Tensor:
    return (1 - x).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -0.5, for x >= 0."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
