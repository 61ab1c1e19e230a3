"""What the training loop needs of a method."""

from abc import ABC, abstractmethod

from torch import Generator, Tensor, nn

from zoo.encoders import Encoder


class Method(nn.Module, ABC):
    """An encoder and what trains it; all tensors of its state are checkpointed."""

    encoder: Encoder

    @abstractmethod
    def views(self, images: Tensor, size: int, generator: Generator) -> Tensor:
        """What is to be embedded of uint8 images (n, h, w, 3), on their device.

        Args:
            size: side of the views, in pixels.
            generator: a CPU generator; one seed gives the same views on every device.

        Returns:
            float32 (k * n, 3, height, width) in 0-1: the first views of all images, then the next.
        """

    @abstractmethod
    def embed(self, views: Tensor) -> Tensor:
        """What the loss compares, (k * n, ...): all that has weights, each image on its own."""

    @abstractmethod
    def loss(self, embeddings: Tensor) -> Tensor:
        """The loss of a whole batch of embeddings, a scalar; it has no weights.

        Where training is distributed, the mean over processes, and that of their gradients, are
        those of the loss over the embeddings of all.
        """

    def forward(self, views: Tensor) -> Tensor:
        """The loss of a batch that `views` made."""
        return self.loss(self.embed(views))
