"""What a path says of its image: the layout rules, the same for every source and over HTTP.

**A folder a class.** The innermost folder that holds a file is its class: `all/cat/1.png` is a
`cat`. A file in no folder has none.

**Splits.** A first folder named train, val, validation or test, in letters of either case, is the
split; `validation` is `val`. "First" is counted from the top, or from inside the folders that hold
all other folders (`photos/train/cat/1.jpg`); files beside them, and files that are no images, have
no say in it. Such a folder may also be a class (of trains). It is the
split where a folder lies in it (`train/cat/1.jpg`), or where all folders beside it are named as
splits too (`train/1.jpg`, `test/2.jpg`: two splits and no classes); otherwise it is a class
(`train/1.jpg`, `bus/2.jpg`). A folder that is the split is never a class.

**A table.** A `labels.csv` (see `sources.table`) decides in place of folders; its paths count from
where it lies. There can be one.

**Names.** A class is trimmed and NFC, so that a folder `Käfer` of macOS and one of Linux are one.
The id of a file is its path with `:` for `/`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sources.entry import DataError, PassedOver
from sources.members import TABLE, is_table
from sources.table import Row, class_name, split_name
from zoo.text import escaped, nfc

_SPLITS = ("train", "val", "test")
NOT_LISTED = f"not listed in {TABLE}"
IN_NO_SPLIT = "of no split, where others are: move it into train, val or test"


@dataclass(frozen=True)
class Placed:
    """A file, its label and its split ("" for none).

    The label is None where nothing names one, and "" where a table says that there is none.
    """

    path: str
    label: str | None
    split: str


@dataclass(frozen=True)
class Tabled:
    """What a table makes of files: `placed` in its order, `unlisted` files, and bad rows."""

    placed: list[Placed]
    unlisted: list[PassedOver]
    bad_rows: list[PassedOver]


def item_id(path: str) -> str:
    """The id of a file in a collection or a head."""
    return nfc(path.replace("/", ":"))


def by_folder(paths: Sequence[str], images: Collection[str]) -> list[Placed]:
    """The label and split that each path says, in the order given.

    Args:
        images: those of the paths that are images; they alone decide what is a split, so that a
            README beside the folders changes nothing.
    """
    folders = [PurePosixPath(path).parts[:-1] for path in images]
    depth = _depth_of_top(folders)
    inner = [parts[depth:] for parts in folders]
    firsts = {parts[0] for parts in inner if parts}
    all_splits = all(_is_split(first) for first in firsts)
    holding = {parts[0] for parts in inner if len(parts) > 1}
    splits = {f for f in firsts if _is_split(f) and (all_splits or f in holding)}
    return [_placed(path, depth, splits) for path in paths]


def _placed(path: str, depth: int, splits: Collection[str]) -> Placed:
    whole = PurePosixPath(path).parts[:-1]
    below = whole[depth:]
    split = split_name(below[0]) if below and below[0] in splits else ""
    named = below[1:] if split else whole
    return Placed(path, class_name(named[-1]) if named else None, split)


def find_table(paths: Iterable[str]) -> str | None:
    """The path of the one `labels.csv`, if there is one.

    Raises:
        DataError: there are several.
    """
    tables = sorted(filter(is_table, paths))
    if len(tables) > 1:
        raise DataError(
            f"there can be one {TABLE}, and there are {len(tables)}: {escaped(tables[0])!r}, "
            f"{escaped(tables[1])!r}: join them, or give each folder for itself"
        )
    return tables[0] if tables else None


def by_table(paths: Iterable[str], table: str, rows: Iterable[Row]) -> Tabled:
    """The label and split of each file that the table at the path `table` lists."""
    known = _Names(paths)
    root = PurePosixPath(table).parent
    first_line: dict[str, int] = {}
    placed, bad_rows = [], []
    for row in rows:
        path = known.find(root, row.path)
        where = f"{TABLE}, line {row.line}: "
        if path is None:
            reason = f"{where}there is no file {row.path!r}: remove the row or add the file"
            bad_rows.append(PassedOver(row.path, reason))
        elif path in first_line:
            reason = f"{where}{row.path!r} is listed twice, first in line {first_line[path]}"
            bad_rows.append(PassedOver(path, reason))
        else:
            first_line[path] = row.line
            placed.append(Placed(path, row.label, row.split))
    unlisted = [PassedOver(p, NOT_LISTED) for p in known.paths if p not in first_line]
    return Tabled(placed, unlisted, bad_rows)


class _Names:
    """Finds a file by its path in a table, which another system may have written."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths: Mapping[str, None] = dict.fromkeys(paths)
        self._composed = {nfc(path): path for path in self.paths}

    def find(self, root: PurePosixPath, given: str) -> str | None:
        for text in (given, given.strip(), given.strip().replace("\\", "/")):
            path = str(root / text) if text else ""
            if path in self.paths:
                return path
            if found := self._composed.get(nfc(path)):
                return found
        return None


def _depth_of_top(folders: Sequence[tuple[str, ...]]) -> int:
    """How many folders, none of them named as a split, lie around all others."""
    depth = 0
    while len(names := {parts[depth] for parts in folders if len(parts) > depth}) == 1:
        if _is_split(next(iter(names))):
            break
        depth += 1
    return depth


def _is_split(folder: str) -> bool:
    return split_name(folder) in _SPLITS
