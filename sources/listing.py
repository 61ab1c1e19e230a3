"""What every user of a source asks: which images there are, their bytes, a name, a digest."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from sources.entry import DataError, Entry, Listing, PassedOver
from sources.folder import scan
from sources.kinds import kind_of
from sources.layout import IN_NO_SPLIT
from sources.listed import list_images
from sources.table import split_name
from zoo.text import escaped


def list_entries(source: Path, split: str | None = None) -> list[Entry]:
    """The images of a source in order of path; only those of `split`, if it is given.

    Of a source without any split that is all of them; in one with splits, an image of none belongs
    to none, and is passed over.

    Raises:
        DataError: there is no such source, it is of no kind that is read, or nothing is left in it,
            or its labels.csv lists a file that is not there.
    """
    return list_source(source, split).entries


def list_source(source: Path, split: str | None = None) -> Listing:
    """As `list_entries`, with the files that were passed over, of whatever split.

    Raises:
        DataError: as `list_entries`.
    """
    wanted = None if split is None else split_name(split)
    found = kind_of(source).listing(source, wanted)
    chosen, passed_over = found.entries, found.passed_over
    if wanted is not None:
        divided = any(entry.split for entry in found.entries)
        chosen = [e for e in found.entries if e.split == wanted or not (e.split or divided)]
        if divided:
            passed_over = passed_over + [
                PassedOver(e.path, IN_NO_SPLIT) for e in found.entries if not e.split
            ]
    if not chosen:
        raise DataError(f"{source}: no images{_of(wanted)} found{_instead(found)}")
    return _sorted(chosen, passed_over)


def list_folder(folder: Path) -> Listing:
    """The images of a folder without labels and splits; a labels.csv has no say here."""
    found = list_images(scan(folder))
    return _sorted(found.entries, found.passed_over)


def read_files(source: Path, entries: list[Entry]) -> Iterator[tuple[int, bytes]]:
    """The bytes of each entry with its position in `entries`; archives are read front to back.

    An entry that cannot be read has no bytes, which no decoder takes for an image.
    """
    return kind_of(source).read(source, entries)


def source_name(source: Path) -> str:
    """What to call a source in files and figures."""
    return kind_of(source).title(source)


def source_digest(source: Path, entries: list[Entry]) -> str:
    """Names these entries of this source in a cache; another once a file or a label has changed.

    Files are told by size and time of change. An archive has its own; the time of a folder says
    nothing of what was edited in place, so its files are asked one by one.
    """
    files = kind_of(source).files(source, entries)
    stats = [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files)]
    rows = [(entry.path, entry.label, entry.split) for entry in entries]
    key = json.dumps([str(source.resolve()), stats, rows])
    return hashlib.sha256(key.encode()).hexdigest()


def _sorted(entries: list[Entry], passed_over: list[PassedOver]) -> Listing:
    return Listing(sorted(entries, key=lambda e: e.path), sorted(passed_over, key=lambda p: p.path))


def _of(split: str | None) -> str:
    return f" of split {split!r}" if split else ""


def _instead(found: Listing) -> str:
    if found.entries:
        return f"; its splits are {sorted({entry.split for entry in found.entries})}"
    if found.passed_over:
        first = found.passed_over[0]
        return (
            f"; {len(found.passed_over)} files were passed over, such as "
            f"{escaped(first.path)!r}: {first.reason}"
        )
    return ""
