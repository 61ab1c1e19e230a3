"""Checkpoints that others published: reading them, and mapping their tensors to our names.

Nothing in a file is trusted: no code of it runs, and what does not fit is refused by name.
"""

from export.checkpoints.checkpoint import Checkpoint
from export.checkpoints.layouts import Mapped, map_tensors
from export.checkpoints.reading import open_checkpoint

__all__ = ["Checkpoint", "Mapped", "map_tensors", "open_checkpoint"]
