"""What defines a network, as data: read without PyTorch, built by `zoo.encoders`."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Stage = Literal["layer1", "layer2", "layer3", "layer4"]


class ResNetArchitecture(BaseModel):
    """A residual network; stored in `model.json` and part of the embedding space.

    Stems: `imagenet` 7x7 stride 2 and max-pool; `imagenet-same` the same with TensorFlow's SAME
    padding of the max-pool, which on even sides is bottom and right only; `deep-same` three 3x3 of
    which the first has stride 2 (ResNet-D, He et al. 2018, arXiv:1812.01187), then that max-pool;
    `cifar` 3x3 stride 1 (SimCLR appendix B.9); `stride2` 3x3 stride 2, for images of about 64 px;
    `stride2-pool` the same and a max-pool, at a quarter of the cost.

    `selective_kernels`: two 3x3 kernels mixed by attention in each bottleneck (Li et al. 2019,
    arXiv:1903.06586) and average-pooled shortcuts, as in SimCLR v2 (ratio 1/16).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["resnet"] = "resnet"
    depth: Literal[18, 34, 50, 101, 152] = 18
    width: Literal[1, 2, 3, 4] = 1
    stem: Literal["imagenet", "imagenet-same", "deep-same", "cifar", "stride2", "stride2-pool"] = (
        "imagenet"
    )
    # Written only where it is set, so that the spaces of networks without it stay what they were.
    selective_kernels: bool = Field(False, exclude_if=lambda value: value is False)

    @model_validator(mode="after")
    def _has_bottlenecks(self) -> Self:
        if self.selective_kernels and self.depth < 50:
            raise ValueError("selective kernels need bottlenecks: depth 50, 101 or 152")
        return self
