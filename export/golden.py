"""Golden vectors and negative controls of a package that is being made."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from zoo.arrays import Pixels
from zoo.encoders import SameMaxPool, ServedEncoder
from zoo.images import InputBlock
from zoo.runtimes import Golden


def stem_chart(block: InputBlock) -> Pixels:
    """Orange stripes that show how a stem pools, uint8 (size, size, 3).

    Averaged over a photo, a pooling grid that is displaced by one pixel gives almost the same. Of
    stripes 16 pixels apart, which come to every eighth cell behind a stem of stride 2, one grid of
    windows sees each twice and the other once.
    """
    chart: Pixels = np.zeros((block.size, block.size, 3), np.uint8)
    chart[:, np.arange(block.size) % 16 < 2] = (255, 128, 0)
    return chart


@torch.no_grad()
def golden_vectors(served: ServedEncoder, images: Pixels) -> Golden:
    """The reference embeddings of `images`, and those that likely mistakes would give."""
    batch = torch.from_numpy(images)
    controls = {name: run(served, batch).numpy() for name, run in _MISTAKES.items()}
    if not isinstance(served.encoder.maxpool, nn.Identity):
        controls["stem-pooling"] = _other_pooling(served, batch).numpy()
    return Golden(images, served(batch).numpy(), controls)


def _imagenet_normalised(served: ServedEncoder, batch: Tensor) -> Tensor:
    """Mean and standard deviation of ImageNet, applied where the encoder does not expect them."""
    wrong = served.block.model_copy(
        update={"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        if served.block.mean == (0.0, 0.0, 0.0)
        else {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    )
    right, served.block = served.block, wrong
    try:
        result: Tensor = served(batch)
    finally:
        served.block = right
    return result


def _blue_first(served: ServedEncoder, batch: Tensor) -> Tensor:
    result: Tensor = served(batch.flip(3))
    return result


_MISTAKES: dict[str, Callable[[ServedEncoder, Tensor], Tensor]] = {
    "normalisation": _imagenet_normalised,
    "channel-order": _blue_first,
}


def _other_pooling(served: ServedEncoder, batch: Tensor) -> Tensor:
    """The stem's max-pool padded as the other framework does it."""
    right: nn.Module = served.encoder.maxpool
    other = (
        nn.MaxPool2d(3, 2, 1)
        if isinstance(right, SameMaxPool)
        else nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2))
    )
    served.encoder.add_module("maxpool", other)
    try:
        result: Tensor = served(batch)
    finally:
        served.encoder.add_module("maxpool", right)
    return result
