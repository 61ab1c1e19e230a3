"""Where training and evaluation images come from.

A folder or a tar of image files: labels and splits come from a `labels.csv` (columns path, label,
split) at the top; without one, the first folder of a path is its label, and a tar or folder without
folders has no labels. Or Parquet, or a data set of torchvision: `torchvision:CIFAR10:/data`.
"""

import csv
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from training.data.entry import DataError, Entry
from training.data.parquet import is_parquet, list_rows, parquet_files, read_rows
from training.data.torchvision_sets import (
    is_torchvision,
    list_set,
    read_set,
    set_name,
    set_root,
)

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ppm"}
)


def source_name(source: Path) -> str:
    """What to call a source in files and figures."""
    return set_name(source) if is_torchvision(source) else source.stem or source.resolve().stem


def list_entries(source: Path, split: str | None = None) -> list[Entry]:
    """The images of a source in order of path; only those of `split` or of none, if it is given.

    Raises:
        DataError: there is no such source, it is of no kind that is read, or nothing is left in it,
            or its labels.csv lists a file that is not there.
    """
    if is_torchvision(source):
        entries = list_set(source, split)
    elif is_parquet(source):
        entries = list_rows(source)
    else:
        entries = _list_files(source)
    chosen = sorted(
        (e for e in entries if split is None or e.split in ("", split)), key=lambda e: e.path
    )
    if not chosen:
        where = f" of split {split!r}" if split else ""
        raise DataError(f"{source}: no images{where} found (files ending in .jpg, .png, ...)")
    return chosen


def read_files(source: Path, entries: list[Entry]) -> Iterator[tuple[int, bytes]]:
    """The bytes of each entry with its position in `entries`; a tar is read front to back."""
    if is_torchvision(source):
        yield from read_set(source, entries)
        return
    if is_parquet(source):
        yield from read_rows(source, entries)
        return
    if source.is_dir():
        for index, entry in enumerate(entries):
            yield index, (source / entry.path).read_bytes()
        return
    position = {entry.path: index for index, entry in enumerate(entries)}
    with tarfile.open(source) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name in position and member.isfile():
                file = archive.extractfile(member)
                assert file is not None  # isfile() was checked
                yield position[name], file.read()


def source_digest(source: Path, entries: list[Entry]) -> str:
    """Names these entries of this source in a cache; another once a file or a label has changed.

    Files are told by size and time of change. A tar has its own; the time of a folder says nothing
    of what was edited in place, so its files are asked one by one.
    """
    if is_torchvision(source):
        files = sorted(set_root(source).iterdir())
    elif is_parquet(source):
        files = parquet_files(source)
    else:
        files = [source / entry.path for entry in entries] if source.is_dir() else [source]
    stats = [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files)]
    rows = [(entry.path, entry.label, entry.split) for entry in entries]
    key = json.dumps([str(source.resolve()), stats, rows])
    return hashlib.sha256(key.encode()).hexdigest()


def _list_files(source: Path) -> list[Entry]:
    paths, table = _inventory(source)
    listed = _read_labels(table) if table is not None else None
    if listed is not None:
        if lost := {entry.path for entry in listed} - set(paths):
            raise DataError(
                f"{source}: labels.csv lists {min(lost)!r}, which is not there or no image file "
                f"({len(lost)} such rows): remove the rows or restore the files"
            )
        return listed
    return [Entry(p, p.split("/")[0] if "/" in p else "", "") for p in paths]


def _inventory(source: Path) -> tuple[list[str], bytes | None]:
    if source.is_dir():
        files = [p for p in sorted(source.rglob("*")) if p.is_file()]
        table = source / "labels.csv"
        paths = [p.relative_to(source).as_posix() for p in files if p.suffix.lower() in SUFFIXES]
        return paths, table.read_bytes() if table.is_file() else None
    if not source.is_file():
        raise DataError(f"{source}: no such folder, tar or Parquet file")
    paths, content = [], None
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if not member.isfile():
                    continue
                if name == "labels.csv":
                    file = archive.extractfile(member)
                    content = file.read() if file else None
                elif Path(name).suffix.lower() in SUFFIXES:
                    paths.append(name)
    except tarfile.TarError as error:
        raise DataError(f"{source}: neither a folder, nor a readable tar, nor Parquet") from error
    return paths, content


def _read_labels(table: bytes) -> list[Entry]:
    rows = csv.DictReader(io.StringIO(table.decode("utf-8-sig")))
    missing = {"path", "label"} - set(rows.fieldnames or ())
    if missing:
        raise DataError(
            f"labels.csv has no column {sorted(missing)[0]!r}; it needs path,label[,split]"
        )
    return [Entry(row["path"], row["label"] or "", row.get("split") or "") for row in rows]
