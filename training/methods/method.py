"""The contract between a method and the training loop."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Generator, Tensor, nn

from training.augment import Augmentation
from training.data import Packed
from training.optimizers import build_optimizer
from zoo.architectures import Architecture
from zoo.encoders import Encoder
from zoo.package import Package
from zoo.progress import Progress

if TYPE_CHECKING:  # a recipe holds the settings of a method
    from training.recipe import Recipe

Tensors = dict[str, Tensor]
Views = TypeVar("Views", bound=Tensor | Tensors)
Outputs = TypeVar("Outputs", bound=Tensor | Tensors)


class MethodSettings(BaseModel):
    """A method's part of a recipe. `name` is narrowed to a literal, by which a recipe names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str


@dataclass(frozen=True)
class Setup:
    """What a method is built for.

    sizes: sides of the views over the run, in pixels. batch: images a step, over all processes.
    part: images that pass through the network together. images: how many there are to train on;
    None while that is not known.
    """

    architecture: Architecture
    augmentation: Augmentation
    sizes: tuple[int, ...]
    batch: int
    part: int
    images: int | None


@dataclass(frozen=True)
class Batch:
    """The n images of a step that pass through the network together, on the device.

    images: uint8 (n, h, w, 3). index: int64 (n,), the place of each among all images that are
    trained on, source after source. labels: int64 (n,), classes numbered over all sources, -1 where
    there is none. step: from 0. size: side of the views, in pixels. generator: of the CPU; one seed
    gives the same views on every device, however the step's batch is divided.
    """

    images: Tensor
    index: Tensor
    labels: Tensor
    step: int
    size: int
    generator: Generator


class Method(nn.Module, ABC, Generic[Views, Outputs]):
    """An encoder and what trains it; all tensors of its state are checkpointed.

    Views and outputs are one tensor or a dict of them. The rows of each tensor are those of the
    images, or those of k views of each: the first views of all images, then the next.

    What is drawn from torch's global generators in `embed`, `loss` and the hooks is the same in a
    run that was stopped and resumed; it differs between processes.
    """

    encoder: Encoder
    wants_features: ClassVar[bool] = False
    """Whether `before_epoch` is given the features of all images."""
    shares_statistics: ClassVar[bool] = True
    """Whether batch normalisation is over the images of all GPUs, or of each on its own."""
    teacher: Package | None = None
    """The package that the encoder learns from; its terms become those of what is exported."""

    @abstractmethod
    def views(self, batch: Batch) -> Views:
        """What is to be embedded, and with it the targets that go with that.

        Pictures are float32 (k * n, 3, height, width) in 0-1.
        """

    @abstractmethod
    def embed(self, views: Views) -> Outputs:
        """What the loss compares, with the targets: all that has weights, each image on its own."""

    @abstractmethod
    def loss(self, outputs: Outputs) -> Tensor:
        """The loss of the outputs of a whole batch, a scalar; it has no weights.

        Where training is distributed, the mean over processes, and that of their gradients, are
        those of the loss over the outputs of all.
        """

    def before_run(
        self, run: Path, sources: Sequence[Packed], progress: Progress | None = None
    ) -> None:
        """Called in every process before its first step, of a new run and of a resumed one.

        Args:
            run: its folder, for what takes long to find out and is the same every time.
            sources: all images, in the order of their index.
            progress: told how many of them are done.
        """

    def before_epoch(self, epoch: int, features: Tensor | None) -> None:
        """Called before the first step of each epoch, in every process.

        Args:
            epoch: from 0.
            features: of all images in the order of their index, unit length, float32
                (images, dim), on the CPU; None unless the method wants them.
        """

    def after_step(self, step: int, outputs: Outputs) -> None:
        """Called once the weights have moved, in every process.

        Args:
            step: the one that was taken, from 0.
            outputs: of this process's whole batch, as the loss was given them, detached.
        """

    def optimizers(self, recipe: "Recipe") -> list[torch.optim.Optimizer]:
        """What moves the weights; all take their step after every backward pass.

        The learning rate each begins with is the one it has at the end of the warm-up.
        """
        return [build_optimizer(recipe, self)]

    def forward(self, views: Views) -> Tensor:
        """The loss of a batch that `views` made."""
        return self.loss(self.embed(views))


AnyMethod = Method[Any, Any]
S = TypeVar("S", bound=MethodSettings)


def accept_all(_settings: MethodSettings, _setup: Setup) -> None:
    """The check of a method that fits every setup."""


@dataclass(frozen=True)
class Definition(Generic[S]):
    """What a method's file tells of it, under the name `METHOD`.

    build: the method with fresh weights, drawn from torch's global generator, around an encoder.
    citation: of the paper, for the card of what is exported.
    check: refuses what would not train, with a ValueError that says what would. It is asked when a
    recipe is read, and again once the images and the processes are known.
    """

    settings: type[S]
    build: Callable[[Encoder, S, Setup], AnyMethod]
    citation: str
    check: Callable[[S, Setup], None] = accept_all


def named(tensors: Tensor | Tensors) -> Tensors:
    """As a dict, whichever it is; a tensor alone has the empty name."""
    return {"": tensors} if isinstance(tensors, Tensor) else tensors


def unnamed(tensors: Tensors) -> Any:
    """What `named` was given: a tensor, or the dict."""
    return tensors.get("", tensors)
