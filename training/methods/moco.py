"""MoCo, momentum contrast: a view finds the other view of its image among a queue of older keys.

v1: He et al. 2019, arXiv:1911.05722. v2: Chen et al. 2020, arXiv:2003.04297. One method: v2's
additions are a head of two layers and a higher temperature here, and stronger jitter and blur of
the recipe's augmentation.

Batch normalisation would leak which key belongs to a query, as both would share the statistics of
one batch (v1, section 3.3). So a batch is normalised in `splits` groups, as if each were on its own
GPU, and keys are shuffled before they are grouped: a query and its key have statistics of other
images. Where a batch is taken in parts or by several processes, each shuffles its own groups, which
stay as large as they are.
"""

import copy
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from training.augment import random_pair
from training.methods.method import Batch, Definition, Method, MethodSettings, Setup, Tensors
from training.processes import gathered
from zoo.encoders import Encoder


class MoCoSettings(MethodSettings):
    """The method's part of a recipe; the defaults are v2's for ImageNet."""

    name: Literal["moco"] = "moco"
    dim: int = Field(128, ge=2, description="of what the loss compares")
    head_layers: Literal[1, 2] = Field(2, description="1, linear, in v1; 2 in v2")
    temperature: float = Field(0.2, gt=0, description="0.07 in v1")
    momentum: float = Field(0.999, ge=0, lt=1, description="what the key encoder keeps of itself")
    queue: int = Field(65_536, ge=2, description="keys of earlier batches, the negatives")
    splits: int = Field(8, ge=2, description="groups of a batch that are normalised on their own")


def check(settings: MoCoSettings, setup: Setup) -> None:
    """Refuse a queue or a division of the batch that does not work out.

    Raises:
        ValueError: the queue does not hold a batch, a batch cannot be split equally, or a process
            or a part of a batch has too few groups to shuffle keys among.
    """
    if settings.queue < setup.batch:
        raise ValueError(
            f"moco's queue of {settings.queue} keys does not hold the {setup.batch} of a batch: "
            "raise `method.queue`, or lower the batch"
        )
    group, rest = divmod(setup.batch, settings.splits)
    if rest or group < 2:
        raise ValueError(
            f"moco cannot normalise a batch of {setup.batch} images in {settings.splits} equal "
            "groups of two or more: choose `method.splits` to divide the batch"
        )
    groups, rest = divmod(setup.part, group)
    if rest or groups < 2:
        raise ValueError(
            f"moco shuffles keys among groups of {group} images, and {setup.part} images pass "
            "through the network together, which is not two or more whole groups: use fewer "
            "processes, raise the microbatch, or raise `method.splits`"
        )


class MoCo(Method[Tensors, Tensors]):
    """An encoder and its head, their moving averages, and a queue of keys."""

    shares_statistics = False
    queue: Tensor
    oldest: Tensor

    def __init__(self, encoder: Encoder, settings: MoCoSettings, setup: Setup) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = _head(encoder.dim, settings)
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.key_head = copy.deepcopy(self.head).requires_grad_(False)
        self.settings, self.augmentation = settings, setup.augmentation
        self.group = setup.batch // settings.splits
        keys = F.normalize(torch.randn(settings.queue, settings.dim), dim=1)
        self.register_buffer("queue", keys)
        self.register_buffer("oldest", torch.tensor(0))  # the row that is replaced next

    def views(self, batch: Batch) -> Tensors:
        """Two random views of each image, `queries` and `keys`, (n, 3, size, size) each."""
        augmentation = self.augmentation.model_copy(update={"size": batch.size})
        queries, keys = random_pair(batch.images, augmentation, batch.generator).chunk(2)
        return {"queries": queries, "keys": keys}

    def embed(self, views: Tensors) -> Tensors:
        """`queries` and `keys` (n, dim), unit length; keys carry no gradient."""
        queries = self._in_groups(views["queries"], self.encoder, self.head)
        with torch.no_grad():
            order = torch.randperm(len(queries)).to(queries.device)  # one order on all devices
            shuffled = self._in_groups(views["keys"][order], self.key_encoder, self.key_head)
            keys = shuffled[order.argsort()]
        return {"queries": queries, "keys": keys}

    def loss(self, outputs: Tensors) -> Tensor:
        """InfoNCE in nats: each query's key among it and the queue; log(queue + 1) at chance."""
        queries, keys = outputs["queries"], outputs["keys"].detach()
        positive = (queries * keys).sum(dim=1, keepdim=True)
        logits = torch.cat([positive, queries @ self.queue.T], dim=1) / self.settings.temperature
        return F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.int64))

    @torch.no_grad()
    def after_step(self, _step: int, outputs: Tensors) -> None:
        """Put the step's keys in the place of the oldest, and let the key encoder follow.

        The next step's keys are those of the encoder that has just moved, as in the paper's
        algorithm 1, where the average is taken at the start of a step.
        """
        keys = gathered(outputs["keys"])
        places = (self.oldest + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys
        self.oldest.copy_((self.oldest + len(keys)) % len(self.queue))
        followers: list[Tensor] = [*self.key_encoder.parameters(), *self.key_head.parameters()]
        leaders: list[Tensor] = [*self.encoder.parameters(), *self.head.parameters()]
        torch._foreach_mul_(followers, self.settings.momentum)
        torch._foreach_add_(followers, leaders, alpha=1 - self.settings.momentum)

    def _in_groups(self, pictures: Tensor, encoder: nn.Module, head: nn.Module) -> Tensor:
        groups = torch.split(pictures, self.group)
        return F.normalize(torch.cat([head(encoder(group)) for group in groups]).float(), dim=1)


def _head(inputs: int, settings: MoCoSettings) -> nn.Module:
    if settings.head_layers == 1:
        return nn.Linear(inputs, settings.dim)
    return nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, settings.dim))


METHOD = Definition(
    settings=MoCoSettings,
    build=MoCo,
    citation="He, Fan, Wu, Xie, Girshick: Momentum Contrast for Unsupervised Visual Representation "
    "Learning, CVPR 2020, arXiv:1911.05722; Chen, Fan, Girshick, He: Improved Baselines with "
    "Momentum Contrastive Learning, 2020, arXiv:2003.04297",
    check=check,
)
