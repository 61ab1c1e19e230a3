"""Files of `torch.save` (`.pth`, `.torch`, `.ckpt`), without running what is in them."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt

from export.checkpoints.checkpoint import Checkpoint
from zoo.errors import CheckpointError

_MAX_DEPTH = 16


def open_torch(path: Path) -> Checkpoint:
    """The tensors in the nested dictionaries and lists of a file; needs PyTorch.

    Raises:
        CheckpointError: damaged, cut short, compressed, or with objects that would run code.
    """
    import torch  # noqa: PLC0415 - the readers are imported without it

    stored = _is_stored_zip(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=stored)
    except Exception as error:  # damaged bytes raise whatever the parser meets
        raise CheckpointError(_refusal(path, error)) from error
    tensors = dict(_tensors(content, "", 0))
    if not tensors:
        raise CheckpointError(f"{path}: holds no tensor")

    def read(name: str) -> npt.NDArray[Any]:
        tensor = tensors[name].detach()
        whole = tensor.float() if tensor.is_floating_point() else tensor
        values: npt.NDArray[Any] = whole.contiguous().numpy()
        return values

    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return Checkpoint(path, shapes, read, checksums=False)


def _is_stored_zip(path: Path) -> bool:
    """Whether it is the newer format, a zip; `torch.save` compresses nothing in it."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole PyTorch file ({error})") from error
    if unpacked > path.stat().st_size:
        raise CheckpointError(f"{path}: refused, it unpacks to {unpacked:,} bytes")
    return True


def _tensors(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    import torch  # noqa: PLC0415

    if isinstance(value, torch.Tensor):
        yield name, value
    elif depth < _MAX_DEPTH and isinstance(value, dict | list | tuple):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _tensors(inner, f"{name}/{key}" if name else str(key), depth + 1)


def _refusal(path: Path, error: Exception) -> str:
    text = str(error)
    if code := re.search(r"GLOBAL (\S+)", text):
        return (
            f"{path}: refused, it would run code when it is loaded ({code[1]}); nothing of it was "
            "run, take the checkpoint from another source"
        )
    # PyTorch's own advice is to load it with code.
    unpickling = text.startswith("Weights only load failed") or not text
    reason = type(error).__name__ if unpickling else text.splitlines()[0]
    return f"{path}: not a whole PyTorch file ({reason[:200]}): download it again"
