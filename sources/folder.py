"""A folder of files, with its subfolders."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from sources.members import CLUTTER, Member, is_clutter, opening


def is_folder(source: Path) -> bool:
    """Whether it is a folder."""
    return source.is_dir()


def scan(source: Path) -> Iterator[Member]:
    """Every file, its folders in order of name; a link to a file is read, one to a folder not."""
    unread: list[OSError] = []
    for folder, folders, files in os.walk(source, onerror=unread.append):
        folders.sort()
        top = Path(folder)
        for name in sorted(folders):
            if (top / name).is_symlink():
                yield Member(_relative(top / name, source), problem="a link to a folder")
        for name in sorted(files):
            yield _member(top / name, _relative(top / name, source))
    for error in unread:
        path = _relative(Path(error.filename), source)
        yield Member(path, problem=f"a folder that cannot be read ({error.strerror})")


def read(source: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The bytes of the files at these paths."""
    for path in wanted:
        yield path, (source / path).read_bytes()


def _member(file: Path, path: str) -> Member:
    if is_clutter(path):
        return Member(path, problem=CLUTTER)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return Member(path, problem="not a regular file")
        with file.open("rb") as opened:
            return Member(path, opening(path, opened))
    except OSError as error:
        return Member(path, problem=f"cannot be read ({error.strerror})")


def _relative(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()
