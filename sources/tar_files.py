"""A tar, compressed or not, read front to back. Names are bytes; nothing is written to disk."""

import lzma
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sources.entry import DataError
from sources.members import CLUTTER, Member, inside, is_clutter, once, opening


def is_file(source: Path) -> bool:
    """Any file: the kinds that are told by their first bytes have been asked before."""
    return source.is_file()


def scan(source: Path) -> Iterator[Member]:
    """Every file in the archive's order.

    Raises:
        DataError: not a tar, cut short, or an entry that leads outside or is there twice.
    """
    seen: set[str] = set()
    with _opened(source) as archive:
        for member in archive:
            path = inside(member.name)
            if member.isdir() or not path:
                continue
            once(path, seen.__contains__)
            seen.add(path)
            file = archive.extractfile(member) if member.isreg() else None
            if is_clutter(path):
                yield Member(path, problem=CLUTTER)
            elif file is None:
                link = member.issym() or member.islnk()
                yield Member(path, problem="a link" if link else "not a regular file")
            else:
                yield Member(path, opening(path, file))


def read(source: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The bytes of the files at these paths, in the archive's order."""
    with _opened(source) as archive:
        for member in archive:
            path = inside(member.name)
            if path in wanted and member.isreg():
                file = archive.extractfile(member)
                assert file is not None  # isreg() was checked
                yield path, file.read()


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, encoding="utf-8", errors="surrogateescape") as archive:
            yield archive
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{source}: neither a folder, nor a readable tar or zip, nor Parquet ({error})"
        ) from error
