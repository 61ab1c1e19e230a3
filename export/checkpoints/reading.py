"""The way in: which reader a format needs."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp

from export.checkpoints.archive import unpack
from export.checkpoints.safetensors_file import open_safetensors
from export.checkpoints.tf_bundle import open_bundle
from zoo.checkpoints import Checkpoint, open_torch
from zoo.errors import CheckpointError


def open_checkpoint(format: str, files: Mapping[str, Path], work: Path) -> Checkpoint:
    """Look into a checkpoint; its tensors are read later, one by one.

    Args:
        format: `tf-bundle`, `torch` or `safetensors`, as in the catalog.
        files: by the name under which each was published; a zip is unpacked.
        work: a folder for what is unpacked; it must outlive the checkpoint.

    Raises:
        CheckpointError: a file is damaged, incomplete, of another format, or holds objects that
            are not read.
    """
    files = _unpacked(files, work)
    if format == "tf-bundle":
        return open_bundle(files)
    if len(files) != 1:
        raise CheckpointError(f"a {format} checkpoint is one file, not {sorted(files)}")
    (path,) = files.values()
    return open_torch(path) if format == "torch" else open_safetensors(path)


def _unpacked(files: Mapping[str, Path], work: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, path in files.items():
        if name.endswith(".zip"):
            found |= unpack(path, Path(mkdtemp(dir=work)))
        else:
            found[name] = path
    return found
