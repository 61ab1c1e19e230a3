"""What every reader gives."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors on disk, read one at a time.

    origin: the file that errors name. shapes: of every tensor, in the file's order; the levels of
    nested dictionaries are joined by `/`. read: the values of one tensor. checksums: whether the
    file has a checksum of each tensor, which `read` checks.
    """

    origin: Path
    shapes: dict[str, tuple[int, ...]]
    read: Callable[[str], npt.NDArray[Any]]
    checksums: bool
