"""A public checkpoint of the catalog: its sources in order, then its conversion."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from zoo.catalog import CatalogEntry, CatalogFile, CatalogSource
from zoo.download import first_use
from zoo.download.claims import Claim
from zoo.download.folders import discard, folder_bytes, private_folder
from zoo.download.http import HttpFile, shown
from zoo.download.remote import TransferProgress
from zoo.download.transfer import Wanted, check_space, fetch
from zoo.errors import CheckpointError, DownloadError, InstalledError
from zoo.manifest import Source
from zoo.package import Package
from zoo.store import find_package

Convert = Callable[[CatalogEntry, CatalogSource, dict[str, Path], tuple[Source, ...]], Package]


def pull_entry(
    entry: CatalogEntry, client: httpx.Client, convert: Convert, progress: TransferProgress
) -> Package:
    """Download a checkpoint from the first of its sources that has it whole, and convert it.

    What was downloaded stays for the next try until `convert` has succeeded or refused it.
    A source that fails is followed by the next; a conversion that fails is not, for no other
    weights may stand in. Once they are converted, an address is held to the bytes it gave: not
    earlier, or a portal's web page in place of the file would be what it must give ever after.

    Raises:
        DownloadError: no source has it; the message gives each one's reason.
        CheckpointError: `convert` refused the files; they are removed, the next try has new ones.
        NoSpaceError: the disk has no room.
    """
    reasons = []
    for source in entry.sources:
        with private_folder(_key(entry, source)) as folder:
            try:
                digests = _fetch_all(source, folder, client, progress)
            except DownloadError as error:
                if str(error) not in reasons:  # --offline is one reason for all
                    reasons.append(str(error))
                    progress.note(str(error))
                continue
            files = {file.name: folder / "whole" / file.name for file in source.files}
            origin = tuple(
                Source(name=file.url, terms=entry.weights_licence, sha256=digests[file.name])
                for file in source.files
            )
            try:
                package = convert(entry, source, files, origin)
            except InstalledError:  # by another pull meanwhile
                package = find_package(entry.reference)
            except CheckpointError:
                discard(folder)
                raise
            for file in source.files:
                if not _pinned(file):
                    first_use.hold(_address(file), digests[file.name])
            discard(folder)
            return package
    raise DownloadError(f"no source has {entry.reference}: {'; '.join(reasons)}")


def _fetch_all(
    source: CatalogSource, folder: Path, client: httpx.Client, progress: TransferProgress
) -> dict[str, str]:
    known = sum(file.size or 0 for file in source.files)
    # The package that is made of it takes about as much again.
    needed = 2 * known - folder_bytes(folder)
    check_space(folder, needed, "the checkpoint with its conversion")
    return {
        file.name: fetch(
            Wanted(file.name, HttpFile(client, file.url), _claims(file)), folder, progress
        )
        for file in source.files
    }


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
