"""Where packages live: the built-in one, and `$ZOO_HOME/packages/<name>/<version>/`."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import platformdirs

from zoo.errors import PackageError, UnknownModelError
from zoo.manifest import split_reference
from zoo.package import MANIFEST, Package, read_package

BUILTIN = Path(__file__).parent / "builtin"


def zoo_home() -> Path:
    """The folder of everything the zoo keeps: `$ZOO_HOME`, else the user's data folder."""
    return Path(os.environ.get("ZOO_HOME") or platformdirs.user_data_path("encoder-zoo"))


def list_packages() -> tuple[list[Package], dict[Path, str]]:
    """Every package, by name and version, and the folders that are none, each with the reason."""
    packages, broken = [], {}
    for folder in _folders():
        try:
            packages.append(read_package(folder))
        except PackageError as error:
            broken[folder] = str(error)
    packages.sort(key=lambda p: (p.manifest.name, version_key(p.manifest.version)))
    return packages, broken


def find_package(reference: str) -> Package:
    """The package `name@version`, or the newest version of `name`; one's own before the built-in.

    Raises:
        UnknownModelError: there is none (the nearest names are suggested).
        PackageError: it is damaged.
    """
    try:
        name, version = split_reference(reference)
    except ValueError as error:
        raise UnknownModelError(str(error)) from None
    folders = [f for f in _folders() if f.parent.name == name and version in (None, f.name)]
    if not folders:
        names = sorted({folder.parent.name for folder in _folders()})
        near = get_close_matches(name, names, n=3) or names
        raise UnknownModelError(f"no model {reference!r} is installed; there is {', '.join(near)}")
    return read_package(max(folders, key=lambda f: version_key(f.name)))


@contextmanager
def new_package(name: str, version: str) -> Iterator[Path]:
    """A private folder to make a package in; renamed into place when the block ends well.

    Raises:
        PackageError: that version exists already, or what was made is not a package.
    """
    target = zoo_home() / "packages" / name / version
    if target.exists():
        raise PackageError(f"{name}@{version} is installed already: choose another version")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        yield work
        read_package(work)
        work.chmod(0o755)
        for file in work.iterdir():
            file.chmod(0o644)  # some writers leave files private
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def version_key(version: str) -> tuple[tuple[int, int | str], ...]:
    """Orders versions by their numbers: 10 after 9, 1.10 after 1.9."""
    parts = version.replace("-", ".").replace("+", ".").split(".")
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in parts)


def _folders() -> list[Path]:
    """Folders that hold a manifest; the built-in ones first, so that `max` prefers one's own."""
    roots = [BUILTIN, zoo_home() / "packages"]
    return [m.parent for root in roots for m in sorted(root.glob(f"[!.]*/[!.]*/{MANIFEST}"))]
