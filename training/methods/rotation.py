"""Rotation (Gidaris et al. 2018, arXiv:1803.07728): by which quarter turn was an image turned?

The features that transfer best are not the last ones, which know the task too well (its table 1):
export an earlier stage, `zoo export run RUN --stage layer3`.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.augment import random_views
from training.methods.method import Batch, Definition, Method, MethodSettings, Setup, Tensors
from zoo.encoders import Encoder


class RotationSettings(MethodSettings):
    """The method's part of a recipe; it has no settings of its own."""

    name: Literal["rotation"] = "rotation"


def check(_settings: RotationSettings, setup: Setup) -> None:
    """Refuse views that are turned already.

    Raises:
        ValueError: the augmentation names the operator `rotate`.
    """
    if "rotate" in (setup.augmentation.operators or ()):
        raise ValueError(
            "rotation asks how far a view was turned, and the operator 'rotate' turns it too: "
            "leave it out of `augmentation.operators`"
        )


class Rotation(Method[Tensors, Tensors]):
    """An encoder, and a linear classifier of four quarter turns."""

    def __init__(self, encoder: Encoder, _settings: RotationSettings, setup: Setup) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Linear(encoder.dim, 4)
        self.augmentation = setup.augmentation

    def views(self, batch: Batch) -> Tensors:
        """One random view of each image, four times, all in one batch (the paper's section 3.1).

        Returns:
            `pictures` (4n, 3, size, size): upright, then turned by 90, 180 and 270 degrees
            counter-clockwise. `turns`: int64 (4n,), 0 to 3.
        """
        augmentation = self.augmentation.model_copy(update={"size": batch.size})
        upright = random_views(batch.images, augmentation, batch.generator)
        turns = torch.arange(4, device=upright.device).repeat_interleave(len(upright))
        return {
            "pictures": torch.cat([upright.rot90(turn, (2, 3)) for turn in range(4)]),
            "turns": turns,
        }

    def embed(self, views: Tensors) -> Tensors:
        """`logits` (4n, 4) and the `turns` that they should name."""
        logits = self.classifier(self.encoder(views["pictures"]))
        return {"logits": logits, "turns": views["turns"]}

    def loss(self, outputs: Tensors) -> Tensor:
        """Mean cross-entropy in nats; log(4) at chance."""
        return F.cross_entropy(outputs["logits"].float(), outputs["turns"])


METHOD = Definition(
    settings=RotationSettings,
    build=Rotation,
    citation="Gidaris, Singh, Komodakis: Unsupervised Representation Learning by Predicting Image "
    "Rotations, ICLR 2018, arXiv:1803.07728",
    check=check,
)
