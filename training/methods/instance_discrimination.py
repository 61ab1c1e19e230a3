"""Instance discrimination (Wu et al. 2018, arXiv:1805.01978): every image is a class of its own.

A bank holds what was last seen of each image. A view finds its own row among all of them, or
(noise-contrastive estimation) among rows drawn at random. The proximal term of the paper's section
3.3 is left out, as in its authors' code; a row's momentum does its work.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from training.augment import random_views
from training.augment.draws import uniform
from training.methods.method import Batch, Definition, Method, MethodSettings, Setup, Tensors
from training.processes import gathered, mean_over_all
from zoo.encoders import Encoder


class InstanceDiscriminationSettings(MethodSettings):
    """The method's part of a recipe; the defaults are the paper's for ImageNet."""

    name: Literal["instance-discrimination"] = "instance-discrimination"
    dim: int = Field(128, ge=2, description="of a row of the bank")
    temperature: float = Field(0.07, gt=0)
    negatives: int | None = Field(
        4096, ge=1, description="rows drawn for each image; None: all rows, the exact softmax"
    )
    momentum: float = Field(0.5, ge=0, lt=1, description="what a row keeps of itself")


def check(settings: InstanceDiscriminationSettings, setup: Setup) -> None:
    """Refuse what would learn nothing.

    Raises:
        ValueError: as many negatives are asked for as there are images, or more; or the
            temperature is so low that float32 does not hold the likelihoods.
    """
    n, wanted = setup.images, settings.negatives
    if n is not None and wanted is not None and wanted >= n:
        raise ValueError(
            f"instance-discrimination would draw {wanted} negatives from {n} images: lower "
            "`method.negatives`, or set it to None for all of them"
        )
    if settings.temperature < 0.02:
        raise ValueError(
            f"instance-discrimination computes exp(1 / temperature), too large for "
            f"{settings.temperature}: use 0.02 or more (the paper's is 0.07)"
        )


class InstanceDiscrimination(Method[Tensors, Tensors]):
    """An encoder, a linear layer to the bank's dimension, and the bank."""

    bank: Tensor
    constant: Tensor

    def __init__(
        self, encoder: Encoder, settings: InstanceDiscriminationSettings, setup: Setup
    ) -> None:
        super().__init__()
        if setup.images is None:
            raise ValueError(
                "instance-discrimination keeps a row for each image: the number of images is needed"
            )
        self.encoder = encoder
        self.head = nn.Linear(encoder.dim, settings.dim)
        self.settings, self.augmentation = settings, setup.augmentation
        rows = F.normalize(torch.randn(setup.images, settings.dim), dim=1)
        self.register_buffer("bank", rows)
        self.register_buffer("constant", torch.tensor(0.0))  # Z; 0 until it is estimated

    def views(self, batch: Batch) -> Tensors:
        """One random view of each image, `pictures` (n, 3, size, size); its row in the bank,
        `index` (n,); and with noise-contrastive estimation `negatives` (n, m), other rows.

        Negatives are uniform over all rows, as in the paper; an image's own may be among them.
        """
        augmentation = self.augmentation.model_copy(update={"size": batch.size})
        pictures = random_views(batch.images, augmentation, batch.generator)
        views = {"pictures": pictures, "index": batch.index}
        if self.settings.negatives is not None:
            n, m, rows = len(pictures), self.settings.negatives, len(self.bank)
            drawn = (uniform(n, m, generator=batch.generator).double() * rows).long()
            views["negatives"] = drawn.to(pictures.device)
        return views

    def embed(self, views: Tensors) -> Tensors:
        """`features` (n, dim), unit length, with `index` and `negatives`."""
        features = F.normalize(self.head(self.encoder(views["pictures"])).float(), dim=1)
        return {name: x for name, x in views.items() if name != "pictures"} | {"features": features}

    def loss(self, outputs: Tensors) -> Tensor:
        """In nats: the exact softmax's, log(images) at chance, or the noise-contrastive one.

        The latter (section 3.2, equations 6 to 8) has the normalising constant Z estimated once,
        from the first batch, and kept.
        """
        features, index = outputs["features"], outputs["index"]
        temperature = self.settings.temperature
        if "negatives" not in outputs:
            return F.cross_entropy(features @ self.bank.T / temperature, index)
        drawn = torch.cat([index[:, None], outputs["negatives"]], dim=1)
        scores = torch.einsum("nd,nmd->nm", features, self.bank[drawn]) / temperature
        return noise_contrastive(scores, self._constant(scores.detach()), len(self.bank))

    @torch.no_grad()
    def after_step(self, _step: int, outputs: Tensors) -> None:
        """Move the row of every image of the step towards its features, and normalise it."""
        index, features = gathered(outputs["index"]), gathered(outputs["features"])
        kept = self.settings.momentum
        moved = kept * self.bank[index] + (1 - kept) * features
        self.bank[index] = F.normalize(moved, dim=1)

    def _constant(self, scores: Tensor) -> Tensor:
        """Z: the images times the mean of exp(scores) of the first batch, over all processes."""
        estimate = mean_over_all(scores.exp().mean()) * len(self.bank)
        self.constant.copy_(torch.where(self.constant > 0, self.constant, estimate))
        return self.constant


def noise_contrastive(scores: Tensor, constant: Tensor, images: int) -> Tensor:
    """Tell an image's own row from rows drawn uniformly (arXiv:1805.01978, equation 7).

    Args:
        scores: (n, 1 + m), similarity over temperature, of the own row and of m noise rows.
        constant: Z, so that exp(score) / Z is the probability of a row.
        images: rows in the bank, each drawn with probability 1 / images.

    Returns:
        Mean over n of -log h(own) - sum over m of log(1 - h(noise)), in nats, where
        h = P / (P + m / images).
    """
    noise = torch.tensor((scores.shape[1] - 1) / images, device=scores.device)
    logits = scores - constant.log() - noise.log()  # log of P over m / images: h = sigmoid
    return -(F.logsigmoid(logits[:, 0]) + F.logsigmoid(-logits[:, 1:]).sum(dim=1)).mean()


METHOD = Definition(
    settings=InstanceDiscriminationSettings,
    build=InstanceDiscrimination,
    citation="Wu, Xiong, Yu, Lin: Unsupervised Feature Learning via Non-Parametric Instance "
    "Discrimination, CVPR 2018, arXiv:1805.01978",
    check=check,
)
