"""TensorFlow's checkpoint format (`*.index` and `*.data-00000-of-00001`) without TensorFlow.

The index is a sorted string table as of LevelDB: blocks of prefix-compressed keys, each block with
a CRC32C, found through an index block that the footer points to. Its values are protocol buffers
(BundleHeaderProto under the empty key, else BundleEntryProto), which say where in the data file a
tensor lies, and the masked CRC32C of its bytes.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from zoo.checkpoints import Checkpoint
from zoo.errors import CheckpointError

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER, _TRAILER = 48, 5
_SAVED_MODEL = "variables.index"  # of a hub module beside the checkpoint, as in Google's zips
_MAX_INDEX = 64 << 20  # bytes; the largest known index has some hundred thousand

# Values of TensorFlow's DataType.
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 19: "<f2"}


@dataclass(frozen=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


def open_bundle(files: Mapping[str, Path]) -> Checkpoint:
    """A checkpoint of one `*.index` and its data files, which `files` holds by their names.

    Raises:
        CheckpointError: a file is missing, damaged or cut short, or uses what is not supported:
            compressed blocks, tensors in slices, big-endian numbers.
    """
    indexes = [name for name in files if name.endswith(".index") and name != _SAVED_MODEL]
    if len(indexes) != 1:
        raise CheckpointError(f"a TensorFlow checkpoint has one .index file, not {indexes}")
    index = files[indexes[0]]
    table = dict(_table(index))
    count = _shard_count(index, table.pop("", b""))
    shards = _shards(indexes[0].removesuffix(".index"), count, files)
    sizes = [path.stat().st_size for path in shards]
    entries = {name: _entry(index, name, value) for name, value in table.items()}
    for name, entry in entries.items():
        _check_bounds(index, name, entry, shards, sizes)

    def read(name: str) -> npt.NDArray[Any]:
        entry = entries[name]
        return _read(name, entry, shards[entry.shard])

    return Checkpoint(
        index, {name: entry.shape for name, entry in entries.items()}, read, checksums=True
    )


def masked_crc32c(data: bytes) -> int:
    """CRC32C, rotated and offset as LevelDB stores it beside the data it covers."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _read(name: str, entry: _Entry, path: Path) -> npt.NDArray[Any]:
    with path.open("rb") as file:
        file.seek(entry.offset)
        data = file.read(entry.size)
    if len(data) != entry.size or masked_crc32c(data) != entry.crc:
        raise CheckpointError(
            f"{path}: the tensor {name!r} is damaged (its CRC32C differs): download it again"
        )
    return np.frombuffer(data, entry.dtype).reshape(entry.shape)


def _shard_count(index: Path, header: bytes) -> int:
    fields = dict(_fields(index, header))
    if fields.get(2, 0) != 0:
        raise CheckpointError(f"{index}: big-endian numbers are not supported")
    count = fields.get(1, 0)
    if not isinstance(count, int) or not 1 <= count <= 10_000:
        raise CheckpointError(f"{index}: damaged, its header names no data file")
    return count


def _shards(stem: str, count: int, files: Mapping[str, Path]) -> list[Path]:
    names = [f"{stem}.data-{number:05}-of-{count:05}" for number in range(count)]
    for name in names:
        if name not in files:
            raise CheckpointError(f"{stem}.index: the checkpoint's file {name} is missing")
    return [files[name] for name in names]


def _entry(index: Path, name: str, value: bytes) -> _Entry:
    fields = dict(_fields(index, value))
    if 7 in fields:
        raise CheckpointError(f"{index}: {name!r} is stored in slices, which is not supported")
    dtype, shape = _integer(index, fields.get(1, 0)), []
    for number, dim in _fields(index, _bytes(index, fields.get(2, b""))):
        if number == 2:
            shape.append(_integer(index, dict(_fields(index, _bytes(index, dim))).get(1, 0)))
    return _Entry(
        _DTYPES.get(dtype, f"number {dtype}"),
        tuple(shape),
        *(_integer(index, fields.get(number, 0)) for number in (3, 4, 5, 6)),
    )


def _check_bounds(
    index: Path, name: str, entry: _Entry, shards: list[Path], sizes: list[int]
) -> None:
    if entry.dtype not in _DTYPES.values():
        raise CheckpointError(f"{index}: {name!r} is of a type that is not read ({entry.dtype})")
    if entry.shard >= len(shards):
        raise CheckpointError(f"{index}: {name!r} lies in data file {entry.shard}, there is none")
    if math.prod(entry.shape) * np.dtype(entry.dtype).itemsize != entry.size:
        raise CheckpointError(f"{index}: {name!r} of shape {entry.shape} has {entry.size} bytes")
    end, size = entry.offset + entry.size, sizes[entry.shard]
    if end > size:
        raise CheckpointError(
            f"{shards[entry.shard]}: incomplete, the tensor {name!r} ends at byte {end:,} and the "
            f"file at {size:,}: download it again"
        )


def _table(index: Path) -> Iterator[tuple[str, bytes]]:
    """The pairs of the sorted string table."""
    size = index.stat().st_size
    if size > _MAX_INDEX:
        raise CheckpointError(f"{index}: {size:,} bytes are no checkpoint's index")
    data = index.read_bytes()
    if data[-8:] != _MAGIC or len(data) < _FOOTER:
        raise CheckpointError(f"{index}: not a TensorFlow checkpoint's index, or cut short")
    footer = data[-_FOOTER:]
    *meta, at = _handle(index, footer, 0)
    *directory, _ = _handle(index, footer, at)
    _block(index, data, *meta)
    last = b""
    for _, handle in _pairs(index, _block(index, data, *directory)):
        *place, _ = _handle(index, handle, 0)
        for key, value in _pairs(index, _block(index, data, *place)):
            if key < last or (key == last and last):
                raise CheckpointError(f"{index}: damaged, its keys are not in order")
            last = key
            yield key.decode("utf-8", "backslashreplace"), value


def _block(index: Path, data: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise CheckpointError(f"{index}: damaged, a block lies beyond the end of the file")
    content, crc = data[offset : end + 1], data[end + 1 : end + _TRAILER]
    if masked_crc32c(content) != int.from_bytes(crc, "little"):
        raise CheckpointError(
            f"{index}: the block at byte {offset:,} is damaged (its CRC32C differs): download it "
            "again"
        )
    if content[-1] != 0:
        raise CheckpointError(
            f"{index}: compressed blocks (type {content[-1]}) are not supported: save the "
            "checkpoint without compression"
        )
    return content[:-1]


def _pairs(index: Path, block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of one block, each key completed by what it shares with the one before."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    key, at = b"", 0
    while at < end:
        shared, at = _varint(index, block, at)
        own, at = _varint(index, block, at)
        length, at = _varint(index, block, at)
        if shared > len(key) or at + own + length > end:
            raise _damaged(index)
        key = key[:shared] + block[at : at + own]
        at += own + length
        yield key, block[at - length : at]
    if at != end:
        raise _damaged(index)


def _handle(index: Path, data: bytes, at: int) -> tuple[int, int, int]:
    """Offset and size of a block, and where its handle ends."""
    offset, at = _varint(index, data, at)
    size, at = _varint(index, data, at)
    return offset, size, at


def _fields(index: Path, data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protocol buffer; messages within stay bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(index, data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(index, data, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(index, data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise _damaged(index)
        if at + length > len(data):
            raise _damaged(index)
        content = data[at : at + length]
        yield number, content if kind == 2 else int.from_bytes(content, "little")
        at += length


def _varint(index: Path, data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position in range(at, min(at + 10, len(data))):
        byte = data[position]
        value |= (byte & 127) << 7 * (position - at)
        if byte < 128:
            return value, position + 1
    raise _damaged(index)


def _integer(index: Path, value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise _damaged(index)
    return value


def _bytes(index: Path, value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _damaged(index)
    return value


def _damaged(index: Path) -> CheckpointError:
    return CheckpointError(f"{index}: damaged, it does not follow the format: download it again")
