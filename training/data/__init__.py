"""Images on disk -> pixels in memory. Importing it adds torchvision's sets to `sources`."""

from training.data import torchvision_sets  # noqa: F401 - registers itself
from training.data.feed import Feed
from training.data.near_duplicates import leave_out_near
from training.data.packed import Packed, alone, pack

__all__ = ["Feed", "Packed", "alone", "leave_out_near", "pack"]
