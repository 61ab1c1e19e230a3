"""Where packages live: the built-in one, and `$ZOO_HOME/packages/<name>/<version>/`.

`$ZOO_HOME` may lie on a network file system: no file is locked. What is made is made under a
private name and renamed into place when whole, what is removed is renamed away first, and both
happen wholly or not at all, for every machine that looks.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path

import platformdirs

from zoo.errors import InstalledError, PackageError, UnknownModelError
from zoo.files import full_disk_named, write_whole
from zoo.manifest import split_reference
from zoo.package import MANIFEST, Package, read_package

BUILTIN = Path(__file__).parent / "builtin"

_TAGS = ".tags"


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
    """The package `name@version` or `name@tag`, or the newest version of `name`.

    One's own comes before the built-in.

    Raises:
        UnknownModelError: there is none (the nearest names are suggested).
        PackageError: it is damaged.
    """
    try:
        name, version = split_reference(reference)
    except ValueError as error:
        raise UnknownModelError(str(error)) from None
    return _read(package_folder(name, version))


def package_folder(name: str, version: str | None = None) -> Path:
    """Where a package is; the newest without `version`, which may be a tag.

    Raises:
        UnknownModelError: there is none (the nearest names are suggested).
    """
    folders = [f for f in _folders() if f.parent.name == name]
    if version is not None and version not in {f.name for f in folders}:
        tagged = read_tags(name).get(version, version)
        folders = [f for f in folders if f.name == tagged]
    elif version is not None:
        folders = [f for f in folders if f.name == version]
    if not folders:
        raise UnknownModelError(_nothing_found(name, version))
    return max(folders, key=lambda f: version_key(f.name))


def installed_versions(name: str) -> set[str]:
    """The versions of a name, whole or damaged."""
    return {folder.name for folder in _folders() if folder.parent.name == name}


def next_version(name: str) -> str:
    """The number after the newest version of a name."""
    return str(1 + max((int(v) for v in installed_versions(name) if v.isdigit()), default=0))


def builtin_package() -> Package:
    """The package that comes with this program.

    Raises:
        UnknownModelError: this build carries none.
    """
    folders = [path.parent for path in BUILTIN.glob(f"[!.]*/[!.]*/{MANIFEST}")]
    if not folders:
        raise UnknownModelError("there is no built-in model: name an installed one")
    return _read(max(folders, key=lambda f: version_key(f.name)))


def is_superseded(package: Package) -> bool:
    """Whether it comes with this program for the sake of what was embedded with it before: it is
    served where it is named with its version, and a later release may leave it out."""
    if not package.path.is_relative_to(BUILTIN):
        return False
    versions = (path.parent.name for path in package.path.parent.glob(f"[!.]*/{MANIFEST}"))
    return package.path.name != max(versions, key=version_key)


@contextmanager
def new_package(name: str, version: str) -> Iterator[Path]:
    """A private folder to make a package in; renamed into place when the block ends well.

    Raises:
        InstalledError: that version exists already.
        PackageError: what was made is not that package.
        NoSpaceError: the disk became full; nothing is left behind.
    """
    check_free(name, version)
    target = zoo_home() / "packages" / name / version
    with full_disk_named(f"{name}@{version}", zoo_home()):
        yield from _made(name, version, target)


def _made(name: str, version: str, target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        yield work
        _check_reference(read_package(work), name, version)
        work.chmod(0o755)
        for file in work.iterdir():
            file.chmod(0o644)  # some writers leave files private
        try:
            work.rename(target)
        except OSError as error:  # another process was first
            raise (_installed(name, version) if target.exists() else error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_free(name: str, version: str) -> None:
    """Check that a package may be made under this name, before the long work of making it.

    Raises:
        InstalledError: that version exists already.
        PackageError: it is a tag, or cannot be a name or a version.
    """
    try:
        split_reference(f"{name}@{version}")
    except ValueError as error:
        raise PackageError(str(error)) from None
    if (zoo_home() / "packages" / name / version).exists():
        raise _installed(name, version)
    if version in read_tags(name):
        raise PackageError(f"{name}@{version} is a tag: choose another version, or remove the tag")


def remove_package(name: str, version: str) -> list[str]:
    """Remove a package, damaged or not, and the tags that name it.

    Returns:
        Those tags.

    Raises:
        UnknownModelError: there is none.
        PackageError: it is the built-in one.
    """
    folder = package_folder(name, version)
    if folder.is_relative_to(BUILTIN):
        raise PackageError(f"{name}@{version} comes with this program and stays")
    gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=folder.parent))
    folder.rename(gone / folder.name)
    shutil.rmtree(gone, ignore_errors=True)
    tags = [tag for tag, of in read_tags(name).items() if of == folder.name]
    for tag in tags:
        remove_tag(name, tag)
    return tags


def leftovers(older_than: float = 24 * 3600) -> list[Path]:
    """Private folders whose maker died: untouched for so many seconds."""
    found = []
    for folder in (zoo_home() / "packages").glob("*/.*-*"):
        with suppress(FileNotFoundError):  # its maker lives, and has just renamed it
            touched = max(p.stat().st_mtime for p in (folder, *folder.rglob("*")))
            if time.time() - touched > older_than:
                found.append(folder)
    return sorted(found)


def read_tags(name: str) -> dict[str, str]:
    """The tags of a name: `{tag: version}`."""
    folder = zoo_home() / "packages" / name / _TAGS
    return {path.name: path.read_text() for path in sorted(folder.glob("[!.]*"))}


def set_tag(name: str, tag: str, version: str) -> None:
    """Let `name@tag` mean a version that is installed, from now on.

    Raises:
        UnknownModelError: it is not installed.
        PackageError: the tag is a version, or cannot be one.
    """
    version = package_folder(name, version).name
    try:
        split_reference(f"{name}@{tag}")
    except ValueError:
        raise PackageError(f"{tag!r} cannot be a tag: letters, digits, . + _ -") from None
    if tag in installed_versions(name):
        raise PackageError(f"{name}@{tag} is a version: choose another tag")
    folder = zoo_home() / "packages" / name / _TAGS
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / tag, version.encode())
    (folder / tag).chmod(0o644)  # others may share the store


def remove_tag(name: str, tag: str) -> None:
    """Forget a tag.

    Raises:
        UnknownModelError: there is none.
    """
    if tag not in read_tags(name):
        raise UnknownModelError(f"{name} has no tag {tag!r}")
    (zoo_home() / "packages" / name / _TAGS / tag).unlink()


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Orders versions by their numbers: 10 after 9, 1.10 after 1.9, and 2 after 2-rc1."""
    parts = version.replace("-", ".").replace("+", ".").split(".")
    # A word sorts before the end of a version, and the end before a further number.
    keys = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
    return (*keys, (1, 0, ""))


def _installed(name: str, version: str) -> InstalledError:
    return InstalledError(f"{name}@{version} is installed already: choose another version")


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


def _nothing_found(name: str, version: str | None) -> str:
    from zoo import catalog  # noqa: PLC0415 - only what is not found is looked for there

    reference = name if version is None else f"{name}@{version}"
    folders = _folders()
    missing = f"no model {reference!r} is installed"
    versions = sorted({f.name for f in folders if f.parent.name == name}, key=version_key)
    if versions:
        return f"{missing}; there is {', '.join(f'{name}@{v}' for v in versions)}"
    known = {entry.name for entry in catalog.load_catalog()}
    if name in known:
        return f"{missing}: `zoo pull {name}` installs it"
    installed = {folder.parent.name for folder in folders}
    near = get_close_matches(name.casefold(), sorted(installed | known), n=3)
    if near:
        return f"{missing}; did you mean {', '.join(near)}?"
    if not installed:
        return f"no model is installed, so there is no {reference!r}"
    return f"{missing}; there is {', '.join(sorted(installed))}"


def _folders() -> list[Path]:
    """Folders that hold a manifest, one for a version: one's own before the built-in one."""
    found: dict[tuple[str, str], Path] = {}
    for root in (zoo_home() / "packages", BUILTIN):
        for manifest in sorted(root.glob(f"[!.]*/[!.]*/{MANIFEST}")):
            folder = manifest.parent
            found.setdefault((folder.parent.name, folder.name), folder)
    return list(found.values())
