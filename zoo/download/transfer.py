"""One file from a remote into a private folder: tried again, continued, checked, then named."""

import errno
import random
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from zoo.download.claims import Claim, check_agreement, check_claims
from zoo.download.part import Part
from zoo.download.remote import Answer, Remote, TransferProgress, TransientError
from zoo.errors import DownloadError, NoSpaceError

TRIES = 7
"""Attempts in a row in which nothing arrives, before it is given up."""

SILENT_TRIES = 2
"""The same where nobody ever answered: there is no network, or no such host, and time is wasted."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between attempts: doubled each time, half of it by chance."""

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """A file to fetch: its name here, where it is, and what is known of it beforehand.

    copies: times its size for which the disk must have room, with what is made of it.
    """

    name: str
    remote: Remote
    claims: tuple[Claim, ...] = ()
    size: int | None = None
    copies: int = 1


def fetch(wanted: Wanted, folder: Path, progress: TransferProgress) -> str:
    """Bring a file into `folder/whole/`, going on where an earlier pull stopped.

    Its length and every digest that the caller or the server gave are checked before it has its
    name.

    Returns:
        Its SHA-256.

    Raises:
        DownloadError: it cannot be had, or is not what was promised.
        NoSpaceError: the disk has no room for it.
    """
    address = wanted.remote.address
    try:
        part = Part(folder, wanted.name, address)
        try:
            digest = part.proven()
            if digest is None:
                retrying(lambda: _attempt(wanted, part, progress), progress)
                digest = part.digests()["sha256"]
                part.finish()
            check_claims(address, wanted.claims, {"sha256": digest})
        finally:
            with suppress(OSError):  # a full disk has been reported
                part.close()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpaceError(
            f"{wanted.name}: the disk of {folder} is full; what has arrived is kept: make room and "
            "pull again, or `zoo prune`"
        ) from error
    return digest


def read_small(remote: Remote, limit: int, progress: TransferProgress) -> bytes:
    """The bytes of a small file, at most `limit`.

    Raises:
        DownloadError: it cannot be had, or is larger.
    """

    def attempt() -> bytes:
        content = b""
        with remote.open(0, None) as answer:
            for chunk in answer.chunks:
                content += chunk
                if len(content) > limit:
                    raise DownloadError(f"{remote.address}: larger than {limit:,} bytes: refused")
        if answer.total not in (None, len(content)):
            raise TransientError(f"{remote.address}: the connection was closed half-way")
        return content

    return retrying(attempt, progress)


def retrying(attempt: Callable[[], T], progress: TransferProgress) -> T:
    """Attempt until it succeeds, pausing longer each time nothing arrives.

    Raises:
        DownloadError: it will not succeed, or did not for `TRIES` times in a row.
    """
    failures, heard = 0, False
    while True:
        try:
            return attempt()
        except TransientError as error:
            failures = 1 if error.progressed else failures + 1
            heard = heard or error.progressed or not error.silent
            tries = TRIES if heard else SILENT_TRIES
            if failures >= tries:
                raise DownloadError(f"{error}; given up after {tries} attempts") from error
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1))
            pause = max(pause * random.uniform(0.5, 1), error.retry_after)  # noqa: S311
            progress.note(f"{error}; trying again in {pause:.1f} s")
            time.sleep(pause)


def check_space(folder: Path, needed: int, what: str) -> None:
    """See that a disk has room.

    Raises:
        NoSpaceError: it has not.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceError(
            f"{what} needs {needed / 1e6:,.0f} MB, {folder} has {free / 1e6:,.0f} MB free: "
            "`zoo prune` frees what is left over, ZOO_HOME names another disk"
        )


def _attempt(wanted: Wanted, part: Part, progress: TransferProgress) -> None:
    """Receive what is missing, and check the whole."""
    begun, version = part.offset, part.validator
    try:
        _receive(wanted, part, progress)
    except TransientError as error:
        if error.stale:
            part.restart(None, None)
        error.progressed = part.validator == version and part.offset > begun
        raise


def _receive(wanted: Wanted, part: Part, progress: TransferProgress) -> None:
    remote, begun = wanted.remote, part.offset
    # With every byte here, but killed before the checks: ask for what the server says of the file.
    complete = part.total is not None and part.offset == part.total
    with remote.open(*((0, None) if complete else (part.offset, part.validator))) as answer:
        claims = (*wanted.claims, *answer.claims)
        check_agreement(remote.address, claims)
        total = _total(wanted, answer, claims)
        if not (complete and answer.validator == part.validator and total == part.total):
            if answer.offset == 0:
                part.restart(answer.validator, total)
            check_space(part.folder, wanted.copies * (total or 0) - part.offset, wanted.name)
            part.hash_with(claim.algorithm for claim in claims)
            for chunk in answer.chunks:
                part.write(chunk)
                progress.at(wanted.name, part.offset, total)
    if total is not None and part.offset < total:
        raise TransientError(f"{remote.address}: the connection was closed half-way")
    part.hash_with(claim.algorithm for claim in claims)
    try:
        if total is not None and part.offset > total:
            raise DownloadError(f"{remote.address}: more bytes than the {total:,} it has")
        check_claims(remote.address, claims, part.digests())
    except DownloadError as error:
        part.restart(None, None)
        if begun:  # two versions may have met: once more from the beginning
            raise TransientError(str(error), stale=True) from error
        raise


def _total(wanted: Wanted, answer: Answer, claims: tuple[Claim, ...]) -> int | None:
    address = wanted.remote.address
    if wanted.size is not None and answer.total not in (None, wanted.size):
        raise DownloadError(
            f"{address}: {answer.total:,} bytes, where {wanted.size:,} are expected"
        )
    total = wanted.size if answer.total is None else answer.total
    if total is None and not claims:
        raise DownloadError(
            f"{address}: the server tells neither length nor digest, so nothing proves it whole"
        )
    return total
