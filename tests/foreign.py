"""Checkpoints as their publishers' programs write them, by independent writers."""

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import google_crc32c
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_CODES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def write_bundle(
    stem: Path,
    tensors: Iterable[tuple[str, Array]],
    block_size: int = 4096,
    compression: int = 0,
    sliced: bool = False,
) -> dict[str, Path]:
    """TensorFlow's `<stem>.index` and `<stem>.data-00000-of-00001`; both by name."""
    data, index = Path(f"{stem}.data-00000-of-00001"), Path(f"{stem}.index")
    pairs = {b"": _varint_field(1, 1)}
    with data.open("wb") as file:
        for name, array in tensors:
            content = np.ascontiguousarray(array).tobytes()
            dims = b"".join(_bytes_field(2, _varint_field(1, n)) for n in array.shape)
            pairs[name.encode()] = b"".join(
                (
                    _varint_field(1, _CODES[array.dtype.name]),
                    _bytes_field(2, dims),
                    _varint_field(4, file.tell()) if file.tell() else b"",
                    _varint_field(5, len(content)),
                    b"\x35" + _masked(content).to_bytes(4, "little"),
                    _bytes_field(7, b"") if sliced else b"",
                )
            )
            file.write(content)
    index.write_bytes(_table(sorted(pairs.items()), block_size, compression))
    return {index.name: index, data.name: data}


def google_tensors(
    width: int, depth: int = 50, selective: bool = False, seed: int = 0
) -> Iterator[tuple[str, Array]]:
    """Names and shapes of a SimCLR checkpoint, in the order of making; random, lively values."""
    rng = np.random.default_rng(seed)
    convolutions, norms = count(), count()

    def conv(size: int, inputs: int, outputs: int) -> Iterator[tuple[str, Array]]:
        number = next(convolutions)
        kernel = rng.standard_normal((size, size, inputs, outputs), np.float32)
        kernel *= np.float32((2 / (size * size * inputs)) ** 0.5)
        yield f"base_model/conv2d{f'_{number}' if number else ''}/kernel", kernel

    def norm(channels: int) -> Iterator[tuple[str, Array]]:
        number = next(norms)
        prefix = f"base_model/batch_normalization{f'_{number}' if number else ''}"
        for leaf, low, high in (
            ("gamma", 0.5, 1.5),
            ("beta", -0.3, 0.3),
            ("moving_mean", -0.3, 0.3),
            ("moving_variance", 0.5, 2.0),
        ):
            yield f"{prefix}/{leaf}", rng.uniform(low, high, channels).astype(np.float32)

    channels = 64 * width
    if selective:
        half = channels // 2
        for inputs in (3, half):
            yield from conv(3, inputs, half)
            yield from norm(half)
        yield from conv(3, half, channels)
    else:
        yield from conv(7, 3, channels)
    yield from norm(channels)
    inputs = channels
    for stage, blocks in enumerate(_BLOCKS[depth]):
        inner = channels * 2**stage
        for block in range(blocks):
            if block == 0:
                yield from conv(1, inputs, 4 * inner)
                yield from norm(4 * inner)
            yield from conv(1, inputs, inner)
            yield from norm(inner)
            if selective:
                squeezed = max(inner // 16, 32)
                yield from conv(3, inner, 2 * inner)
                yield from norm(2 * inner)
                yield from conv(1, inner, squeezed)
                yield from norm(squeezed)
                yield from conv(1, squeezed, 2 * inner)
            else:
                yield from conv(3, inner, inner)
                yield from norm(inner)
            yield from conv(1, inner, 4 * inner)
            yield from norm(4 * inner)
            inputs = 4 * inner
    dense = rng.standard_normal((inputs, 1000), np.float32)
    yield "head_supervised/linear_layer/dense/kernel", dense
    yield "head_supervised/linear_layer/dense/bias", np.zeros(1000, np.float32)
    yield "global_step", np.array(225206, np.int64)


def _table(pairs: list[tuple[bytes, bytes]], block_size: int, compression: int) -> bytes:
    """LevelDB's sorted string table: data blocks, an empty metaindex, the index, the footer."""
    out, directory, waiting = b"", [], []
    for position, pair in enumerate(pairs):
        waiting.append(pair)
        size = sum(len(key) + len(value) for key, value in waiting)
        if size >= block_size or position == len(pairs) - 1:
            block = _block(waiting, compression)
            directory.append((waiting[-1][0], _varint(len(out)) + _varint(len(block) - 5)))
            out, waiting = out + block, []
    handles = b""
    for block in (_block([], 0), _block(directory, 0)):
        handles += _varint(len(out)) + _varint(len(block) - 5)
        out += block
    return out + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def _block(pairs: list[tuple[bytes, bytes]], compression: int) -> bytes:
    out, restarts, last = b"", [], b""
    for position, (key, value) in enumerate(pairs):
        shared = 0
        if position % 16 == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += _varint(shared) + _varint(len(key) - shared) + _varint(len(value))
        out += key[shared:] + value
        last = key
    ends = [*(restarts or [0]), len(restarts or [0])]
    out += b"".join(number.to_bytes(4, "little") for number in ends) + bytes([compression])
    return out + _masked(out).to_bytes(4, "little")


def _masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17) & 0xFFFFFFFF) + 0xA282EAD8) % 2**32


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number * 8) + _varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number * 8 + 2) + _varint(len(value)) + value
