"""The files of a folder or an archive, before anyone asks which of them are images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from sources.content import HEAD
from sources.entry import DataError
from zoo.text import escaped

TABLE = "labels.csv"


@dataclass(frozen=True)
class Member:
    """One file: its path, its first bytes (of a `labels.csv` all), or why it cannot be read."""

    path: str
    head: bytes = b""
    problem: str = ""


def is_table(path: str) -> bool:
    """Whether the file is a `labels.csv`, in letters of either case."""
    return PurePosixPath(path).name.lower() == TABLE


def opening(path: str, file: IO[bytes]) -> bytes:
    """What a `Member` keeps of the file's bytes."""
    return file.read() if is_table(path) else file.read(HEAD)


def is_clutter(path: str) -> bool:
    """Hidden files and folders, and what macOS and Windows leave behind."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return hidden or parts[-1].lower() in ("thumbs.db", "desktop.ini")


CLUTTER = "hidden, or left behind by the system"


def inside(name: str) -> str:
    """The path of an archive's entry without `./` and the like ("" for the archive itself).

    Raises:
        DataError: the path leads out of the archive.
    """
    path = PurePosixPath(name)
    drive = path.parts and len(path.parts[0]) == 2 and path.parts[0].endswith(":")
    if path.is_absolute() or ".." in path.parts or drive:
        raise DataError(f"the path {escaped(name)!r} leads out of the archive: make it again")
    return "" if not path.parts else str(path)


def once(path: str, seen: Callable[[str], bool]) -> None:
    """Raises DataError where an entry of an archive has been seen before."""
    if seen(path):
        raise DataError(f"{escaped(path)!r} is in the archive twice: rename one or take it out")
