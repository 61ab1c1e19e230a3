"""Augmentations of patches, each with parameters of its own, so that no low-level pattern goes on
from one patch to the next (CPC v1, arXiv:1807.03748, section 3.2; v2, arXiv:1905.09272, section 4.1
and appendix A.2).
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor

from training.augment.draws import integers, uniform
from training.augment.operators import apply_operators
from training.augment.pixels import HOLE, drop_channels
from training.augment.policies import apply_policies
from training.augment.settings import Augmentation


class PatchAugmentation(BaseModel):
    """What happens to each patch; nothing by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    margin: int = Field(
        0, ge=0, description="pixels of the side that a random sub-crop leaves out; v1: 4 of 64"
    )
    grey: float = Field(0.0, ge=0, le=1, description="probability of losing colour; v1: 1")
    drop: float = Field(
        0.0, ge=0, le=1, description="probability of keeping one channel alone; v2's RC"
    )
    policies: bool = Field(False, description="operations of many kinds; v2's PA")


def augment_patches(patches: Tensor, settings: PatchAugmentation, generator: Generator) -> Tensor:
    """Every patch on its own.

    Args:
        patches: float (m, 3, side, side) in 0-1, on any device; may be overwritten.
        generator: a CPU generator.
    """
    count = len(patches)
    if settings.margin:
        top, left = (
            integers(count, 0, settings.margin + 1, generator).to(patches.device) for _ in range(2)
        )
        patches = sub_crop(patches, top, left, settings.margin)
    if settings.policies:
        patches = apply_policies(patches, generator)
    greying = Augmentation(grey=settings.grey)
    patches = apply_operators(patches, ("grey",), greying, generator)
    if settings.drop:
        dropped = (uniform(count, generator=generator) < settings.drop).to(patches.device)
        kept = integers(count, 0, 3, generator).to(patches.device)
        single = drop_channels(patches, kept)
        patches = torch.where(dropped[:, None, None, None], single, patches)
    return patches


def sub_crop(patches: Tensor, top: Tensor, left: Tensor, margin: int) -> Tensor:
    """The square of `side - margin` pixels at (top, left), in the middle of mid grey.

    Args:
        top, left: int64 (m,), 0 to `margin`.
    """
    side = patches.shape[2]
    place = torch.arange(side, device=patches.device) - margin // 2
    inside = (place >= 0) & (place < side - margin)
    source = place.clamp(0, side - margin - 1)
    rows = (source + top[:, None])[:, None, :, None].expand_as(patches)
    columns = (source + left[:, None])[:, None, None, :].expand_as(patches)
    moved = patches.gather(2, rows).gather(3, columns)
    return moved.masked_fill(~(inside[:, None] & inside), HOLE)
