"""Checkpoints that others published, without PyTorch: reading them, and naming their tensors as we
do.

Nothing in a file is trusted: no code of it runs, and what does not fit is refused by name.
"""

from zoo.checkpoints.checkpoint import Checkpoint
from zoo.checkpoints.layouts import MAPPING_VERSION, Mapped, map_tensors
from zoo.checkpoints.torch_file import open_torch

__all__ = ["MAPPING_VERSION", "Checkpoint", "Mapped", "map_tensors", "open_torch"]
