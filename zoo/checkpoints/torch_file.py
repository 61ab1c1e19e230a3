"""Files of `torch.save` (`.pth`, `.torch`, `.ckpt`), without PyTorch and without running what is in
them.

Since PyTorch 1.6 (2020) such a file is a zip, stored without compression: `data.pkl`, and one
member a storage. Before, it was five pickles (a magic number, a version, the machine's sizes, the
content, the keys of the storages in order) and behind them each storage, its count of values in
eight bytes before it.
"""

import io
import math
import mmap
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from zoo.checkpoints.checkpoint import Checkpoint
from zoo.checkpoints.names import Array, RefusedError, Storage, View
from zoo.checkpoints.pickles import read_pickle
from zoo.errors import CheckpointError

_MAX_DEPTH = 16
_MAX_VALUES = 300_000  # visited in nested containers, which may hold each other many times

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001

_DTYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip


_Tensor = View | npt.NDArray[Any]
_ReadStorage = Callable[[Storage], bytes]


def open_torch(path: Path) -> Checkpoint:
    """The tensors in the nested dictionaries and lists of a file, NumPy arrays among them.

    Floats are read as float32, whatever they are stored as.

    Raises:
        CheckpointError: damaged, cut short, compressed, or with objects that are not read.
    """
    try:
        content, read_storage = _open_zip(path) if _is_zip(path) else _open_legacy(path)
        tensors = dict(_tensors(content))
        for name, tensor in tensors.items():
            if isinstance(tensor, View):
                _check_bounds(name, tensor)
    except CheckpointError:
        raise
    except RefusedError as error:
        raise CheckpointError(
            f"{path}: refused, it holds objects that are not read ({error}); nothing of it was "
            "run, take the checkpoint from another source"
        ) from None
    except Exception as error:  # damaged bytes raise whatever the parser meets
        raise _damaged(path, error) from error
    if not tensors:
        raise CheckpointError(f"{path}: holds no tensor")

    def read(name: str) -> npt.NDArray[Any]:
        tensor = tensors[name]
        if not isinstance(tensor, View):
            return _read_values(tensor)
        try:
            return _values(tensor, read_storage(tensor.storage))
        except Exception as error:
            raise _damaged(path, error) from error

    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return Checkpoint(path, shapes, read, checksums=False)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\3\4"


def _open_zip(path: Path) -> tuple[Any, _ReadStorage]:
    """The newer format; the zip's CRC32 of each storage is checked when it is read."""
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > path.stat().st_size:
            raise CheckpointError(f"{path}: refused, it unpacks to {unpacked:,} bytes")
        (pickle,) = [name for name in members if name.endswith("/data.pkl")]
        root = pickle.removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in members and archive.read(order) != b"little":
            raise RefusedError("big-endian numbers")
        content, storages = read_pickle(io.BytesIO(archive.read(pickle)))
    for key, storage in storages.items():
        if members[f"{root}data/{key}"].file_size != _bytes(storage):
            raise ValueError(f"storage {key} is not of the size that its tensors say")

    def read(storage: Storage) -> bytes:
        with zipfile.ZipFile(path) as archive:
            return archive.read(f"{root}data/{storage.key}")

    return content, read


def _open_legacy(path: Path) -> tuple[Any, _ReadStorage]:
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as file:
        # A map gives what is there: a read of a file sets aside whatever length is claimed.
        pickles = cast("IO[bytes]", file)
        if (read_pickle(pickles)[0], read_pickle(pickles)[0]) != (_MAGIC, _VERSION):
            raise ValueError("no magic number")
        if not read_pickle(pickles)[0]["little_endian"]:
            raise RefusedError("big-endian numbers")
        content, storages = read_pickle(pickles)
        places = _places(file, read_pickle(pickles)[0], storages)

    def read(storage: Storage) -> bytes:
        with path.open("rb") as file:
            file.seek(places[storage.key])
            return file.read(_bytes(storage))

    return content, read


def _places(file: mmap.mmap, keys: list[str], storages: Mapping[str, Storage]) -> dict[str, int]:
    """Where the values of each storage begin."""
    if sorted(keys) != sorted(storages):
        raise ValueError("its list of storages is not that of its tensors")
    places, at = {}, file.tell()
    for key in keys:
        if int.from_bytes(file[at : at + 8], "little") != storages[key].count:
            raise ValueError(f"storage {key} is not of the size that its tensors say")
        places[key] = at + 8
        at += 8 + _bytes(storages[key])
    if at > len(file):
        raise ValueError(f"its storages end at byte {at:,} and the file at {len(file):,}")
    return places


def _tensors(content: Any) -> Iterator[tuple[str, _Tensor]]:
    """By their paths."""
    seen = 0
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, View):
            yield name, value
        elif isinstance(value, Array):
            yield name, value.values
        elif depth < _MAX_DEPTH and isinstance(value, dict | list | tuple):
            pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
            seen += len(pairs)
            if seen > _MAX_VALUES:
                raise RefusedError("lists that hold each other")
            waiting += [
                (f"{name}/{key}" if name else str(key), inner, depth + 1)
                for key, inner in reversed(pairs)
            ]


def _check_bounds(name: str, view: View) -> None:
    size = math.prod(view.shape)
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if size and last >= view.storage.count:
        raise ValueError(f"{name!r} reaches beyond its storage")
    if size > view.storage.count:
        raise RefusedError(f"{name!r}, a tensor that repeats its values")


def _bytes(storage: Storage) -> int:
    if storage.kind not in _DTYPES:
        raise RefusedError(f"values of type {storage.kind}")
    return storage.count * np.dtype(_DTYPES[storage.kind]).itemsize


def _values(view: View, data: bytes) -> npt.NDArray[Any]:
    if len(data) != _bytes(view.storage):
        raise ValueError(f"storage {view.storage.key} is cut short")
    flat = np.frombuffer(data, _DTYPES[view.storage.kind])
    if view.storage.kind == "BFloat16Storage":  # the upper half of a float32
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    strides = [stride * flat.itemsize for stride in view.strides]
    return _read_values(
        np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides, writeable=False)
    )


def _read_values(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    floats = np.issubdtype(values.dtype, np.floating)
    return np.ascontiguousarray(values, np.float32 if floats else None).reshape(values.shape)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return CheckpointError(f"{path}: not a whole PyTorch file ({reason}): download it again")
