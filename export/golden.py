"""Golden vectors and negative controls of a package that is being made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from zoo.arrays import Pixels, Vectors
from zoo.encoders import SameMaxPool, ServedEncoder
from zoo.images import InputBlock
from zoo.runtimes import Golden

Colour = tuple[int, int, int]


def stem_chart(
    block: InputBlock, colour: Colour = (255, 128, 0), ground: Colour = (0, 0, 0)
) -> Pixels:
    """Stripes that show how a stem pools, uint8 (size, size, 3).

    Averaged over a photo, a pooling grid that is displaced by one pixel gives almost the same. Of
    stripes 16 pixels apart, which come to every eighth cell behind a stem of stride 2, one grid of
    windows sees each twice and the other once.
    """
    chart: Pixels = np.full((block.size, block.size, 3), ground, np.uint8)
    chart[:, np.arange(block.size) % 16 < 2] = colour
    return chart


def golden_images(served: ServedEncoder, photos: Pixels, count: int) -> Pixels:
    """What proves a converted encoder: `count` of the `photos`, and a chart of the stem's pooling.

    Of each, those come first on which float32 gives what float64 gives. Attention inside a network
    can make the embedding of some image all but arbitrary: rounding then tells runtimes apart that
    compute the same, and no mistake. A chart on which it does so is left out.

    uint8 (n, size, size, 3) -> uint8 (count or count + 1, size, size, 3).
    """
    chosen = _steadiest(served, photos, count)
    charts = np.stack([stem_chart(served.block, *colours) for colours in _CHARTS])
    return np.concatenate([chosen, _steadiest(served, charts, 1, worst=_UNSTEADY)])


def rounding(served: ServedEncoder, images: Pixels) -> Vectors:
    """How far float32 is from float64, 1 - cosine a row, (n,). The layer must have no statistics.

    One layer at a time is in float64, so that a network of 1.5 GB needs little more.
    """
    batch = torch.from_numpy(images)
    with torch.no_grad():
        single = served(batch).double()
        with _doubled(served):
            double = served(batch)
    cosine = torch.nn.functional.cosine_similarity(single, double, dim=1, eps=1e-300)
    found: Vectors = 1 - cosine.numpy()
    return found


@torch.no_grad()
def golden_vectors(served: ServedEncoder, images: Pixels) -> Golden:
    """The reference embeddings of `images`, and those that likely mistakes would give."""
    batch = torch.from_numpy(images)
    controls = {name: run(served, batch).numpy() for name, run in _MISTAKES.items()}
    pool = getattr(served.encoder, "maxpool", None)
    if pool is not None and not isinstance(pool, nn.Identity):
        controls["stem-pooling"] = _other_pooling(served, batch).numpy()
    return Golden(images, served(batch).numpy(), controls)


_STEADY, _UNSTEADY = 1e-8, 1e-6
"""Of 1 - cosine, where packages tolerate 1e-4: as good as exact; too near to it."""

_CHARTS: tuple[tuple[Colour, Colour], ...] = (
    ((255, 128, 0), (0, 0, 0)),
    ((255, 128, 0), (64, 64, 64)),
    ((0, 128, 255), (64, 64, 64)),
    ((255, 255, 255), (0, 0, 0)),
)
"""Colours of the stripes and of the ground; the first tells most."""


def _steadiest(served: ServedEncoder, images: Pixels, count: int, worst: float = 1.0) -> Pixels:
    """The first `count` images that are steady; for want of them, the steadiest below `worst`."""
    found = np.empty(0)
    while len(found) < len(images) and (found <= _STEADY).sum() < count:
        more = images[len(found) : len(found) + count]
        found = np.concatenate([found, rounding(served, more)])
    order = np.argsort(np.maximum(found, _STEADY), kind="stable")[:count]
    return images[[place for place in order if found[place] <= worst]]


@contextmanager
def _doubled(network: nn.Module) -> Iterator[None]:
    """Every layer that has weights computes in float64, and gives it on to those that have none."""

    def before(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        layer.double()
        return tuple(tensor.double() for tensor in given)

    def after(layer: nn.Module, _given: tuple[Tensor, ...], _result: Tensor) -> None:
        layer.float()

    layers = [m for m in network.modules() if any(True for _ in m.parameters(recurse=False))]
    hooks = [layer.register_forward_pre_hook(before) for layer in layers]
    hooks += [layer.register_forward_hook(after) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


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
    right = served.encoder.get_submodule("maxpool")
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
