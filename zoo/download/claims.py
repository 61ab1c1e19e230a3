"""What others say a file's digest is, and whether it holds."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import google_crc32c

from zoo.errors import CheckpointError, DownloadError

Algorithm = Literal["sha256", "md5", "crc32c"]


@dataclass(frozen=True)
class Claim:
    """`digest`: lower-case hexadecimal, the whole or as many first digits as `source` gave."""

    algorithm: Algorithm
    digest: str
    source: str


class Hasher(Protocol):
    """The part of `hashlib`'s interface that is used here."""

    def update(self, data: bytes, /) -> object:
        """Take in more bytes."""
        ...

    def hexdigest(self) -> str:
        """Lower-case hexadecimal digits."""
        ...


def new_hasher(algorithm: Algorithm) -> Hasher:
    """A hasher of no bytes yet."""
    if algorithm == "crc32c":
        return _Crc32c()
    return hashlib.new(algorithm, usedforsecurity=False)


def check_claims(address: str, claims: Iterable[Claim], digests: Mapping[Algorithm, str]) -> None:
    """Compare what is claimed of a file with what it has, as far as it was computed.

    Raises:
        DownloadError: a digest differs.
    """
    for claim in claims:
        found = digests.get(claim.algorithm, claim.digest)
        if not found.startswith(claim.digest):
            raise DownloadError(
                f"{address}: wrong bytes: {claim.algorithm} {found}, but {claim.source} says "
                f"{claim.digest}; they are not used"
            )


def check_space_claim(reference: str, space: str, claim: Claim | None) -> None:
    """See that a package that was just made has the space that it must have.

    Raises:
        CheckpointError: it has another.
    """
    if claim is not None and space != claim.digest:
        raise CheckpointError(
            f"{reference}: its space is {space}, but {claim.source} says {claim.digest}: these are "
            "other weights, or another way to prepare photos; it is not installed"
        )


def check_agreement(address: str, claims: Iterable[Claim]) -> None:
    """See that no two claims contradict each other, before a long download.

    Raises:
        DownloadError: two do.
    """
    first: dict[Algorithm, Claim] = {}
    for claim in claims:
        other = first.setdefault(claim.algorithm, claim)
        length = min(len(claim.digest), len(other.digest))
        if claim.digest[:length] != other.digest[:length]:
            raise DownloadError(
                f"{address}: {claim.source} says its {claim.algorithm} is {claim.digest}, "
                f"{other.source} says {other.digest}; it is not downloaded"
            )


class _Crc32c:
    def __init__(self) -> None:
        self._checksum = google_crc32c.Checksum()

    def update(self, data: bytes) -> None:
        self._checksum.update(data)

    def hexdigest(self) -> str:
        digits: str = self._checksum.digest().hex()
        return digits
