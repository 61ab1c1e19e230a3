"""CPC's encoder: patches, a pre-activation ResNet on each, and their mean.

van den Oord et al. 2018 (arXiv:1807.03748), Henaff et al. 2019 (arXiv:1905.09272).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.architectures import CPCArchitecture, Stack, Stage
from zoo.encoders.cells import average_cells
from zoo.errors import PackageError


class CPCEncoder(nn.Module):
    """float32 (n, 3, h, w) -> features of its patches, averaged, (n, dim)."""

    def __init__(self, architecture: CPCArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        channels = architecture.stem_channels
        if architecture.stem == "imagenet":
            self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(3, 2, 1)
        else:
            self.conv1 = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
            self.maxpool = nn.Identity()
        first, second, third = architecture.stacks
        self.layer1 = _stack(channels, first, 1, architecture.norm)
        self.layer2 = _stack(first.channels, second, 2, architecture.norm)
        self.layer3 = _stack(second.channels, third, 2, architecture.norm)
        self.norm = _norm(third.channels, architecture.norm)
        self.dim = third.channels
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """The mean over the patches, (n, dim)."""
        return self.grid(images).mean(dim=(2, 3))

    def grid(self, images: Tensor) -> Tensor:
        """The features of each patch in its place, (n, dim, rows, columns)."""
        patches = self.patches(images)
        features = self.encode(patches.flatten(0, 2))
        return features.view(-1, *patches.shape[1:3], self.dim).permute(0, 3, 1, 2)

    def patches(self, images: Tensor) -> Tensor:
        """Overlapping squares, row by row: (n, rows, columns, 3, patch, patch)."""
        ys, xs = (self._starts(side, images.device) for side in images.shape[2:])
        return images[:, :, ys][..., xs].permute(0, 2, 4, 1, 3, 5)

    def encode(self, patches: Tensor) -> Tensor:
        """Patches (m, 3, patch, patch), each on its own -> (m, dim)."""
        x = self.maxpool(self.conv1(patches))
        x = self.layer3(self.layer2(self.layer1(x)))
        return F.relu(self.norm(x)).mean(dim=(2, 3))

    def _starts(self, side: int, device: torch.device) -> Tensor:
        """Places of the samples of each patch along an axis, (cells, patch)."""
        patch, stride = self.architecture.patch, self.architecture.stride
        starts = torch.arange(self.architecture.cells(side), device=device) * stride
        return starts[:, None] + torch.arange(patch, device=device)

    def drop_stages_after(self, last: Stage) -> None:
        """Nothing: all stages are needed for the one that is served."""
        _check((last,))

    def pooled_dim(self, layers: Sequence[Stage], grid: int = 1) -> int:
        """Number of features that `pooled` gives.

        Raises:
            PackageError: another stage than layer3.
        """
        _check(layers)
        return self.dim * grid**2

    def pooled(self, images: Tensor, layers: Sequence[Stage], grid: int = 1) -> list[Tensor]:
        """The patches' features, averaged over the cells of a grid x grid raster of patches.

        (n, dim * grid**2), channels outermost.

        Raises:
            PackageError: another stage than layer3.
        """
        _check(layers)
        return [average_cells(self.grid(images), grid)]


def _check(layers: Sequence[Stage]) -> None:
    if tuple(layers) != ("layer3",):
        raise PackageError(f"a CPC encoder is served from layer3 alone, not from {list(layers)}")


def _stack(inputs: int, stack: Stack, stride: int, norm: str) -> nn.Sequential:
    first = _Block(inputs, stack, stride, norm)
    return nn.Sequential(
        first, *(_Block(stack.channels, stack, 1, norm) for _ in range(stack.blocks - 1))
    )


class _Block(nn.Module):
    """Norm and activation before each convolution; a shortcut that changes shape takes them too."""

    def __init__(self, inputs: int, stack: Stack, stride: int, norm: str) -> None:
        super().__init__()
        self.norm1 = _norm(inputs, norm)
        self.branch = nn.Sequential(*_convolutions(inputs, stack, stride, norm))
        self.shortcut = (
            None
            if stride == 1 and inputs == stack.channels
            else nn.Conv2d(inputs, stack.channels, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        added: Tensor = shortcut + self.branch(activated)
        return added


def _convolutions(inputs: int, stack: Stack, stride: int, norm: str) -> list[nn.Module]:
    if stack.bottleneck is None:
        shapes = [(inputs, stack.channels, 3, stride), (stack.channels, stack.channels, 3, 1)]
    else:
        inner = stack.bottleneck
        shapes = [(inputs, inner, 1, 1), (inner, inner, 3, stride), (inner, stack.channels, 1, 1)]
    modules: list[nn.Module] = []
    for source, target, kernel, step in shapes:
        if modules:
            modules += [_norm(source, norm), nn.ReLU()]
        modules.append(nn.Conv2d(source, target, kernel, step, kernel // 2, bias=False))
    return modules


def _norm(channels: int, norm: str) -> nn.Module:
    return nn.GroupNorm(1, channels) if norm == "layer" else nn.Identity()


def _initialise(encoder: CPCEncoder) -> None:
    """He initialisation; each branch starts at zero, so that depth needs no norm at first."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for module in encoder.modules():
        if isinstance(module, _Block):
            last = module.branch[-1]
            assert isinstance(last, nn.Conv2d)
            nn.init.zeros_(last.weight)
