"""Files that appear whole or not at all."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import NoSpaceError


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file, as `whole_file` does."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A private file beside `path` to write, which takes its place when the block ends well.

    It is on the disk by then, with its folder, so that a loss of power leaves the old file or the
    new one. When the block fails, nothing changes.

    Raises:
        FileExistsError: what is at `path` is a folder or a device.
        OSError: the folder cannot be written.
    """
    if _is_no_file(path):
        raise FileExistsError(errno.EEXIST, "is there and is no plain file", str(path))
    # Not named after `path`, whose name may be as long as a name can be.
    partial = path.with_name(f".new-{secrets.token_hex(4)}{path.suffix[:16]}")
    try:
        try:
            partial.touch(exist_ok=False)
        except OSError as error:  # the name that is asked for, not the private one
            raise type(error)(error.errno, error.strerror, str(path)) from None
        yield partial
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def full_disk_named(what: str, folder: Path) -> Iterator[None]:
    """Say in one line that a disk is full, whatever library met it and however that puts it.

    Raises:
        NoSpaceError: the block failed since there was no room.
    """
    try:
        yield
    except Exception as error:
        if not _met_full_disk(error):
            raise
        raise NoSpaceError(
            f"{what}: the disk of {folder} is full; nothing of it is left behind: make room, with "
            "`zoo prune` or otherwise, or let ZOO_HOME name another disk"
        ) from error


def _met_full_disk(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # safetensors, which is written in Rust, has an error of its own with the number in it.
        if re.search(r"\bos error (28|122)\b", str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_no_file(path: Path) -> bool:
    """Something else is there; asked once, for what is there may go at any moment."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:  # nothing is there; anything worse shows when the file is written
        return False


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
