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
            packages.append(_read(folder))
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
        raise UnknownModelError(_nothing_found(name, reference))
    return _read(max(folders, key=lambda f: version_key(f.name)))


def builtin_package() -> Package:
    """The package that comes with this program.

    Raises:
        UnknownModelError: this build carries none.
    """
    folders = [path.parent for path in BUILTIN.glob(f"[!.]*/[!.]*/{MANIFEST}")]
    if not folders:
        raise UnknownModelError("there is no built-in model: name an installed one")
    return _read(max(folders, key=lambda f: version_key(f.name)))


@contextmanager
def new_package(name: str, version: str) -> Iterator[Path]:
    """A private folder to make a package in; renamed into place when the block ends well.

    Raises:
        PackageError: that version exists already, or what was made is not that package.
    """
    try:
        split_reference(f"{name}@{version}")
    except ValueError as error:
        raise PackageError(str(error)) from None
    target = zoo_home() / "packages" / name / version
    if target.exists():
        raise PackageError(f"{name}@{version} is installed already: choose another version")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        yield work
        _check_reference(read_package(work), name, version)
        work.chmod(0o755)
        for file in work.iterdir():
            file.chmod(0o644)  # some writers leave files private
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Orders versions by their numbers: 10 after 9, 1.10 after 1.9, and 2 after 2-rc1."""
    parts = version.replace("-", ".").replace("+", ".").split(".")
    # A word sorts before the end of a version, and the end before a further number.
    keys = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
    return (*keys, (1, 0, ""))


def _read(folder: Path) -> Package:
    package = read_package(folder)
    _check_reference(package, folder.parent.name, folder.name)
    return package


def _check_reference(package: Package, name: str, version: str) -> None:
    if package.manifest.reference != f"{name}@{version}":
        raise PackageError(
            f"{package.path}: its manifest is of {package.manifest.reference}, its place is that "
            f"of {name}@{version}"
        )


def _nothing_found(name: str, reference: str) -> str:
    folders = _folders()
    if not folders:
        return f"no model is installed, so there is no {reference!r}"
    versions = sorted({f.name for f in folders if f.parent.name == name}, key=version_key)
    names = sorted({folder.parent.name for folder in folders})
    near = [f"{name}@{v}" for v in versions] or get_close_matches(name, names, n=3) or names
    return f"no model {reference!r} is installed; there is {', '.join(near)}"


def _folders() -> list[Path]:
    """Folders that hold a manifest; one's own first, so that `max` prefers them."""
    roots = [zoo_home() / "packages", BUILTIN]
    return [m.parent for root in roots for m in sorted(root.glob(f"[!.]*/[!.]*/{MANIFEST}"))]
