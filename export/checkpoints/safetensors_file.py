"""safetensors files; the library checks the header against the file."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from zoo.checkpoints import Checkpoint
from zoo.errors import CheckpointError


def open_safetensors(path: Path) -> Checkpoint:
    """The tensors of a safetensors file.

    Raises:
        CheckpointError: damaged or cut short.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.offset_keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({error}): download it again"
        ) from error

    def read(name: str) -> npt.NDArray[Any]:
        try:
            with safe_open(path, framework="numpy") as file:
                values: npt.NDArray[Any] = file.get_tensor(name)
        except (SafetensorError, OSError, TypeError) as error:
            raise CheckpointError(f"{path}: {name!r} cannot be read ({error})") from error
        return values

    return Checkpoint(path, shapes, read, checksums=False)
