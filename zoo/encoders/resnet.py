"""Residual networks (He et al. 2015, arXiv:1512.03385) with the stems that small images need.

The stride of a bottleneck sits in its 3x3 convolution, as in torchvision and SimCLR.
Parameter names follow torchvision, so that its checkpoints load unchanged where the shapes agree.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.architectures import ResNetArchitecture, Stage
from zoo.encoders.cells import average_cells
from zoo.encoders.google import PooledShortcut, SameMaxPool, SelectiveKernel, deep_stem

STAGES: tuple[Stage, ...] = ("layer1", "layer2", "layer3", "layer4")


_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


class ResNet(nn.Module):
    """float32 (n, 3, h, w) -> average-pooled features of the last stage, (n, dim)."""

    def __init__(self, architecture: ResNetArchitecture) -> None:
        super().__init__()
        block = _block(architecture)
        channels = int(64 * architecture.width)
        self.architecture = architecture
        self.conv1, self.maxpool = _stem(architecture.stem, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        inputs = channels
        self.stage_dims: list[int] = []
        for index, depth in enumerate(_BLOCKS[architecture.depth]):
            width = channels * 2**index
            blocks: list[nn.Module] = []
            for number in range(depth):
                blocks.append(block(inputs, width, stride=2 if index and not number else 1))
                inputs = width * block.expansion
            self.add_module(STAGES[index], nn.Sequential(*blocks))
            self.stage_dims.append(inputs)
        self.dim = inputs
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """The last stage, average-pooled: (n, dim)."""
        return self.pooled(images, STAGES[-1:])[0]

    def stages(self, images: Tensor, last: Stage = STAGES[-1]) -> dict[Stage, Tensor]:
        """The feature maps after each stage up to `last`, (n, dim of the stage, h, w)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = {}
        for name in STAGES[: STAGES.index(last) + 1]:
            x = self.get_submodule(name)(x)
            maps[name] = x
        return maps

    def drop_stages_after(self, last: Stage) -> None:
        """Remove the stages that features up to `last` do not need, with their weights."""
        for name in STAGES[STAGES.index(last) + 1 :]:
            delattr(self, name)

    def pooled_dim(self, layers: Sequence[Stage], grid: int = 1) -> int:
        """Number of features that `pooled` gives for these stages."""
        dims = dict(zip(STAGES, self.stage_dims, strict=True))
        return sum(dims[name] for name in layers) * grid**2

    def pooled(self, images: Tensor, layers: Sequence[Stage], grid: int = 1) -> list[Tensor]:
        """Features of the named stages, averaged over the cells of a grid x grid raster.

        (n, dim of the stage * grid**2) each, channels outermost.
        """
        maps = self.stages(images, max(layers, key=STAGES.index))
        return [average_cells(maps[name], grid) for name in layers]


def build_resnet(architecture: ResNetArchitecture) -> ResNet:
    """A ResNet with fresh weights, drawn from torch's global generator."""
    return ResNet(architecture)


def _stem(name: str, channels: int) -> tuple[nn.Module, nn.Module]:
    """The stem's convolution and what pools behind its norm and activation."""
    if name == "deep-same":
        return deep_stem(channels), SameMaxPool()
    kernel, stride, pool = {
        "imagenet": (7, 2, nn.MaxPool2d(3, 2, 1)),
        "imagenet-same": (7, 2, SameMaxPool()),
        "cifar": (3, 1, nn.Identity()),
        "stride2": (3, 2, nn.Identity()),
        "stride2-pool": (3, 2, nn.MaxPool2d(3, 2, 1)),
    }[name]
    return nn.Conv2d(3, channels, kernel, stride, kernel // 2, bias=False), pool


def _block(architecture: ResNetArchitecture) -> "type[_BasicBlock | _Bottleneck]":
    if architecture.depth < 50:
        return _BasicBlock
    return _SelectiveBottleneck if architecture.selective_kernels else _Bottleneck


class _BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut: Tensor = x if self.downsample is None else self.downsample(x)
        activated: Tensor = self.relu(out + shortcut)
        return activated


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2: nn.Module = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut: Tensor = x if self.downsample is None else self.downsample(x)
        activated: Tensor = self.relu(out + shortcut)
        return activated


class _SelectiveBottleneck(_Bottleneck):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__(inputs, width, stride)
        self.conv2 = SelectiveKernel(width, stride)
        self.bn2 = nn.Identity()  # the norm and activation sit before the mixing
        if self.downsample is not None:
            self.downsample = PooledShortcut(inputs, width * self.expansion, stride)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def _initialise(network: nn.Module) -> None:
    """He initialisation; the last gamma of each block starts at zero (Goyal et al. 2017, 5.1)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for module in network.modules():
        if isinstance(module, _BasicBlock):
            nn.init.zeros_(module.bn2.weight)
        elif isinstance(module, _Bottleneck):
            nn.init.zeros_(module.bn3.weight)
