"""Leaving out of one set what shows the same photo as an image of another."""

from sources.near_duplicates import near_duplicates
from training.data.packed import Packed


def leave_out_near(source: Packed, others: Packed) -> Packed:
    """The source without the images that `near_duplicates` finds in `others`."""
    near = near_duplicates(source.pixels, others.pixels)
    return source.select(~near) if near.any() else source
