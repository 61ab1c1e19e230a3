"""Images in Parquet, as Hugging Face data sets are published: one file, or a folder of shards.

The image column is a struct<bytes, path> or plain binary, one encoded image a row. A column `label`
holds text, or numbers named by the schema's `huggingface` metadata; the split is that of a column
`split`, else what the file's name begins with (`train-00000-of-00004.parquet`); `validation` is
`val`, as everywhere.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sources.entry import DataError, Entry, Listing
from sources.table import class_name, split_name
from zoo.text import escaped

_AT_A_TIME = 64  # images held encoded in memory


def is_parquet(source: Path) -> bool:
    """A Parquet file, or a folder with some at its top or in `data/`, where hubs keep them."""
    return bool(parquet_files(source))


def parquet_files(source: Path) -> list[Path]:
    """The Parquet files of a source in order of name; none where it is something else."""
    if source.is_dir():
        return sorted(source.glob("*.parquet")) or sorted(source.glob("data/*.parquet"))
    return [source] if source.is_file() and _is_parquet_file(source) else []


def list_rows(source: Path) -> Listing:
    """An entry a row, its path the file's name and the row's number in it.

    Raises:
        DataError: a file is not Parquet or has no image column.
    """
    entries = []
    for path in parquet_files(source):
        with _opened(path) as file:
            schema = file.schema_arrow
            _image_column(path, schema)
            wanted = [name for name in ("label", "split") if name in schema.names]
            rows = file.read(wanted).to_pylist() if wanted else [{}] * file.metadata.num_rows
        names, named_split = _class_names(schema), _split_of(path)
        for number, row in enumerate(rows):
            label = escaped(class_name(_label(row.get("label"), names)))
            split = row.get("split")
            split = split_name(named_split if split is None else str(split))
            entries.append(Entry(_row_path(path, number), label, split))
    return Listing(entries, [])


def read_rows(source: Path, entries: list[Entry]) -> Iterator[tuple[int, bytes]]:
    """The encoded bytes of each entry with its position in `entries`, file by file.

    A row without an image gives no bytes, which no decoder takes for an image.
    """
    position = {entry.path: index for index, entry in enumerate(entries)}
    for path in parquet_files(source):
        with _opened(path) as file:
            column, inner = _image_column(path, file.schema_arrow)
            number = 0
            for batch in file.iter_batches(_AT_A_TIME, columns=[column]):
                for cell in batch.column(0).to_pylist():
                    index = position.get(_row_path(path, number))
                    if index is not None:
                        yield index, (cell or {}).get("bytes") or b"" if inner else cell or b""
                    number += 1


def _is_parquet_file(source: Path) -> bool:
    with source.open("rb") as file:
        return source.suffix == ".parquet" or file.read(4) == b"PAR1"


def _opened(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error


def _row_path(path: Path, number: int) -> str:
    return f"{path.name}/{number:09d}"


def _image_column(path: Path, schema: Any) -> tuple[str, bool]:
    """The name of the column of images, and whether the bytes lie in a struct's field."""
    for field in sorted(schema, key=lambda f: f.name not in ("image", "img")):
        if _is_binary(field.type):
            return field.name, False
        if pa.types.is_struct(field.type) and any(
            inner.name == "bytes" and _is_binary(inner.type) for inner in field.type
        ):
            return field.name, True
    columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
    raise DataError(
        f"{path}: no column of images (binary, or a struct with `bytes`); it has {columns}"
    )


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _class_names(schema: Any) -> list[str]:
    """Names of a numbered `label`, from the metadata that Hugging Face's `datasets` writes."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return [str(name) for name in features["label"]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def _label(value: object, names: list[str]) -> str:
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return "" if value is None else str(value)


def _split_of(path: Path) -> str:
    found = re.match(r"(.+)-\d+-of-\d+$", path.stem)
    return found[1] if found else ""
