"""Training images apart from those that an encoder is to be evaluated on."""

from sources import near_duplicates
from training.data.packed import Packed


def leave_out_near(source: Packed, others: Packed) -> Packed:
    """The source without the images that `near_duplicates` finds in `others`."""
    near = near_duplicates(source.pixels, others.pixels)
    return source.select(~near) if near.any() else source
