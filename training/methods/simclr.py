"""SimCLR (Chen et al. 2020, arXiv:2002.05709): two views of an image find each other."""

from typing import Literal

import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn

from training.augment import random_pair
from training.losses import nt_xent, nt_xent_global
from training.methods.method import Batch, Definition, Method, MethodSettings, Setup
from zoo.encoders import Encoder


class SimCLRSettings(MethodSettings):
    """The method's part of a recipe."""

    name: Literal["simclr"] = "simclr"
    temperature: float = Field(0.1, gt=0)
    head_layers: Literal[0, 1, 2, 3] = Field(
        2, description="2 in v1; 3 in v2 (arXiv:2006.10029); 1 is linear, 0 no head (Figure 8)"
    )
    head_dim: int = Field(128, ge=2, description="of what the loss compares; with a head")


class SimCLR(Method[Tensor, Tensor]):
    """An encoder, its projection head and the loss over two random views."""

    def __init__(self, encoder: Encoder, settings: SimCLRSettings, setup: Setup) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = projection_head(encoder.dim, settings.head_dim, settings.head_layers)
        self.temperature = settings.temperature
        self.augmentation = setup.augmentation

    def views(self, batch: Batch) -> Tensor:
        """The first and then the second view of each image, (2n, 3, size, size)."""
        augmentation = self.augmentation.model_copy(update={"size": batch.size})
        return random_pair(batch.images, augmentation, batch.generator)

    def embed(self, views: Tensor) -> Tensor:
        """Projections, a row a view."""
        projections: Tensor = self.head(self.encoder(views))
        return projections

    def loss(self, outputs: Tensor) -> Tensor:
        """NT-Xent in nats, over the views of all processes; log(2n - 1) at chance."""
        first, second = outputs.chunk(2)
        over = nt_xent_global if dist.is_initialized() else nt_xent
        return over(first, second, self.temperature)


def projection_head(inputs: int, outputs: int, layers: int) -> nn.Sequential:
    """g: batch norm after every layer; the last without ReLU and without beta.

    Args:
        layers: 0 gives the identity, whatever `outputs`.
    """
    if layers == 0:
        return nn.Sequential()
    modules: list[nn.Module] = []
    for _ in range(layers - 1):
        modules += [nn.Linear(inputs, inputs, bias=False), nn.BatchNorm1d(inputs), nn.ReLU()]
    last = nn.BatchNorm1d(outputs)
    last.bias.requires_grad_(False)  # stays at zero
    return nn.Sequential(*modules, nn.Linear(inputs, outputs, bias=False), last)


METHOD = Definition(
    settings=SimCLRSettings,
    build=SimCLR,
    citation="Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of "
    "Visual Representations, ICML 2020, arXiv:2002.05709",
)
