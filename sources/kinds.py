"""The table of kinds of sources. A new kind is one file and one row, or a call of `register`."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sources import folder, parquet, tar_files, zip_files
from sources.entry import DataError, Entry, Listing
from sources.listed import list_members
from sources.members import Member


def _stem(source: Path) -> str:
    return source.stem or source.resolve().stem


def _itself(source: Path, _: list[Entry]) -> list[Path]:
    return [source]


@dataclass(frozen=True)
class Kind:
    """What a kind of source can do; each function raises DataError with the source's name.

    `owns`: whether a source is of this kind; the first row that says so reads it.
    `listing`: its images; it need not read splits other than that given, if one is.
    `read`: the encoded bytes of entries, in any order, each with its position among them; no bytes
    of what cannot be read. `files`: those whose size and time tell that the source has changed.
    `title`: what to call a source in files and figures.
    """

    name: str
    owns: Callable[[Path], bool]
    listing: Callable[[Path, str | None], Listing]
    read: Callable[[Path, list[Entry]], Iterator[tuple[int, bytes]]]
    files: Callable[[Path, list[Entry]], list[Path]] = _itself
    title: Callable[[Path], str] = _stem


def kind_of(source: Path) -> Kind:
    """The kind of a source.

    Raises:
        DataError: there is no such source.
    """
    for kind in [*_registered.values(), *_KINDS]:
        if kind.owns(source):
            return kind
    raise DataError(f"{source}: no such folder, tar, zip or Parquet file")


def register(kind: Kind) -> None:
    """Add a kind, asked before those of the table."""
    _registered[kind.name] = kind


_registered: dict[str, Kind] = {}


def _of_files(
    name: str,
    owns: Callable[[Path], bool],
    scan: Callable[[Path], Iterator[Member]],
    read: Callable[[Path, Collection[str]], Iterator[tuple[str, bytes]]],
    files: Callable[[Path, list[Entry]], list[Path]] = _itself,
) -> Kind:
    """A kind that holds image files under paths, to which the layout rules apply."""

    def listing(source: Path, _: str | None) -> Listing:
        return list_members(source, scan(source))

    return Kind(name, owns, listing, partial(_read, read), files)


def _read(
    read: Callable[[Path, Collection[str]], Iterator[tuple[str, bytes]]],
    source: Path,
    entries: list[Entry],
) -> Iterator[tuple[int, bytes]]:
    position = {entry.path: index for index, entry in enumerate(entries)}
    for path, data in read(source, position):
        yield position[path], data


_KINDS = (
    Kind(
        "parquet",
        parquet.is_parquet,
        lambda source, _: parquet.list_rows(source),
        parquet.read_rows,
        files=lambda source, _: parquet.parquet_files(source),
    ),
    _of_files(
        "folder",
        folder.is_folder,
        folder.scan,
        folder.read,
        files=lambda source, entries: [source / entry.path for entry in entries],
    ),
    _of_files("zip", zip_files.is_zip, zip_files.scan, zip_files.read),
    _of_files("tar", tar_files.is_file, tar_files.scan, tar_files.read),  # last: any other file
)
