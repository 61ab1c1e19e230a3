"""Labelled images in an uploaded zip: a folder a class, or a `labels.csv`."""

import csv
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from service.errors import InvalidInputError, TooLargeError

LABELS = "labels.csv"


@dataclass(frozen=True)
class LabelledFile:
    """One file of an archive: its path there, its label (None where it has none), its bytes."""

    path: str
    label: str | None
    content: bytes


def read_archive(data: bytes, *, max_files: int, max_bytes: int) -> list[LabelledFile]:
    """The files of a zip with their labels, in the archive's order. Nothing is written to disk.

    With a `labels.csv` (columns `path` and `label`; paths from where it lies) the files are those
    it lists, in its order; without, every file is labelled with the name of its folder. Hidden
    files and what macOS and Windows add are left out.

    Raises:
        InvalidInputError: not a zip, damaged, encrypted, a path that leads outside, a file in no
            folder, a `labels.csv` that does not fit the files, or nothing in it.
        TooLargeError: more files than `max_files`, or more than `max_bytes` once unpacked.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise InvalidInputError(f"archive: not a zip file that can be read ({error})") from None
    with archive:
        members = _members(archive, max_files)
        reader = _Reader(archive, max_bytes)
        table = _labels_table(members)
        files = list(
            _folder_a_class(reader, members)
            if table is None
            else _as_listed(reader, members, table)
        )
    if not files:
        raise InvalidInputError("archive: there is no file in it")
    return files


class _Reader:
    """Reads members, and counts what they really unpack to: sizes in a zip can be made up."""

    def __init__(self, archive: zipfile.ZipFile, max_bytes: int) -> None:
        self._archive = archive
        self._max_bytes = max_bytes
        self._left = max_bytes

    def read(self, member: zipfile.ZipInfo) -> bytes:
        try:
            with self._archive.open(member) as file:
                content = file.read(self._left + 1)
        # What zipfile and its decompressors raise on damaged, encrypted or exotic members.
        except (
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            struct.error,
            EOFError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            raise InvalidInputError(
                f"archive: {member.filename!r} cannot be unpacked ({error}); make the zip again, "
                "without a password"
            ) from None
        self._left -= len(content)
        if self._left < 0:
            raise TooLargeError(
                f"archive: its files are more than {self._max_bytes:,} bytes once unpacked; split "
                "it"
            )
        return content


def _members(archive: zipfile.ZipFile, max_files: int) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        path = _safe_path(member.filename)
        if member.is_dir() or _is_clutter(path):
            continue
        if str(path) in members:
            raise InvalidInputError(f"archive: {str(path)!r} is in it twice")
        members[str(path)] = member
        if len(members) > max_files + 1:  # one for labels.csv
            raise TooLargeError(f"archive: more than {max_files:,} files; split it")
    return members


def _safe_path(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise InvalidInputError(f"archive: the path {name!r} leads out of the archive")
    return path


def _is_clutter(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return hidden or path.name in ("Thumbs.db", "desktop.ini")


def _labels_table(members: dict[str, zipfile.ZipInfo]) -> str | None:
    """The path of the one `labels.csv`: at the top, or in the one folder that holds everything."""
    tables = [path for path in members if PurePosixPath(path).name == LABELS]
    if len(tables) > 1:
        raise InvalidInputError(f"archive: {len(tables)} files {LABELS}; there can be one")
    return tables[0] if tables else None


def _folder_a_class(reader: _Reader, members: dict[str, zipfile.ZipInfo]) -> Iterator[LabelledFile]:
    for path, member in members.items():
        folder = PurePosixPath(path).parent.name
        if not folder:
            raise InvalidInputError(
                f"archive: {path!r} lies in no folder; put every image into a folder named after "
                f"its class, or add a {LABELS} with the columns path and label"
            )
        yield LabelledFile(path, folder, reader.read(member))


def _as_listed(
    reader: _Reader, members: dict[str, zipfile.ZipInfo], table: str
) -> Iterator[LabelledFile]:
    root = PurePosixPath(table).parent
    try:
        text = reader.read(members[table]).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = rows.fieldnames or ()
        if "path" not in columns or "label" not in columns:
            raise InvalidInputError(
                f"archive: {table} has the columns {', '.join(columns)!r}; it needs path and label"
            )
        listed: set[str] = set()
        for row in rows:
            path = str(root / _safe_path(row["path"] or ""))
            if path not in members or path == table:
                raise InvalidInputError(
                    f"archive: {table}, line {rows.line_num}: there is no file {row['path']!r}"
                )
            if path in listed:
                raise InvalidInputError(
                    f"archive: {table}, line {rows.line_num}: {row['path']!r} is listed twice"
                )
            listed.add(path)
            label = (row["label"] or "").strip()
            yield LabelledFile(path, label or None, reader.read(members[path]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"archive: {table} is not CSV in UTF-8 ({error})") from None
