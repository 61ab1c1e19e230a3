"""Images taken along in pieces: each source a folder of Parquet files of a bounded size."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sources import Entry, list_entries, read_files, source_name

_NUMBERED = re.compile(r".+-\d{5}-of-(\d{5})\.parquet")


def write_shards(source: Path, out: Path, bytes_each: int) -> list[Path]:
    """Write a source's encoded images with their labels and splits into `out`/its name.

    The names say how many there are, so that one that has not arrived is missed.

    Raises:
        DataError: the source cannot be read.
    """
    name = source_name(source)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    pieces = []
    for number, rows in enumerate(_divided(source, bytes_each)):
        path = folder / f".{number:05d}"
        pq.write_table(pa.Table.from_pylist(rows), path, compression="none")
        pieces.append(path)
    for old in folder.glob("*.parquet"):
        old.unlink()
    total = len(pieces)
    return [
        path.rename(folder / f"{name}-{number:05d}-of-{total:05d}.parquet")
        for number, path in enumerate(pieces)
    ]


def whole_sources(data: Path) -> dict[str, Path]:
    """The sources in a folder of which all shards are there, by name."""
    found = {}
    for folder in sorted(data.iterdir()) if data.is_dir() else ():
        shards = list(folder.glob("*.parquet"))
        totals = {int(m[1]) for path in shards if (m := _NUMBERED.fullmatch(path.name))}
        if totals == {len(shards)}:
            found[folder.name] = folder
    return found


def _divided(source: Path, bytes_each: int) -> Iterator[list[dict[str, object]]]:
    entries: list[Entry] = list_entries(source)
    rows: list[dict[str, object]] = []
    size = 0
    for index, data in read_files(source, entries):
        if rows and size + len(data) > bytes_each:
            yield rows
            rows, size = [], 0
        entry = entries[index]
        rows.append({"image": data, "label": entry.label, "split": entry.split})
        size += len(data)
    if rows:
        yield rows
