"""What the store holds and nothing needs."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.download import discard, unfinished
from zoo.download.folders import folder_bytes
from zoo.store import BUILTIN, leftovers, list_packages, read_tags, remove_package


@dataclass(frozen=True)
class Unneeded:
    """A folder that may go: what it is, where, and how large. `model`: the version in it."""

    what: str
    path: Path
    bytes: int
    model: tuple[str, str] | None = None


def find_unneeded(old_versions: bool = False) -> list[Unneeded]:
    """Unfinished downloads and what killed commands left; a download that is under way stays.

    Args:
        old_versions: also versions that are neither the newest nor tagged.
    """
    return [*_downloads(), *_leftovers(), *(_old_versions() if old_versions else ())]


def remove_unneeded(found: Unneeded) -> None:
    """Remove it."""
    if found.model is not None:
        remove_package(*found.model)
    elif found.path.name.startswith("."):
        shutil.rmtree(found.path, ignore_errors=True)
    else:
        discard(found.path)


def _downloads() -> Iterator[Unneeded]:
    for download in unfinished():
        if not download.live:
            what = f"unfinished download of {download.key}"
            yield Unneeded(what, download.path, download.bytes)


def _leftovers() -> Iterator[Unneeded]:
    for path in leftovers():
        yield Unneeded(f"left by a killed command: {path}", path, folder_bytes(path))


def _old_versions() -> Iterator[Unneeded]:
    packages = [p for p in list_packages()[0] if not p.path.is_relative_to(BUILTIN)]
    newest = {p.manifest.name: p.path for p in packages}  # in order of versions
    for package in packages:
        manifest = package.manifest
        tagged = manifest.version in read_tags(manifest.name).values()
        if package.path != newest[manifest.name] and not tagged:
            yield Unneeded(
                f"old version {manifest.reference}",
                package.path,
                sum(file.bytes for file in manifest.files.values()),
                (manifest.name, manifest.version),
            )
