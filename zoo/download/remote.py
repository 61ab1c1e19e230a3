"""What a transfer needs of the other side, and what it tells the user."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from zoo.download.claims import Claim
from zoo.errors import DownloadError


@dataclass(frozen=True)
class Answer:
    """Bytes of one file from `offset` on.

    `offset` is what was asked for, or 0 where the file is no longer the one that `validator` named.
    `total` is the length of the whole file. `validator` names these very bytes, so that the rest
    can be asked for later; None where that cannot be.
    """

    offset: int
    total: int | None
    validator: str | None
    claims: tuple[Claim, ...]
    chunks: Iterator[bytes]


class Remote(Protocol):
    """A file elsewhere."""

    @property
    def address(self) -> str:
        """Where it is, without secrets; what messages say and first digests are held by."""
        ...

    def open(self, offset: int, validator: str | None) -> AbstractContextManager[Answer]:
        """Ask for the bytes from `offset` on, of the file that `validator` names.

        Raises:
            TransientError: it may go better the next time.
            DownloadError: it will not.
        """
        ...


class TransferProgress(Protocol):
    """What is told while files arrive."""

    def at(self, name: str, done: int, total: int | None) -> None:
        """So many bytes of a file are here."""
        ...

    def note(self, message: str) -> None:
        """Something that a user should know."""
        ...


class Silent:
    """Tells nobody."""

    def at(self, name: str, done: int, total: int | None) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""


class NotThereError(DownloadError):
    """No file of that name."""


class TransientError(DownloadError):
    """What may go better the next time.

    `retry_after` (seconds) is what the server asked for. `stale`: what is here of the file cannot
    be continued. `silent`: nobody answered. `progressed`: some of the file arrived in this attempt.
    """

    def __init__(
        self, message: str, retry_after: float = 0, stale: bool = False, silent: bool = False
    ) -> None:
        super().__init__(message)
        self.silent = silent
        self.retry_after = retry_after
        self.stale = stale
        self.progressed = False
