"""What a pull would fetch, from where and how much of it; nothing is asked and nothing is written.

Of a registry, whose index and manifest say it, these two are read (`zoo.registry`).
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.store import zoo_home


@dataclass(frozen=True)
class Planned:
    """A file to fetch; `bytes` is None where its publisher does not say."""

    address: str
    bytes: int | None


@dataclass(frozen=True)
class Plan:
    """`needed`: bytes that must be free, as far as they are known, for the files and what is made
    of them; `free`: those that are, on the disk of `store`."""

    model: str
    files: tuple[Planned, ...]
    needed: int
    free: int
    store: Path

    @property
    def bytes(self) -> int | None:
        """Of all files, None where that of one is not known."""
        known = [file.bytes for file in self.files if file.bytes is not None]
        return sum(known) if len(known) == len(self.files) else None


def plan(model: str, files: Sequence[Planned], copies: int) -> Plan:
    """The plan of files of which `copies` times their size is taken in the end."""
    folder = store = zoo_home()
    while not folder.exists():
        folder = folder.parent
    needed = copies * sum(file.bytes or 0 for file in files)
    return Plan(model, tuple(files), needed, shutil.disk_usage(folder).free, store)
