"""The parts in which Google's ResNets (SimCLR v1 and v2) differ from torchvision's.

Verified against TensorFlow in `tests/export/test_tensorflow.py`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_RATIO, _LEAST = 1 / 16, 32


class SameMaxPool(nn.Module):
    """3x3 max-pool of stride 2 with TensorFlow's SAME padding, behind a ReLU.

    A side of even length is padded at its end alone, one of odd length at both ends.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w), nowhere negative -> (n, c, ceil(h / 2), ceil(w / 2))."""
        height, width = x.shape[2:]
        # Zero stands for minus infinity: nothing in x is below it.
        return F.max_pool2d(F.pad(x, (width % 2, 1, height % 2, 1)), 3, 2)


class SelectiveKernel(nn.Module):
    """Two 3x3 convolutions, mixed per channel by attention over both (arXiv:1903.06586, 3.1).

    As SimCLR v2 has it: both kernels 3x3, one reduction of ratio 1/16, no biases.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        squeezed = max(int(channels * _RATIO), _LEAST)
        self.streams = nn.Conv2d(channels, 2 * channels, 3, stride, 1, bias=False)
        self.streams_norm = nn.BatchNorm2d(2 * channels)
        self.squeeze = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.squeeze_norm = nn.BatchNorm2d(squeezed)
        self.mix = nn.Conv2d(squeezed, 2 * channels, 1, bias=False)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, channels, h / stride, w / stride), nowhere negative."""
        split = (2, self.channels)
        streams = torch.unflatten(torch.relu(self.streams_norm(self.streams(x))), 1, split)
        overall = streams.sum(dim=1).mean(dim=(2, 3), keepdim=True)
        squeezed = torch.relu(self.squeeze_norm(self.squeeze(overall)))
        shares = torch.unflatten(self.mix(squeezed), 1, split).softmax(dim=1)
        mixed: Tensor = (streams * shares).sum(dim=1)
        return mixed


def deep_stem(channels: int) -> nn.Sequential:
    """Three 3x3 convolutions in place of the 7x7 (arXiv:1812.01187, ResNet-C and -D)."""
    half = channels // 2
    return nn.Sequential(
        nn.Conv2d(3, half, 3, 2, 1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(inplace=True),
        nn.Conv2d(half, half, 3, 1, 1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(inplace=True),
        nn.Conv2d(half, channels, 3, 1, 1, bias=False),
    )


class PooledShortcut(nn.Sequential):
    """2x2 average-pool, then 1x1 convolution and norm (arXiv:1812.01187, ResNet-D)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride))."""
        if self.stride == 1:
            # TensorFlow leaves padding out of the average, which repeating the edge does too.
            x = F.pad(x, (0, 1, 0, 1), mode="replicate")
        else:
            x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))  # zeros that count, as Google's
        x = F.avg_pool2d(x, 2, self.stride)
        for module in self:
            x = module(x)
        return x
