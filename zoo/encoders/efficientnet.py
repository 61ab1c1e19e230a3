"""EfficientNet-Lite (Tan and Le 2019, arXiv:1905.11946), with TensorFlow's SAME padding.

Parameter names follow timm's `tf_efficientnet_lite0`. `zoo.graphs.efficientnet` draws the same
network without PyTorch.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.architectures import (
    LITE0_EPSILON,
    LITE0_HEAD,
    LITE0_STAGES,
    LITE0_STEM,
    EfficientNetLiteArchitecture,
    MobileStage,
    Stage,
    same_padding,
)
from zoo.encoders.cells import average_cells
from zoo.errors import PackageError


class EfficientNetLite(nn.Module):
    """float32 (n, 3, h, w) -> average-pooled features behind the head's convolution, (n, dim)."""

    dim = LITE0_HEAD

    def __init__(self, architecture: EfficientNetLiteArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.conv_stem = _SameConvolution(3, LITE0_STEM, 3, stride=2)
        self.bn1 = _norm(LITE0_STEM)
        stages, inputs = [], LITE0_STEM
        for stage in LITE0_STAGES:
            stages.append(_stage(inputs, stage))
            inputs = stage.channels
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _SameConvolution(inputs, LITE0_HEAD, 1)
        self.bn2 = _norm(LITE0_HEAD)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """The average over the image, (n, dim)."""
        return self.pooled(images, ("layer4",))[0]

    def pooled_dim(self, layers: Sequence[Stage], grid: int = 1) -> int:
        """Number of features that `pooled` gives.

        Raises:
            PackageError: another stage than the last is asked for.
        """
        _check_stages(layers)
        return self.dim * grid**2

    def pooled(self, images: Tensor, layers: Sequence[Stage], grid: int = 1) -> list[Tensor]:
        """The features of the last stage, averaged over the cells of a grid x grid raster.

        (n, dim * grid**2), channels outermost.
        """
        _check_stages(layers)
        x = F.relu6(self.bn1(self.conv_stem(images)))
        x = F.relu6(self.bn2(self.conv_head(self.blocks(x))))
        return [average_cells(x, grid)]

    def drop_stages_after(self, last: Stage) -> None:
        """The last stage is the one that is served: there is nothing after it.

        Raises:
            PackageError: another one is asked for.
        """
        _check_stages((last,))


def _check_stages(layers: Sequence[Stage]) -> None:
    if tuple(layers) != ("layer4",):
        raise PackageError(f"an EfficientNet-Lite serves layer4 alone, not {', '.join(layers)}")


def _stage(inputs: int, stage: MobileStage) -> nn.Sequential:
    first = _block(inputs, stage, stage.stride)
    return nn.Sequential(
        first, *(_block(stage.channels, stage, 1) for _ in range(stage.blocks - 1))
    )


def _block(inputs: int, stage: MobileStage, stride: int) -> nn.Module:
    if stage.expansion == 1:
        return _Separable(inputs, stage, stride)
    return _InvertedBottleneck(inputs, stage, stride)


class _Separable(nn.Module):
    """A convolution a channel, then one that mixes channels."""

    def __init__(self, inputs: int, stage: MobileStage, stride: int) -> None:
        super().__init__()
        self.conv_dw = _SameConvolution(inputs, inputs, stage.kernel, stride, groups=inputs)
        self.bn1 = _norm(inputs)
        self.conv_pw = _SameConvolution(inputs, stage.channels, 1)
        self.bn2 = _norm(stage.channels)
        self.skips = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu6(self.bn1(self.conv_dw(x)))
        out = self.bn2(self.conv_pw(out))
        return out + x if self.skips else out


class _InvertedBottleneck(nn.Module):
    """The same behind a convolution that adds channels."""

    def __init__(self, inputs: int, stage: MobileStage, stride: int) -> None:
        super().__init__()
        width = inputs * stage.expansion
        self.conv_pw = _SameConvolution(inputs, width, 1)
        self.bn1 = _norm(width)
        self.conv_dw = _SameConvolution(width, width, stage.kernel, stride, groups=width)
        self.bn2 = _norm(width)
        self.conv_pwl = _SameConvolution(width, stage.channels, 1)
        self.bn3 = _norm(stage.channels)
        self.skips = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu6(self.bn1(self.conv_pw(x)))
        out = F.relu6(self.bn2(self.conv_dw(out)))
        out = self.bn3(self.conv_pwl(out))
        return out + x if self.skips else out


class _SameConvolution(nn.Conv2d):
    """TensorFlow's SAME padding: what is odd of it comes at the end."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        before, after = zip(*(same_padding(n, kernel, stride) for n in x.shape[2:]), strict=True)
        padded = F.pad(x, (before[1], after[1], before[0], after[0])) if kernel > 1 else x
        return super().forward(padded)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=LITE0_EPSILON)
