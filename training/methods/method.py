"""What the training loop needs of a method."""

from abc import ABC, abstractmethod

from torch import Generator, Tensor, nn

from zoo.encoders import Encoder


class Method(nn.Module, ABC):
    """An encoder and what trains it; all tensors of its state are checkpointed."""

    encoder: Encoder

    @abstractmethod
    def views(self, images: Tensor, size: int, generator: Generator) -> Tensor:
        """What the loss takes of uint8 images (n, h, w, 3), on their device.

        Args:
            size: side of the views, in pixels.
            generator: a CPU generator; one seed gives the same views on every device.

        Returns:
            float32 (m, 3, height, width) in 0-1.
        """

    @abstractmethod
    def forward(self, views: Tensor) -> Tensor:
        """The loss of a batch that `views` made, a scalar."""
