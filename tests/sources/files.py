"""Small trees of files, as a folder, a tar or a zip."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

Tree = Mapping[str, bytes]


def encoded(kind: str = "PNG", colour: str = "red") -> bytes:
    """An image file of 8 x 8 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, kind)
    return buffer.getvalue()


PNG, JPEG = encoded(), encoded("JPEG")


def write_folder(path: Path, tree: Tree) -> Path:
    path.mkdir(parents=True)
    for name, data in tree.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_tar(path: Path, tree: Tree, prefix: str = "") -> Path:
    path = path.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        for name, data in tree.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_dotted_tar(path: Path, tree: Tree) -> Path:
    return write_tar(path, tree, "./")


def write_zip(path: Path, tree: Tree) -> Path:
    path = path.with_suffix(".zip")
    path.write_bytes(zipped(tree))
    return path


def zipped(tree: Tree, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in tree.items():
            archive.writestr(name, data)
    return buffer.getvalue()


WRITERS = {
    "folder": write_folder,
    "tar": write_tar,
    "tar with ./": write_dotted_tar,
    "zip": write_zip,
}
