"""Feature distillation: a small encoder learns to see photos as an installed one does.

The teacher is any package, run as it is served; no definition of its network is needed. It embeds
every stored image once, and the student meets that target under random views of the image, as in
CompRess (Koohpayegani et al. 2020, arXiv:2010.14713) with cached features. A linear layer maps the
student's representation to the teacher's dimension and is left behind. Targets are centred: those
behind a ReLU all point one way, and a student learns far less of them as they are.

Loss `relational` is SEED's (Fang et al. 2021, arXiv:2101.04731, equation 4): the student is to find
an image as like to a set of anchors as the teacher does. As the teacher does not change, its queue
is a fixed sample of its embeddings. `cosine`, the default, was as good in a small trial and needs
no anchors (docs/figures.md).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from training.augment import random_views
from training.data import Packed
from training.methods.method import Batch, Definition, Method, MethodSettings, Setup, Tensors
from training.targets import Targets, teacher_targets
from zoo.encoders import Encoder
from zoo.package import Package
from zoo.progress import Progress
from zoo.store import find_package


class DistilSettings(MethodSettings):
    """The method's part of a recipe."""

    name: Literal["distil"] = "distil"
    teacher: str = Field(
        "efficientnet-lite0", description="an installed model, name or name@version"
    )
    loss: Literal["cosine", "relational"] = "cosine"
    anchors: int = Field(4096, ge=2, description="teacher's embeddings that relational compares to")
    temperature: float = Field(0.2, gt=0, description="of the student's similarities; SEED's")
    teacher_temperature: float = Field(0.01, gt=0, description="of the teacher's; SEED's")


def check(settings: DistilSettings, setup: Setup) -> None:
    """Refuse, once a run is about to begin, what cannot teach it.

    Raises:
        UnknownModelError: the teacher is not installed.
        PackageError: it is damaged.
        ValueError: there are fewer images than anchors.
    """
    if setup.images is None:
        return  # a recipe can be read without its teacher
    find_package(settings.teacher)
    if settings.loss == "relational" and setup.images < settings.anchors:
        raise ValueError(
            f"distil draws {settings.anchors} anchors from {setup.images} images: lower "
            "`method.anchors`"
        )


class Distil(Method[Tensors, Tensors]):
    """A student, its map to the teacher's dimension, and the targets of all images."""

    teacher: Package
    targets: Targets
    centre: Tensor
    anchors: Tensor

    def __init__(self, encoder: Encoder, settings: DistilSettings, setup: Setup) -> None:
        super().__init__()
        self.teacher = find_package(settings.teacher)
        self.encoder = encoder
        self.head = nn.Linear(encoder.dim, self.teacher.manifest.dim)
        self.settings, self.augmentation = settings, setup.augmentation

    def before_run(
        self, run: Path, sources: Sequence[Packed], progress: Progress | None = None
    ) -> None:
        """Let the teacher embed the images, or find what it made of them before.

        What follows from the targets alone is computed anew in every process and not saved: their
        mean and the anchors.
        """
        self.targets = teacher_targets(self.teacher, sources, run, progress)
        self.centre = torch.from_numpy(_mean(self.targets))
        if self.settings.loss == "relational":
            rows = np.random.default_rng(0).permutation(len(self.targets))
            chosen = torch.from_numpy(np.sort(rows[: self.settings.anchors]))
            self.anchors = self._read(chosen).to(self.head.weight.device)

    def views(self, batch: Batch) -> Tensors:
        """One random view of each image, `pictures` (n, 3, size, size), and its `targets`
        (n, teacher's dim), unit length.
        """
        augmentation = self.augmentation.model_copy(update={"size": batch.size})
        return {
            "pictures": random_views(batch.images, augmentation, batch.generator),
            "targets": self._read(batch.index),
        }

    def embed(self, views: Tensors) -> Tensors:
        """`features` (n, teacher's dim), unit length, with the `targets`."""
        features = F.normalize(self.head(self.encoder(views["pictures"])).float(), dim=1)
        return {"features": features, "targets": views["targets"]}

    def loss(self, outputs: Tensors) -> Tensor:
        """`cosine_distance` or `relational_divergence`, 0 where the student is as its teacher."""
        features, targets = outputs["features"], outputs["targets"]
        if self.settings.loss == "cosine":
            return cosine_distance(features, targets)
        temperatures = self.settings.temperature, self.settings.teacher_temperature
        return relational_divergence(features, targets, self.anchors, *temperatures)

    def _read(self, index: Tensor) -> Tensor:
        """The targets of images as the student is to meet them, on the device of `index`."""
        rows = torch.from_numpy(self.targets[index.cpu().numpy()]).float()
        return F.normalize(rows - self.centre, dim=1).to(index.device)


def cosine_distance(features: Tensor, targets: Tensor) -> Tensor:
    """Mean over rows of 1 - cosine, 0 to 2.

    Args:
        features, targets: unit length, (n, d).
    """
    return 1 - (features * targets).sum(dim=1).mean()


def relational_divergence(
    features: Tensor,
    targets: Tensor,
    anchors: Tensor,
    temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """How far the student's similarities to a row's own target and the anchors are from the
    teacher's: the Kullback-Leibler divergence in nats, mean over rows (arXiv:2101.04731, eq. 4).

    Args:
        features, targets: unit length, (n, d). anchors: unit length, (m, d).
    """
    student = _similarities(features, targets, anchors) / temperature
    teacher = _similarities(targets, targets, anchors) / teacher_temperature
    return F.kl_div(
        F.log_softmax(student, dim=1),
        F.log_softmax(teacher, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def _similarities(rows: Tensor, targets: Tensor, anchors: Tensor) -> Tensor:
    """Of each row to its own target and to all anchors, (n, 1 + m)."""
    own = (rows * targets).sum(dim=1, keepdim=True)
    return torch.cat([own, rows @ anchors.T], dim=1)


def _mean(targets: Targets) -> npt.NDArray[np.float32]:
    """The mean row, added up in float64 so that it comes equal in every process."""
    total = np.zeros(targets.shape[1])
    for start in range(0, len(targets), 4096):
        total += targets[start : start + 4096].sum(axis=0, dtype=np.float64)
    mean: npt.NDArray[np.float32] = (total / len(targets)).astype(np.float32)
    return mean


METHOD = Definition(
    settings=DistilSettings,
    build=Distil,
    citation="Fang et al.: SEED: Self-supervised Distillation for Visual Representation, ICLR "
    "2021, arXiv:2101.04731; Koohpayegani, Tejankar, Pirsiavash: CompRess: Self-Supervised "
    "Learning by Compressing Representations, NeurIPS 2020, arXiv:2010.14713",
    check=check,
)
