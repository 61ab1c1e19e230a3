"""A zip: what it holds is told from its directory, and read in pieces within limits."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sources.content import HEAD, is_image
from sources.entry import DataError, TooMuchError
from sources.members import CLUTTER, Member, inside, is_clutter, is_table, once
from sources.zip_names import entry_name
from zoo.text import escaped

_PIECE = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    NotImplementedError,
)
"""What zipfile and its decompressors raise on damaged, encrypted or exotic archives."""


@dataclass(frozen=True)
class Limits:
    """How many files an archive may hold, and how many bytes they may be once unpacked."""

    files: int
    bytes: int


@dataclass
class Zip:
    """An open zip. `problems` are the files that cannot be read, by path, with the reason."""

    paths: list[str]
    problems: dict[str, str]
    _archive: zipfile.ZipFile
    _infos: dict[str, zipfile.ZipInfo]
    _limits: Limits | None
    _unpacked: int = 0

    def image(self, path: str) -> bytes:
        """The bytes of a file; of one that is no image, only the first: they tell what it is.

        Raises:
            DataError: it cannot be unpacked.
            TooMuchError: more than the limit has been unpacked, whatever the directory says.
        """
        return self._read(path, only_images=True)

    def whole(self, path: str) -> bytes:
        """All bytes of a file. Raises as `image`."""
        return self._read(path, only_images=False)

    def head(self, path: str) -> bytes:
        """The first bytes of a file. Raises DataError: it cannot be unpacked."""
        try:
            with self._archive.open(self._infos[path]) as file:
                return file.read(HEAD)
        except _DAMAGED as error:
            raise _broken(path, error) from None

    def _read(self, path: str, only_images: bool) -> bytes:
        content = bytearray()
        try:
            with self._archive.open(self._infos[path]) as file:
                piece = file.read(HEAD)
                goes_on = is_image(piece) or not only_images
                while piece:
                    self._count(len(piece))
                    content += piece
                    piece = file.read(_PIECE) if goes_on else b""
        except TooMuchError:
            raise
        except _DAMAGED as error:
            raise _broken(path, error) from None
        return bytes(content)

    def _count(self, more: int) -> None:
        self._unpacked += more
        if self._limits and self._unpacked > self._limits.bytes:
            raise _too_large(self._limits)


@contextmanager
def open_zip(file: Path | IO[bytes], limits: Limits | None = None) -> Iterator[Zip]:
    """An archive whose entries have been looked through; nothing is unpacked yet.

    Raises:
        DataError: not a zip, damaged, or an entry that leads outside or is there twice.
        TooMuchError: more files, or more bytes by its own account, than the limits.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGED as error:
        raise DataError(f"not a zip file that can be read ({error}): make it again") from None
    with archive:
        yield _looked_through(archive, limits)


def is_zip(source: Path) -> bool:
    """Whether it is a file that begins as a zip does."""
    if not source.is_file():
        return False
    with source.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def scan(source: Path) -> Iterator[Member]:
    """Every file in the archive's order. Raises DataError as `open_zip`."""
    with _named(source), open_zip(source) as archive:
        for path, problem in archive.problems.items():
            yield Member(path, problem=problem)
        for path in archive.paths:
            try:
                read_ = archive.whole if is_table(path) else archive.head
                yield Member(path, read_(path))
            except DataError as error:
                yield Member(path, problem=str(error))


def read(source: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The bytes of the files at these paths, no bytes of one that is damaged."""
    with _named(source), open_zip(source) as archive:
        for path in wanted:
            try:
                yield path, archive.whole(path)
            except DataError:
                yield path, b""


def _looked_through(archive: zipfile.ZipFile, limits: Limits | None) -> Zip:
    infos: dict[str, zipfile.ZipInfo] = {}
    problems: dict[str, str] = {}
    for info in archive.infolist():
        name, problem = entry_name(info)
        path = inside(name.replace("\\", "/"))
        if name.endswith(("/", "\\")) or not path:
            continue
        once(path, lambda p: p in infos or p in problems)
        if problem := _problem(path, info, problem):
            problems[path] = problem
        else:
            infos[path] = info
        counted = len(infos) + sum(p != CLUTTER for p in problems.values()) if limits else 0
        if limits and counted > limits.files + 1:  # one for labels.csv
            raise TooMuchError(f"more than {limits.files:,} files; split it")
    if limits and sum(info.file_size for info in infos.values()) > limits.bytes:
        raise _too_large(limits)
    return Zip(list(infos), problems, archive, infos, limits)


def _problem(path: str, info: zipfile.ZipInfo, of_name: str) -> str:
    if is_clutter(path):
        return CLUTTER
    if of_name:
        return of_name
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link: put the file itself into the zip"
    if info.flag_bits & 1:
        return "encrypted: make the zip again, without a password"
    return ""


def _broken(path: str, error: Exception) -> DataError:
    return DataError(f"{escaped(path)!r} cannot be unpacked ({error}): make the zip again")


def _too_large(limits: Limits) -> TooMuchError:
    return TooMuchError(f"its files are more than {limits.bytes:,} bytes once unpacked; split it")


@contextmanager
def _named(source: Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
