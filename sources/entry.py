"""What a source has: its images, and what was passed over; and what is wrong with a source."""

from dataclasses import dataclass


class DataError(ValueError):
    """Data that cannot be used; the message names it and says what to do."""


class TooMuchError(DataError):
    """More files, or more bytes once unpacked, than the caller allows."""


@dataclass(frozen=True)
class Entry:
    """One image: its path inside the source, its label ("" for none) and its split ("" for none).

    A path is as the source has it: a byte that is not UTF-8 is a lone surrogate there, as Python
    holds it; `zoo.text.escaped` makes it fit to be shown. Labels are trimmed, NFC and printable.
    """

    path: str
    label: str
    split: str


@dataclass(frozen=True)
class PassedOver:
    """A file that is no entry, and why. Directories are not counted: zips may leave them out."""

    path: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The images of a source, and its other files."""

    entries: list[Entry]
    passed_over: list[PassedOver]
