"""Checkpoints that are published in a zip."""

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from zoo.errors import CheckpointError

_EXPANSION = 3  # trained float32 weights shrink by a tenth; beyond this it is no such archive


def unpack(archive: Path, folder: Path) -> dict[str, Path]:
    """Unpack the members of a zip flat into `folder`: where each lies, by its name.

    Raises:
        CheckpointError: not a whole zip; encrypted; a member that is a link, leaves the folder, is
            there twice, or unpacks to far more than the archive.
    """
    limit = _EXPANSION * archive.stat().st_size
    unpacked: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                if member.is_dir():
                    continue
                name = _checked_name(archive, member)
                if name in unpacked:
                    raise CheckpointError(f"{archive}: refused, it holds two files {name!r}")
                limit -= member.file_size
                if limit < 0:
                    raise CheckpointError(
                        f"{archive}: refused, it would unpack to more than {_EXPANSION} times its "
                        "size"
                    )
                unpacked[name] = folder / name
                with content.open(member) as source, unpacked[name].open("xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise CheckpointError(f"{archive}: not a whole zip archive ({error})") from error
    return unpacked


def _checked_name(archive: Path, member: zipfile.ZipInfo) -> str:
    path = PurePosixPath(member.filename)
    outside = path.is_absolute() or ".." in path.parts or "\\" in member.filename
    if outside or ":" in member.filename or not path.name:
        raise CheckpointError(
            f"{archive}: refused, its member {member.filename!r} points outside the archive"
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise CheckpointError(f"{archive}: refused, its member {member.filename!r} is a link")
    return path.name
