"""Checkpoints that others published, in any of the formats of the catalog.

Nothing in a file is trusted: no code of it runs.
"""

from export.checkpoints.reading import open_checkpoint

__all__ = ["open_checkpoint"]
