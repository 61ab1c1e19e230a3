"""A public checkpoint of the catalog: its sources in order, then its conversion."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from zoo.catalog import CatalogEntry, CatalogFile, CatalogSource
from zoo.download import first_use
from zoo.download.claims import Algorithm, Claim, check_claims
from zoo.download.folders import discard, folder_bytes, private_folder
from zoo.download.http import HttpFile, shown
from zoo.download.plan import Plan, Planned, plan
from zoo.download.remote import Remote, TransferProgress
from zoo.download.transfer import Wanted, check_space, fetch
from zoo.errors import CheckpointError, DownloadError, InstalledError
from zoo.manifest import Source
from zoo.package import Package, file_digest
from zoo.store import find_package


class Convert(Protocol):
    """What makes a package of files, and refuses to where `space` is named and it has another."""

    def __call__(
        self,
        entry: CatalogEntry,
        source: CatalogSource,
        files: dict[str, Path],
        sources: tuple[Source, ...],
        space: Claim | None,
    ) -> Package:
        """Make it, prove it, install it.

        Raises:
            CheckpointError: the files are refused.
        """
        ...


@dataclass(frozen=True)
class Choice:
    """What the user chose of a catalog entry.

    space: that the package must have. source: the number of the one to take, from 1, whatever it
    holds; without it, one whose weights cannot be known to be those of the first is left alone.
    mirror: gives the copy of a file by `HOST/PATH` of its address; asked first, and used only where
    a digest of the file or the space is known.
    """

    space: Claim | None = None
    source: int | None = None
    mirror: Callable[[str], Remote] | None = None


def pull_entry(
    entry: CatalogEntry,
    client: httpx.Client,
    convert: Convert,
    progress: TransferProgress,
    choice: Choice | None = None,
) -> Package:
    """Download a checkpoint from the first of its sources that has it whole, and convert it.

    What was downloaded stays for the next try until `convert` has succeeded or refused it.
    A source that fails is followed by the next, where that is known to have the same weights; a
    conversion that fails is not. Once they are converted, an address is held to the bytes it gave,
    and the name to its space: not earlier, or a portal's web page in place of the file would be
    what it must give ever after.

    Raises:
        DownloadError: no source has it; the message gives each one's reason.
        CheckpointError: `convert` refused the files; they are removed, the next try has new ones.
        NoSpaceError: the disk has no room.
    """
    choice = choice or Choice()
    reasons: list[str] = []
    space = choice.space or _held_space(entry, choice)
    for number, source in _sources(entry, choice):
        if reason := _unknown(number, source, choice, space):
            reasons.append(reason)
            continue
        with private_folder(_key(entry, source)) as folder:
            try:
                digests = _fetch_all(source, folder, client, choice, progress)
            except DownloadError as error:
                if str(error) not in reasons:  # --offline is one reason for all
                    reasons.append(str(error))
                    progress.note(str(error))
                continue
            files = {file.name: folder / "whole" / file.name for file in source.files}
            try:
                package = convert(entry, source, files, _origin(entry, source, digests), space)
            except InstalledError:  # by another pull meanwhile
                package = find_package(entry.reference)
            except CheckpointError:
                discard(folder)
                raise
            _hold(entry, source, digests, package, choice)
            discard(folder)
            return package
    raise DownloadError(f"no source has {entry.reference}: {'; '.join(reasons)}")


def take_entry(
    entry: CatalogEntry, folder: Path, convert: Convert, choice: Choice | None = None
) -> Package:
    """Convert a checkpoint whose files, by their publisher's names, someone laid into a folder.

    Raises:
        DownloadError: a file is missing, or is not the one that is known by its digest.
        CheckpointError: `convert` refused the files.
    """
    choice = choice or Choice()
    lists = []
    for _, source in _sources(entry, choice):
        files = {file.name: folder / file.name for file in source.files}
        if not all(path.is_file() for path in files.values()):
            lists.append(" and ".join(files))
            continue
        digests = {name: file_digest(path) for name, path in files.items()}
        for file in source.files:
            path = files[file.name]
            found: dict[Algorithm, str] = {"sha256": digests[file.name]}
            if file.md5:
                with path.open("rb") as content:
                    found["md5"] = hashlib.file_digest(content, "md5").hexdigest()
            check_claims(str(path), _claims(file), found)
        space = choice.space or _held_space(entry, choice)
        return convert(entry, source, files, _origin(entry, source, digests), space)
    raise DownloadError(
        f"{folder}: the files of {entry.reference} are not in it; they are {', or '.join(lists)}"
    )


def plan_entry(entry: CatalogEntry, choice: Choice | None = None) -> Plan:
    """What `pull_entry` would ask for first, without a mirror's copies."""
    _, source = next(_sources(entry, choice or Choice()))
    files = [Planned(_address(file), file.size) for file in source.files]
    return plan(entry.reference, files, copies=2)


def _sources(entry: CatalogEntry, choice: Choice) -> Iterator[tuple[int, CatalogSource]]:
    if choice.source is not None and choice.source > len(entry.sources):
        raise DownloadError(
            f"{entry.reference} has {len(entry.sources)} sources, none of number {choice.source}"
        )
    for number, source in enumerate(entry.sources, 1):
        if choice.source in (None, number):
            yield number, source


def _unknown(number: int, source: CatalogSource, choice: Choice, space: Claim | None) -> str | None:
    """Why a source is left alone: a name must not come to mean other weights by an accident."""
    known = space is not None or all(_pinned(file) for file in source.files)
    if number == 1 or choice.source or known:
        return None
    return (
        f"source {number} ({_address(source.files[0])}) may hold other weights, and nothing here "
        f"tells; --source {number} takes it"
    )


def _held_space(entry: CatalogEntry, choice: Choice) -> Claim | None:
    """That which the name had when it was first converted here; nothing where a source is named."""
    return None if choice.source else next(iter(first_use.held(entry.reference)), None)


def _fetch_all(
    source: CatalogSource,
    folder: Path,
    client: httpx.Client,
    choice: Choice,
    progress: TransferProgress,
) -> dict[str, str]:
    known = sum(file.size or 0 for file in source.files)
    # The package that is made of it takes about as much again.
    needed = 2 * known - folder_bytes(folder)
    check_space(folder, needed, "the checkpoint with its conversion")
    return {file.name: _fetch(file, folder, client, choice, progress) for file in source.files}


def _fetch(
    file: CatalogFile,
    folder: Path,
    client: httpx.Client,
    choice: Choice,
    progress: TransferProgress,
) -> str:
    claims = _claims(file)
    if choice.mirror is not None:
        copy = choice.mirror(_address(file).partition("://")[2])
        if not claims and choice.space is None:
            progress.note(
                f"{copy.address}: not asked for, since no digest of it is known; `--digest` "
                "demands a space, and a catalog of one's own can name digests"
            )
        else:
            try:
                return fetch(Wanted(file.name, copy, claims, copies=2), folder, progress)
            except DownloadError as error:
                progress.note(f"{error}; its publisher is asked")
    remote = HttpFile(client, file.url)
    return fetch(Wanted(file.name, remote, claims, copies=2), folder, progress)


def _origin(
    entry: CatalogEntry, source: CatalogSource, digests: dict[str, str]
) -> tuple[Source, ...]:
    return tuple(
        Source(name=file.url, terms=entry.weights_licence, sha256=digests[file.name])
        for file in source.files
    )


def _hold(
    entry: CatalogEntry,
    source: CatalogSource,
    digests: dict[str, str],
    package: Package,
    choice: Choice,
) -> None:
    for file in source.files:
        if not _pinned(file) and choice.mirror is None:
            first_use.hold(_address(file), digests[file.name])
    first_use.hold(entry.reference, package.manifest.space)


def _claims(file: CatalogFile) -> tuple[Claim, ...]:
    claims = []
    if file.sha256:
        claims.append(Claim("sha256", file.sha256, "the catalog"))
    if file.md5:
        claims.append(Claim("md5", file.md5, "the catalog"))
    if not _pinned(file):
        claims += first_use.held(_address(file))
    return tuple(claims)


def _pinned(file: CatalogFile) -> bool:
    return file.sha256 is not None and len(file.sha256) == 64


def _address(file: CatalogFile) -> str:
    return shown(httpx.URL(file.url))


def _key(entry: CatalogEntry, source: CatalogSource) -> str:
    urls = "\n".join(file.url for file in source.files)
    return f"{entry.reference}-{hashlib.sha256(urls.encode()).hexdigest()[:8]}"
