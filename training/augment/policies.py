"""CPC v2's augmentation of patches (arXiv:1905.09272, section 4.1 and appendix A.2).

Two random operations of AutoAugment over their whole ranges (Cubuk et al. 2018, arXiv:1805.09501,
table 6; without sample pairing, which would show a patch another image), then elastic deformation
with shearing, curves on the channels, and SimCLR's colour jitter and greyscale in the place of
Inception's. The paper leaves the extent of deformation and curves open: those here are ours.

Batches are float (m, 3, side, side) in 0-1. Drawn on the CPU for each patch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.augment import colour
from training.augment.draws import integers, uniform
from training.augment.operators import apply_operators
from training.augment.pixels import HOLE, cutout
from training.augment.settings import Augmentation

_ROUNDS = 2
_RARELY = 0.2  # probability of deformation, and of curves
_POINTS, _BEND = 4, 0.1  # control points an axis; the most that one moves, as a share of the side
_CURVE = 0.5  # gamma of a channel: exp(-0.5) to exp(0.5)
_SHEAR = 0.3
_COLOURS = Augmentation(jitter=0.8, strength=0.5, grey=0.25)


def apply_policies(patches: Tensor, generator: Generator) -> Tensor:
    """The whole sequence on every patch, on the patches' device; they may be overwritten."""
    m, device = len(patches), patches.device
    operations = list(OPERATIONS.values())
    for _ in range(_ROUNDS):
        choice = integers(m, 0, len(operations), generator)
        drawn = uniform(m, 3, generator=generator)
        for number, operation in enumerate(operations):
            chosen = (choice == number).nonzero()[:, 0]
            if len(chosen):
                value = operation.low + (operation.high - operation.low) * drawn[chosen, 0]
                index, place = chosen.to(device), drawn[chosen, 1:].to(device)
                patches[index] = operation.apply(patches[index], value.to(device), place)
    deformed = (uniform(m, generator=generator) < _RARELY).nonzero()[:, 0]
    shear = uniform(m, generator=generator, low=-_SHEAR, high=_SHEAR)[deformed]
    moves = uniform(m, 2, _POINTS, _POINTS, generator=generator, low=-_BEND, high=_BEND)[deformed]
    if len(deformed):
        index = deformed.to(device)
        patches[index] = warp(patches[index], _shear_x(shear.to(device)), moves.to(device))
    curved = (uniform(m, generator=generator) < _RARELY).nonzero()[:, 0]
    gamma = uniform(m, 3, generator=generator, low=-_CURVE, high=_CURVE)[curved].exp()
    index = curved.to(device)
    patches[index] = patches[index] ** gamma.to(device)[:, :, None, None]
    return apply_operators(patches, ("jitter", "grey"), _COLOURS, generator)


@dataclass(frozen=True)
class Operation:
    """`apply(patches, value, place)`: a value from `low` to `high` and a place in 0-1 a patch.

    value: (m,). place: (m, 2), of which only cutout makes use.
    """

    apply: Callable[[Tensor, Tensor, Tensor], Tensor]
    low: float = 0.0
    high: float = 1.0


def warp(patches: Tensor, matrix: Tensor, moves: Tensor | None = None) -> Tensor:
    """Sample each patch at other places, bilinearly; beyond its edges there is mid grey.

    Args:
        matrix: (m, 2, 3), from a place in the result to one in the patch, both -1 to 1.
        moves: (m, 2, k, k), what is added to the place in x and y at a grid of k x k control
            points and between them, as a share of the side.
    """
    places = F.affine_grid(matrix, list(patches.shape), align_corners=False)
    if moves is not None:
        side = patches.shape[2]
        field = F.interpolate(2 * moves, (side, side), mode="bicubic", align_corners=True)
        places = places + field.permute(0, 2, 3, 1)
    moved = F.grid_sample(patches - HOLE, places, "bilinear", "zeros", align_corners=False)
    return (moved + HOLE).clamp(0, 1)


def autocontrast(patches: Tensor) -> Tensor:
    """Stretch each channel to 0-1; a flat one stays."""
    low, high = patches.amin((2, 3), keepdim=True), patches.amax((2, 3), keepdim=True)
    flat = high == low
    stretched = (patches - low) / torch.where(flat, torch.ones_like(high), high - low)
    return torch.where(flat, patches, stretched)


def equalize(patches: Tensor) -> Tensor:
    """Each value's rank in its channel: the share of values that are not above it."""
    values = patches.flatten(2).contiguous()
    ranks = torch.searchsorted(values.sort(dim=2).values, values, right=True)
    return (ranks / values.shape[2]).view_as(patches).to(patches)


def solarize(patches: Tensor, threshold: Tensor) -> Tensor:
    """Invert what is at the threshold or above it."""
    return torch.where(patches >= threshold[:, None, None, None], 1 - patches, patches)


def posterize(patches: Tensor, bits: Tensor) -> Tensor:
    """Keep the leading bits of each value; `bits` is rounded down."""
    levels = 2.0 ** bits.floor()[:, None, None, None]
    return torch.minimum((patches * levels).floor(), levels - 1) / levels


def sharpness(patches: Tensor, factor: Tensor) -> Tensor:
    """Blend with a smoothed patch: 0 gives the smoothed one, 1 the patch; its border stays."""
    kernel = patches.new_tensor([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    smooth = patches.clone()
    weight = kernel.expand(3, 1, 3, 3)
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(patches, weight, groups=3)
    return torch.lerp(smooth, patches, factor[:, None, None, None]).clamp(0, 1)


def _shear_x(value: Tensor) -> Tensor:
    return _matrix(value, xy=value)


def _translate(patches: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return warp(patches, _matrix(x, x=2 * x, y=2 * y))


def _rotate(patches: Tensor, degrees: Tensor) -> Tensor:
    angle = degrees.deg2rad()
    sine, cosine = angle.sin(), angle.cos()
    return warp(patches, _matrix(angle, xx=cosine, xy=-sine, yx=sine, yy=cosine))


def _matrix(like: Tensor, **entries: Tensor) -> Tensor:
    """The identity but for the named entries: xx, xy, x in its first row, yx, yy, y below."""
    names = {"xx": (0, 0), "xy": (0, 1), "x": (0, 2), "yx": (1, 0), "yy": (1, 1), "y": (1, 2)}
    matrix = torch.eye(2, 3, device=like.device).repeat(len(like), 1, 1)
    for name, value in entries.items():
        matrix[(slice(None), *names[name])] = value
    return matrix


def _cutout(patches: Tensor, share: Tensor, place: Tensor) -> Tensor:
    side = patches.shape[2]
    length = (share * side).round().long()
    left, top = (((place * side).long()) - length[:, None] // 2).unbind(1)
    return cutout(patches, top, left, length, length)


_SHIFT, _HIDDEN = 150 / 331, 60 / 331  # AutoAugment's pixels, of images of 331

OPERATIONS: dict[str, Operation] = {
    "shear_x": Operation(lambda x, v, _: warp(x, _shear_x(v)), -_SHEAR, _SHEAR),
    "shear_y": Operation(lambda x, v, _: warp(x, _matrix(v, yx=v)), -_SHEAR, _SHEAR),
    "translate_x": Operation(lambda x, v, _: _translate(x, v, 0 * v), -_SHIFT, _SHIFT),
    "translate_y": Operation(lambda x, v, _: _translate(x, 0 * v, v), -_SHIFT, _SHIFT),
    "rotate": Operation(lambda x, v, _: _rotate(x, v), -30.0, 30.0),
    "autocontrast": Operation(lambda x, _v, _: autocontrast(x)),
    "invert": Operation(lambda x, _v, _: 1 - x),
    "equalize": Operation(lambda x, _v, _: equalize(x)),
    "solarize": Operation(lambda x, v, _: solarize(x, v)),
    "posterize": Operation(lambda x, v, _: posterize(x, v), 4.0, 9.0),
    "contrast": Operation(lambda x, v, _: colour.contrast(x, v), 0.1, 1.9),
    "colour": Operation(lambda x, v, _: colour.saturation(x, v), 0.1, 1.9),
    "brightness": Operation(lambda x, v, _: colour.brightness(x, v), 0.1, 1.9),
    "sharpness": Operation(lambda x, v, _: sharpness(x, v), 0.1, 1.9),
    "cutout": Operation(_cutout, 0.0, _HIDDEN),
}
