"""The files of a folder or archive -> its images with labels and splits, and the others."""

from collections.abc import Iterable
from pathlib import Path

from sources.content import NOT_AN_IMAGE, is_image, is_named_as_image
from sources.entry import DataError, Entry, Listing, PassedOver
from sources.layout import Placed, by_folder, by_table, find_table
from sources.members import Member
from sources.table import read_table
from zoo.text import escaped


def list_members(source: Path, members: Iterable[Member]) -> Listing:
    """The entries of a source of files, by the rules of `sources.layout`.

    An image is told by its content; a file that is only named as one is listed too, so that its
    reader says what is wrong with it.

    Raises:
        DataError: a `labels.csv` that cannot be read, or lists what is not there or twice.
    """
    heads, passed_over = _heads(members)
    try:
        table = find_table(heads)
        placed = _by_table(heads, table, passed_over) if table else _by_folder(heads, passed_over)
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    return Listing(
        [Entry(p.path, escaped(p.label or ""), escaped(p.split)) for p in placed], passed_over
    )


def list_images(members: Iterable[Member]) -> Listing:
    """The same images as `list_members`, without labels, splits and table."""
    heads, passed_over = _heads(members)
    return Listing(
        [Entry(path, "", "") for path in _images(heads, heads, passed_over)], passed_over
    )


def _heads(members: Iterable[Member]) -> tuple[dict[str, bytes], list[PassedOver]]:
    """The first bytes of each file that can be read, and the others."""
    heads: dict[str, bytes] = {}
    passed_over: list[PassedOver] = []
    for member in members:
        if member.problem:
            passed_over.append(PassedOver(member.path, member.problem))
        else:
            heads[member.path] = member.head
    return heads, passed_over


def _by_folder(heads: dict[str, bytes], passed_over: list[PassedOver]) -> list[Placed]:
    images = _images(heads, heads, passed_over)
    return by_folder(images, images)


def _by_table(heads: dict[str, bytes], table: str, passed_over: list[PassedOver]) -> list[Placed]:
    rows = read_table(heads.pop(table))
    found = by_table(heads, table, rows)
    if found.bad_rows:
        raise DataError(f"{found.bad_rows[0].reason} ({len(found.bad_rows)} such rows)")
    images = set(_images(heads, (p.path for p in found.placed), passed_over))
    passed_over += found.unlisted
    return [p for p in found.placed if p.path in images]


def _images(
    heads: dict[str, bytes], paths: Iterable[str], passed_over: list[PassedOver]
) -> list[str]:
    images = []
    for path in paths:
        if is_image(heads[path]) or is_named_as_image(path):
            images.append(path)
        else:
            passed_over.append(PassedOver(path, NOT_AN_IMAGE if heads[path] else "empty"))
    return images
