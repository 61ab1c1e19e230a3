"""What defines a network, as data: read without PyTorch, built by `zoo.encoders`."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Stage = Literal["layer1", "layer2", "layer3", "layer4"]


NarrowWidth = Annotated[float, Field(ge=0.25, lt=1, multiple_of=0.25)]
"""Of a width: a quarter, a half or three quarters. Whole widths stay integers in `model.json`."""


class ResNetArchitecture(BaseModel):
    """A residual network; stored in `model.json` and part of the embedding space.

    Stems: `imagenet` 7x7 stride 2 and max-pool; `imagenet-same` the same with TensorFlow's SAME
    padding of the max-pool, which on even sides is bottom and right only; `deep-same` three 3x3 of
    which the first has stride 2 (ResNet-D, He et al. 2018, arXiv:1812.01187), then that max-pool;
    `cifar` 3x3 stride 1 (SimCLR appendix B.9); `stride2` 3x3 stride 2, for images of about 64 px;
    `stride2-pool` the same and a max-pool, at a quarter of the cost.

    `width`: times 64 channels in the first stage; fractions are for small encoders on CPUs.

    `selective_kernels`: two 3x3 kernels mixed by attention in each bottleneck (Li et al. 2019,
    arXiv:1903.06586) and average-pooled shortcuts, as in SimCLR v2 (ratio 1/16).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["resnet"] = "resnet"
    depth: Literal[18, 34, 50, 101, 152] = 18
    width: Literal[1, 2, 3, 4] | NarrowWidth = 1
    stem: Literal["imagenet", "imagenet-same", "deep-same", "cifar", "stride2", "stride2-pool"] = (
        "imagenet"
    )
    # Written only where it is set, so that the spaces of networks without it stay what they were.
    selective_kernels: bool = Field(False, exclude_if=lambda value: value is False)

    @property
    def last_stage(self) -> Stage:
        """The stage that is served where none is named."""
        return "layer4"

    @property
    def summary(self) -> str:
        """In a few words, for cards and lists."""
        kernels = ", selective kernels" if self.selective_kernels else ""
        return f"resnet {self.depth}, width {self.width}, stem {self.stem}{kernels}"

    @model_validator(mode="after")
    def _has_bottlenecks(self) -> Self:
        if self.selective_kernels and self.depth < 50:
            raise ValueError("selective kernels need bottlenecks: depth 50, 101 or 152")
        return self


class Stack(BaseModel):
    """Residual blocks of one resolution; but for the first stack, the first block halves it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocks: int = Field(ge=1)
    channels: int = Field(ge=1, description="of the maps between blocks")
    bottleneck: int | None = Field(
        None, ge=1, description="channels of the 3x3 between two 1x1; without it, two 3x3"
    )


class CPCArchitecture(BaseModel):
    """An encoder of overlapping patches, each on its own, averaged over patches when served.

    A pre-activation ResNet (He et al. 2016, arXiv:1603.05027) of three stacks. Stems: `imagenet`
    7x7 stride 2 and max-pool; `cifar` 3x3 stride 1. Norms: `layer` over all values of a patch (one
    group, a scale and an offset a channel), or `none`; none that a patch shares with another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["cpc"]
    patch: int = Field(ge=4, description="side of a patch, in pixels")
    stride: int = Field(ge=1, description="from one patch to the next, in pixels")
    stem: Literal["imagenet", "cifar"] = "cifar"
    stem_channels: int = Field(64, ge=1)
    stacks: tuple[Stack, Stack, Stack]
    norm: Literal["layer", "none"] = "layer"

    @property
    def last_stage(self) -> Stage:
        """The only stage that is served."""
        return "layer3"

    @property
    def summary(self) -> str:
        """In a few words, for cards and lists."""
        stacks = " + ".join(f"{stack.blocks} x {stack.channels}" for stack in self.stacks)
        return (
            f"patches of {self.patch} px every {self.stride}, pre-activation resnet {stacks}, "
            f"stem {self.stem}, norm {self.norm}"
        )

    def cells(self, size: int) -> int:
        """Patches along a side of `size` pixels; what does not fill a patch is left out."""
        return max(0, (size - self.patch) // self.stride + 1)


class EfficientNetLiteArchitecture(BaseModel):
    """EfficientNet-Lite0: EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946) for small devices.

    No squeeze-and-excitation, ReLU6 in place of swish, TensorFlow's SAME padding. The one stage
    that is served, `layer4`, is behind the 1x1 convolution of the head.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["efficientnet-lite"]
    scale: Literal["lite0"] = "lite0"

    @property
    def last_stage(self) -> Stage:
        """The only stage that is served."""
        return "layer4"

    @property
    def summary(self) -> str:
        """In a few words, for cards and lists."""
        return f"efficientnet-{self.scale}"


Architecture = Annotated[
    ResNetArchitecture | CPCArchitecture | EfficientNetLiteArchitecture,
    Field(discriminator="family"),
]
"""Of the networks that `zoo.encoders` builds."""


class OnnxGraph(BaseModel):
    """A network that is known by its imported ONNX graph alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["onnx"]
    graph: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="what `zoo.graphs.digest.graph_digest` gives for the graph as it came"
    )

    @property
    def summary(self) -> str:
        """In a few words, for cards and lists."""
        return f"an imported ONNX graph ({self.graph[:12]})"


class MobileStage(NamedTuple):
    """Mobile inverted bottlenecks of one shape; the first of them has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0_STEM, LITE0_HEAD, LITE0_EPSILON = 32, 1280, 1e-3
"""Channels of the first and the last convolution, and the epsilon of all norms."""

LITE0_STAGES = (
    MobileStage(blocks=1, kernel=3, stride=1, expansion=1, channels=16),
    MobileStage(blocks=2, kernel=3, stride=2, expansion=6, channels=24),
    MobileStage(blocks=2, kernel=5, stride=2, expansion=6, channels=40),
    MobileStage(blocks=3, kernel=3, stride=2, expansion=6, channels=80),
    MobileStage(blocks=3, kernel=5, stride=1, expansion=6, channels=112),
    MobileStage(blocks=4, kernel=5, stride=2, expansion=6, channels=192),
    MobileStage(blocks=1, kernel=3, stride=1, expansion=6, channels=320),
)
"""EfficientNet-Lite0's, as in Google's efficientnet_lite_builder.py."""


RESNET_18 = (
    Stack(blocks=2, channels=64),
    Stack(blocks=2, channels=128),
    Stack(blocks=2, channels=256),
)
"""The first three stacks of a ResNet-18, for small images."""

RESNET_101 = (
    Stack(blocks=3, channels=256, bottleneck=64),
    Stack(blocks=4, channels=512, bottleneck=128),
    Stack(blocks=23, channels=1024, bottleneck=256),
)
"""The first three stacks of a ResNet-101 (CPC v1, arXiv:1807.03748, section 3.2)."""

RESNET_161 = (*RESNET_101[:2], Stack(blocks=46, channels=4096, bottleneck=512))
"""The same with CPC v2's third stack (arXiv:1905.09272, section 4.1)."""


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding of a side of `size` values: before it and after it."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2
