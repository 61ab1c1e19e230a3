"""The augmentations by name: how each draws its parameters, and how it is applied.

They are those of Figure 4 of the SimCLR paper (arXiv:2002.05709) and CPC's channel dropping. All
take and give a float batch (n, 3, side, side) in 0-1. Parameters are drawn for each image on the
CPU, so that one seed gives the same views on every device and no draw waits for the device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from training.augment import colour, pixels
from training.augment.boxes import random_crops, random_holes
from training.augment.chunks import in_chunks
from training.augment.draws import integers, uniform
from training.augment.geometry import apply_separable, blur_taps, resize_taps
from training.augment.settings import Augmentation, OperatorName

Parameter = Tensor | int | list[int]
Drawn = tuple[Tensor | None, dict[str, Parameter]]
"""Which images an operator meets (int64, None for all), and the parameters of those it meets."""


@dataclass(frozen=True)
class Batch:
    """What parameters are drawn for: `n` images of `side` pixels, with a CPU generator."""

    n: int
    side: int
    augmentation: Augmentation
    generator: Generator


@dataclass(frozen=True)
class Operator:
    """How parameters are drawn, and `apply(images, **parameters)`, which leaves its input alone.

    `host`: parameters that stay on the CPU, as they decide what the device is told to do.
    """

    draw: Callable[[Batch], Drawn]
    apply: Callable[..., Tensor]
    host: tuple[str, ...] = ()


def apply_operators(
    images: Tensor, names: Sequence[OperatorName], augmentation: Augmentation, generator: Generator
) -> Tensor:
    """One operator after the other, each with parameters of its own for each image.

    Args:
        images: float (n, 3, side, side) in 0-1, on any device; overwritten.
        generator: a CPU generator.
    """
    batch = Batch(len(images), images.shape[2], augmentation, generator)
    drawn = draw_operators(names, batch)

    def change(rows: slice) -> None:
        images[rows] = apply_drawn(images[rows], drawn, rows)

    in_chunks(images, change)
    return images


def draw_operators(names: Sequence[OperatorName], batch: Batch) -> list[tuple[Operator, Drawn]]:
    """The operators of these names, with their parameters for a batch."""
    return [(OPERATORS[name], OPERATORS[name].draw(batch)) for name in names]


def apply_drawn(images: Tensor, drawn: list[tuple[Operator, Drawn]], rows: slice) -> Tensor:
    """Apply operators to the images that are `rows` of the batch they were drawn for.

    Args:
        images: float (m, 3, side, side) in 0-1; may be overwritten.
    """
    for operator, (chosen, parameters) in drawn:
        index, own = _of_rows(chosen, rows)
        if index is not None and len(index) == 0:
            continue
        moved = {
            key: _to(
                _cut(value, own), torch.device("cpu") if key in operator.host else images.device
            )
            for key, value in parameters.items()
        }
        if index is None or len(index) == len(images):
            images = operator.apply(images, **moved)
        else:
            index = index.to(images.device)
            images.index_copy_(0, index, operator.apply(images.index_select(0, index), **moved))
    return images


def _of_rows(chosen: Tensor | None, rows: slice) -> tuple[Tensor | None, slice]:
    """The images among `rows` that an operator meets (None for all), and its parameters' rows."""
    if chosen is None:
        return None, rows
    first, end = torch.searchsorted(chosen, torch.tensor([rows.start, rows.stop])).tolist()
    return chosen[first:end] - rows.start, slice(first, end)


def _cut(parameter: Parameter, rows: slice) -> Parameter:
    return parameter if isinstance(parameter, int) else parameter[rows]


def _to(parameter: Parameter, device: torch.device) -> Parameter:
    return parameter.to(device) if isinstance(parameter, Tensor) else parameter


def _met(batch: Batch, probability: float) -> Tensor:
    return (uniform(batch.n, generator=batch.generator) < probability).nonzero()[:, 0]


def _draw_crop(batch: Batch) -> Drawn:
    a, side = batch.augmentation, batch.side
    top, left, h, w = random_crops(batch.n, side, side, a.area, a.aspect, batch.generator)
    return None, {"top": top, "left": left, "h": h, "w": w}


def _crop(images: Tensor, top: Tensor, left: Tensor, h: Tensor, w: Tensor) -> Tensor:
    """Each image's box at the side that the images have."""
    side = images.shape[2]
    rows, columns = (resize_taps(*box, side, device=images.device) for box in ((top, h), (left, w)))
    return apply_separable(images.permute(0, 2, 3, 1), rows, columns).clamp_(0, 1)


def _draw_flip(batch: Batch) -> Drawn:
    return _met(batch, batch.augmentation.flip), {}


def _draw_grey(batch: Batch) -> Drawn:
    return _met(batch, batch.augmentation.grey), {}


def _draw_jitter(batch: Batch) -> Drawn:
    a = batch.augmentation
    chosen = _met(batch, a.jitter)
    order = uniform(batch.n, 4, generator=batch.generator).argsort(dim=1)
    spread = a.strength * torch.tensor([0.8, 0.8, 0.8, 0.2])
    turns = 2 * uniform(batch.n, 4, generator=batch.generator) - 1
    factors = torch.where(torch.arange(4) < 3, (1 + turns * spread).clamp(min=0), turns * spread)
    return chosen, {"order": order[chosen], "factors": factors[chosen]}


def _draw_rotate(batch: Batch) -> Drawn:
    return None, {"quarters": integers(batch.n, 1, 4, batch.generator)}


def _draw_cutout(batch: Batch) -> Drawn:
    top, left, h, w = random_holes(batch.n, batch.side, batch.generator)
    return None, {"top": top, "left": left, "h": h, "w": w}


def _draw_noise(batch: Batch) -> Drawn:
    sigma = uniform(batch.n, generator=batch.generator, high=_NOISE)
    return None, {"sigma": sigma, "seeds": integers(batch.n, 0, 2**62, batch.generator).tolist()}


def _draw_blur(batch: Batch) -> Drawn:
    a = batch.augmentation
    chosen = _met(batch, a.blur)
    low, high = a.blur_sigma
    sigma = uniform(batch.n, generator=batch.generator, low=low, high=high)[chosen]
    kernel = batch.side // 10 | 1
    return chosen if kernel > 1 else chosen[:0], {"sigma": sigma, "kernel": kernel}


def _blur(images: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    maps = blur_taps(sigma.repeat_interleave(3), images.shape[2], kernel)
    planes = images.reshape(-1, *images.shape[2:], 1)
    return apply_separable(planes, maps, maps).view_as(images)


def _draw_nothing(_: Batch) -> Drawn:
    return None, {}


def _draw_drop(batch: Batch) -> Drawn:
    return None, {"kept": integers(batch.n, 0, 3, batch.generator)}


def _sometimes(draw: Callable[[Batch], Drawn]) -> Callable[[Batch], Drawn]:
    """The same for a share `rest` of the images, by chance."""

    def sometimes(batch: Batch) -> Drawn:
        chosen, parameters = draw(batch)
        if batch.augmentation.rest == 1:
            return chosen, parameters
        met = _met(batch, batch.augmentation.rest)
        return met, {key: _rows(value, met) for key, value in parameters.items()}

    return sometimes


def _rows(parameter: Parameter, rows: Tensor) -> Parameter:
    """The parameters of some images; those without a number an image stay."""
    if isinstance(parameter, Tensor):
        return parameter[rows]
    return [parameter[i] for i in rows.tolist()] if isinstance(parameter, list) else parameter


_NOISE = 0.2  # the largest deviation, of samples in 0-1

OPERATORS: dict[OperatorName, Operator] = {
    "crop": Operator(_draw_crop, _crop, host=("top", "left", "h", "w")),
    "flip": Operator(_draw_flip, lambda images: images.flip(3)),
    "grey": Operator(_draw_grey, lambda images: colour.grey(images).repeat(1, 3, 1, 1)),
    "jitter": Operator(_draw_jitter, colour.jitter, host=("order",)),
    "rotate": Operator(_sometimes(_draw_rotate), pixels.rotate),
    "cutout": Operator(_sometimes(_draw_cutout), pixels.cutout),
    "noise": Operator(_sometimes(_draw_noise), pixels.noise),
    "blur": Operator(_draw_blur, _blur),
    "sobel": Operator(_sometimes(_draw_nothing), pixels.sobel),
    "drop_channels": Operator(_sometimes(_draw_drop), pixels.drop_channels),
}
