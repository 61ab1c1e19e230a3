"""What defines a network, as data: read without PyTorch, built by `zoo.encoders`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Stage = Literal["layer1", "layer2", "layer3", "layer4"]


class ResNetArchitecture(BaseModel):
    """A residual network; stored in `model.json` and part of the embedding space.

    Stems: `imagenet` 7x7 stride 2 and max-pool; `cifar` 3x3 stride 1 (SimCLR appendix B.9);
    `stride2` 3x3 stride 2, for images of about 64 px; `stride2-pool` the same and a max-pool, at a
    quarter of the cost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["resnet"] = "resnet"
    depth: Literal[18, 34, 50, 101, 152] = 18
    width: Literal[1, 2, 4] = 1
    stem: Literal["imagenet", "cifar", "stride2", "stride2-pool"] = "imagenet"
