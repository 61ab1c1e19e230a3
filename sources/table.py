"""`labels.csv`: which files there are, and the label and split of each.

UTF-8, with or without a byte order mark; separated by commas, semicolons or tabs, which the header
tells. The columns `path` and `label` are needed, `split` may be there, in letters of either case;
other columns, empty rows and a first line `sep=;` are passed over.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from sources.entry import DataError
from sources.members import TABLE
from zoo.text import nfc

_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Row:
    """One row; `path` as written, `line` where it ends in the file."""

    line: int
    path: str
    label: str
    split: str


def read_table(data: bytes) -> list[Row]:
    """The rows of a `labels.csv`.

    Raises:
        DataError: it is not CSV in UTF-8, or has no column path or label.
    """
    try:
        return list(_rows(data.decode("utf-8-sig")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{TABLE} is not CSV in UTF-8 ({error}): save it as such") from None


def class_name(text: str) -> str:
    """A label as it counts: trimmed and NFC; "" for none."""
    return nfc(text).strip()


def split_name(text: str) -> str:
    """A split as it counts: train, val (also for validation) and test in small letters."""
    text = text.strip()
    small = text.lower()
    if small in ("val", "validation"):
        return "val"
    return small if small in ("train", "test") else text


def _rows(text: str) -> Iterator[Row]:
    skipped = 0
    while text and _is_no_header(text.partition("\n")[0]):
        text, skipped = text.partition("\n")[2], skipped + 1
    columns, delimiter = _header(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    next(reader)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            path, label, split = (_cell(cells, columns.get(c)) for c in ("path", "label", "split"))
            yield Row(reader.line_num + skipped, path, class_name(label), split_name(split))


def _is_no_header(line: str) -> bool:
    return not line.strip(" \t\r,;") or line.lower().startswith("sep=")


def _header(text: str) -> tuple[dict[str, int], str]:
    """The place of each column, and the delimiter under which path and label are columns."""
    best: list[str] = []
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            names = [name.strip().lower() for name in next(reader, [])]
        except csv.Error:  # such as quoted cells between other delimiters
            continue
        if {"path", "label"} <= set(names):
            return {name: names.index(name) for name in names}, delimiter
        best = max(best, names, key=len)
    missing = next(name for name in ("path", "label") if name not in best)
    raise DataError(
        f"{TABLE} has no column {missing!r}; it needs path,label[,split] and has "
        f"{', '.join(best) or 'nothing'}: it needs the columns path and label"
    )


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""
