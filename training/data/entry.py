"""One image of a source, and what is wrong with a source."""

from dataclasses import dataclass


class DataError(ValueError):
    """Data that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Entry:
    """One image: its path inside the source, its label ("" for none) and its split."""

    path: str
    label: str
    split: str
