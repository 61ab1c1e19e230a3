"""A part of a source: a folder of it, a split of it, or both."""

from dataclasses import dataclass
from pathlib import Path

from sources.entry import DataError, Entry


@dataclass(frozen=True)
class Subset:
    """The images of a source under the folder `prefix` ("" for all), of one split or of all."""

    prefix: str = ""
    split: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Subset":
        """`folder`, `folder:split` or `:split`."""
        prefix, _, split = text.partition(":")
        return cls(prefix.strip("/"), split or None)

    def select(self, entries: list[Entry]) -> list[Entry]:
        """The entries that belong to it."""
        inside = f"{self.prefix}/" if self.prefix else ""
        return [
            entry
            for entry in entries
            if entry.path.startswith(inside) and self.split in (None, entry.split)
        ]

    def found(self, source: Path, entries: list[Entry]) -> list[Entry]:
        """The entries of `source` that belong to it, at least one.

        Raises:
            DataError: there is none; the message says which parts there are.
        """
        chosen = self.select(entries)
        if not chosen:
            folders = sorted({e.path.split("/")[0] for e in entries if "/" in e.path})
            splits = sorted({e.split for e in Subset(self.prefix).select(entries)})
            wanted = f"under {self.prefix!r}" if self.prefix else ""
            wanted += f" of split {self.split!r}" if self.split else ""
            raise DataError(
                f"{source}: no images {wanted.strip()}; "
                + (f"its splits are {splits}" if splits else f"its folders are {folders}")
            )
        return chosen
