"""Images in an uploaded zip, with the labels and splits that `sources` finds in it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import InvalidInputError, TooLargeError, invalid_item
from service.results import Results
from sources.content import is_image, is_named_as_image
from sources.entry import DataError, PassedOver, TooMuchError
from sources.layout import IN_NO_SPLIT, Placed, by_folder, by_table, find_table, item_id
from sources.members import CLUTTER
from sources.table import read_table
from sources.zip_files import Limits, Zip, open_zip
from zoo.text import escaped


@dataclass(frozen=True)
class LabelledFile:
    """One file of an archive: its path there, its label, its split and its bytes.

    The label is None where nothing names one, and "" where a `labels.csv` says that there is none.
    The split is "" for none.
    """

    path: str
    label: str | None
    split: str
    content: bytes

    @property
    def id(self) -> str:
        """Its id as an item or example."""
        return item_id(self.path)


@dataclass(frozen=True)
class Unpacked:
    """The files of an archive in its order, or in that of its `labels.csv`.

    `paths` has the path of each, also of those that have an error. `passed_over` are hidden files
    and what systems leave behind.
    """

    paths: list[str]
    files: Results[LabelledFile]
    passed_over: list[PassedOver]


def read_archive(data: bytes, *, max_files: int, max_bytes: int) -> Unpacked:
    """The files of a zip by the rules of `sources.layout`. Nothing is written to disk.

    What is wrong with one file is its own error: it cannot be unpacked, is a link or encrypted, the
    encoding of its name is unknown, a `labels.csv` does not list it; and so is a row of the table
    that names no file. Of a file that is no image only the first bytes are unpacked.

    Raises:
        InvalidInputError: not a zip, damaged, a path that leads outside or is there twice, a
            `labels.csv` that cannot be read, or nothing in it.
        TooLargeError: more files than `max_files`, or more than `max_bytes` once unpacked.
    """
    try:
        with open_zip(io.BytesIO(data), Limits(max_files, max_bytes)) as archive:
            return _unpacked(archive)
    except TooMuchError as error:
        raise TooLargeError(f"archive: {error}") from None
    except DataError as error:
        raise InvalidInputError(f"archive: {error}") from None


def to_learn_from(files: Results[LabelledFile]) -> Results[LabelledFile]:
    """Those that a head may learn from: they have a label, and are of the split train.

    Where no file is of any split, all are learned from.
    """
    divided = any(file.split for file in files.values)
    return files.each(lambda file: _to_learn_from(file, divided))


def _to_learn_from(file: LabelledFile, divided: bool) -> LabelledFile:
    if divided and not file.split:
        raise invalid_item(f"{file.path!r} is {IN_NO_SPLIT}")
    if file.split not in ("", "train"):
        raise invalid_item(
            f"{file.path!r} is of the split {file.split!r}, and a head learns from train alone: "
            "leave it out, or rename its folder"
        )
    if not file.label:
        raise invalid_item(
            f"{file.path!r} has no label: put it into a folder named after its class, or name the "
            "class in labels.csv"
        )
    return file


def _unpacked(archive: Zip) -> Unpacked:
    table = find_table(archive.paths)
    if table is None:
        found: list[Placed | PassedOver] = [*by_folder(archive.paths, _images(archive))]
    else:
        rows = read_table(archive.whole(table))
        others = [path for path in archive.paths if path != table]
        tabled = by_table(others, table, rows)
        found = [*tabled.placed, *tabled.bad_rows, *tabled.unlisted]
    found += _failed(archive)
    if not found:
        raise DataError("there is no file in it")
    return Unpacked(
        [one.path for one in found],
        Results.of(found).each(lambda one: _file(archive, one)),
        [PassedOver(path, why) for path, why in archive.problems.items() if why == CLUTTER],
    )


def _images(archive: Zip) -> list[str]:
    return [path for path in archive.paths if _is_image(archive, path)]


def _is_image(archive: Zip, path: str) -> bool:
    try:
        return is_named_as_image(path) or is_image(archive.head(path))
    except DataError:  # damaged: its own error later
        return False


def _failed(archive: Zip) -> Iterator[PassedOver]:
    for path, why in archive.problems.items():
        if why != CLUTTER:
            yield PassedOver(path, why)


def _file(archive: Zip, one: Placed | PassedOver) -> LabelledFile:
    if isinstance(one, PassedOver):
        raise invalid_item(f"{escaped(one.path)!r}: {one.reason}")
    try:
        return LabelledFile(one.path, one.label, one.split, archive.image(one.path))
    except TooMuchError:
        raise
    except DataError as error:
        raise invalid_item(str(error)) from None
