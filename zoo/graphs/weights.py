"""The initializers of a graph, from wherever they lie, into one safetensors file."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from zoo.space import tensor_layout

INLINE = 16
"""Tensors of no more elements (shapes, axes, scales) are in the graph too: runtimes read them while
they infer shapes, when external data is not at hand."""

_DTYPES: dict[int, tuple[str, int]] = {
    TensorProto.BOOL: ("BOOL", 1),
    TensorProto.UINT8: ("U8", 1),
    TensorProto.INT8: ("I8", 1),
    TensorProto.FLOAT8E4M3FN: ("F8_E4M3", 1),
    TensorProto.FLOAT8E5M2: ("F8_E5M2", 1),
    TensorProto.UINT16: ("U16", 2),
    TensorProto.INT16: ("I16", 2),
    TensorProto.FLOAT16: ("F16", 2),
    TensorProto.BFLOAT16: ("BF16", 2),
    TensorProto.UINT32: ("U32", 4),
    TensorProto.INT32: ("I32", 4),
    TensorProto.FLOAT: ("F32", 4),
    TensorProto.UINT64: ("U64", 8),
    TensorProto.INT64: ("I64", 8),
    TensorProto.DOUBLE: ("F64", 8),
    TensorProto.COMPLEX64: ("C64", 8),
}


@dataclass(frozen=True)
class Weight:
    """A tensor as safetensors describes it; `read` gives its bytes.

    What safetensors has no type for, such as numbers of four bits, is its packed bytes, U8.
    """

    name: str
    dtype: str
    width: int
    shape: tuple[int, ...]
    read: Callable[[], bytes]


def weight_of(tensor: TensorProto, folder: Path) -> Weight:
    """An initializer as it is stored; `folder` is where external data lies."""
    dtype, width = _DTYPES.get(tensor.data_type, ("U8", 1))
    shape = tuple(tensor.dims)
    if tensor.data_type not in _DTYPES:
        shape = (len(tensor_bytes(tensor, folder)),)
    return Weight(tensor.name, dtype, width, shape, lambda: tensor_bytes(tensor, folder))


def tensor_bytes(tensor: TensorProto, folder: Path) -> bytes:
    """The elements of a tensor, little-endian; those of less than a byte are packed.

    Raises:
        ValueError: there are more or fewer than its shape says.
    """
    if uses_external_data(tensor):
        info = ExternalDataInfo(tensor)
        with (folder / info.location).open("rb") as file:
            file.seek(info.offset or 0)
            content = file.read(info.length if info.length is not None else -1)
    elif tensor.HasField("raw_data"):
        content = tensor.raw_data
    else:
        content = numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data
    known = _DTYPES.get(tensor.data_type)
    if known and len(content) != known[1] * math.prod(tensor.dims):
        raise ValueError(f"holds {len(content)} bytes, and its shape is {[*tensor.dims]}")
    return content


def write_weights(weights: Iterable[Weight], path: Path) -> None:
    """Write a safetensors file, one tensor after the other: only one is in memory.

    Raises:
        OSError: the disk is full.
    """
    # The order of the library: large elements first, so that all are aligned.
    ordered = sorted(weights, key=lambda weight: (-weight.width, weight.name))
    header, offset = {}, 0
    for weight in ordered:
        end = offset + weight.width * math.prod(weight.shape)
        header[weight.name] = {
            "dtype": weight.dtype,
            "shape": weight.shape,
            "data_offsets": (offset, end),
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for weight in ordered:
            file.write(weight.read())


def refer_to_weights(graph: onnx.GraphProto, path: Path) -> None:
    """Make the initializers external data inside the safetensors file at `path`."""
    layout = tensor_layout(path)
    for tensor in graph.initializer:
        _, _, offset, length = layout[tensor.name]
        reference = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        if math.prod(tensor.dims) <= INLINE:
            with path.open("rb") as file:
                file.seek(offset)
                reference.raw_data = file.read(length)
        else:
            reference.data_location = TensorProto.EXTERNAL
            for key, value in {"location": path.name, "offset": offset, "length": length}.items():
                reference.external_data.add(key=key, value=str(value))
        tensor.CopyFrom(reference)


def has_nan(tensor: TensorProto, folder: Path) -> bool:
    """Whether a tensor of floats holds a NaN."""
    types: dict[int, str] = {
        TensorProto.FLOAT: "<f4",
        TensorProto.DOUBLE: "<f8",
        TensorProto.FLOAT16: "<f2",
    }
    content = tensor_bytes(tensor, folder)
    if tensor.data_type == TensorProto.BFLOAT16:
        halves = np.frombuffer(content, "<u2").astype("<u4") << 16
        return bool(np.isnan(halves.view("<f4")).any())
    if tensor.data_type not in types:
        return False
    return bool(np.isnan(np.frombuffer(content, types[tensor.data_type])).any())
