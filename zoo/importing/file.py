"""An ONNX file that someone else made -> the model in it, or one line that says what it is."""

import codecs
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path, PurePosixPath

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_tensor,
    uses_external_data,
)

from zoo.errors import ImportRefusedError
from zoo.graphs.serve import opset
from zoo.graphs.walk import tensors
from zoo.graphs.weights import INLINE, has_nan, tensor_bytes

_LEAST_OPSET = 7
_LFS = b"version https://git-lfs"


def read_onnx(path: Path) -> onnx.ModelProto:
    """The model in a file; large initializers that lie beside it are looked at, and stay there.

    Raises:
        ImportRefusedError: it is no ONNX file or cut short; its weights lie outside its folder, are
            missing or cut short, are text, or hold a NaN; or it is of before opset 7.
        OSError: it cannot be read.
    """
    model = _parse(path)
    for tensor in tensors(model):
        with _naming(path, tensor):
            _check_tensor(tensor, path.parent)
    initializers = (t for t in model.graph.initializer if math.prod(t.dims) <= INLINE)
    attributes = chain.from_iterable(map(tensors, model.graph.node))
    for tensor in chain(initializers, attributes):
        if uses_external_data(tensor):
            load_external_data_for_tensor(tensor, str(path.parent))
    return model


def external_files(path: Path) -> list[str]:
    """The files that the weights of an ONNX file lie in, from its folder; they need not be there.

    Raises:
        ImportRefusedError: it is no ONNX file, or one of them is outside of its folder.
        OSError: it cannot be read.
    """
    found = dict[str, None]()
    for tensor in tensors(_parse(path)):
        if uses_external_data(tensor):
            with _naming(path, tensor):
                found[str(_place(tensor))] = None
    return list(found)


def _parse(path: Path) -> onnx.ModelProto:
    content = path.read_bytes()
    if reason := _not_onnx(content):
        raise ImportRefusedError(f"{path}: {reason}")
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise ImportRefusedError(
            f"{path}: not an ONNX file, or cut short: compare its size with its publisher's"
        ) from None
    if not model.graph.node:
        raise ImportRefusedError(f"{path}: an ONNX file without a network in it")
    if opset(model) < _LEAST_OPSET:
        raise ImportRefusedError(
            f"{path}: written in opset {opset(model)}, and runtimes read from {_LEAST_OPSET} on: "
            "convert it with onnx.version_converter"
        )
    return model


def _not_onnx(content: bytes) -> str | None:
    start = content[:512].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if not content:
        return "empty (0 bytes): download it again"
    if content.startswith(_LFS):
        return (
            "a pointer of git-lfs and not the file itself: `git lfs pull` in its repository, or "
            "download the file"
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page and not an ONNX file: its server may want a login"
    if start.startswith((b"{", b"[")):
        return "JSON and not an ONNX file"
    if content.startswith(b"PK\x03\x04"):
        return "a zip, as PyTorch writes checkpoints, and not an ONNX file: export it to ONNX"
    if content[8:10] == b'{"':
        return "weights as safetensors, and not an ONNX file: export it to ONNX"
    return None


def _check_tensor(tensor: TensorProto, folder: Path) -> None:
    if tensor.data_type == TensorProto.STRING:
        raise ValueError("holds text, which is no weight of an image encoder")
    if uses_external_data(tensor):
        _check_external(tensor, folder)
    tensor_bytes(tensor, folder)
    if has_nan(tensor, folder):
        raise ValueError("holds a NaN: the file is damaged, or its training diverged")


def _place(tensor: TensorProto) -> PurePosixPath:
    location = ExternalDataInfo(tensor).location
    place = PurePosixPath(location)
    if place.is_absolute() or ".." in place.parts or "\\" in location or not place.parts:
        raise ValueError(
            f"lies in {location!r}, outside of the file's folder, where nothing is read"
        )
    return place


def _check_external(tensor: TensorProto, folder: Path) -> None:
    info = ExternalDataInfo(tensor)
    path = folder
    for part in _place(tensor).parts:
        path /= part
        if path.is_symlink():
            raise ValueError(
                f"lies in {info.location!r}, a symbolic link, which is not followed: put a copy of "
                "the file there"
            )
    if not path.is_file():
        raise ValueError(f"lies in {info.location!r}, which is not there: put it beside the file")
    end = (info.offset or 0) + (info.length or math.prod(tensor.dims))
    if path.stat().st_size < end:
        raise ValueError(
            f"lies in {info.location!r}, which is cut short: it has {path.stat().st_size} bytes, "
            f"and {end} are needed"
        )


@contextmanager
def _naming(path: Path, tensor: TensorProto) -> Iterator[None]:
    """Let what is wrong with a tensor name it and its file."""
    try:
        yield
    except ValueError as error:
        raise ImportRefusedError(f"{path}: the tensor {tensor.name!r} {error}") from None
