"""The space digest: which embeddings may be compared.

`space` is the SHA-256 of the canonical JSON (RFC 8785) of everything that decides the values: the
digest of each weight tensor as stored, the architecture, the layer and the input block. Test
vectors are in `tests/zoo/test_space.py`; these bytes never change silently.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rfc8785
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open

from zoo.errors import PackageError
from zoo.manifest import Manifest, Precision, graph_name

_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}


def space_digest(
    weights: dict[str, dict[str, Any]],
    architecture: BaseModel,
    layer: BaseModel,
    input_block: BaseModel,
) -> str:
    """64 lower-case hexadecimal digits. `weights` is what `tensor_digests` returns."""
    content = {
        "architecture": architecture.model_dump(mode="json"),
        "input": input_block.model_dump(mode="json"),
        "layer": layer.model_dump(mode="json"),
        "weights": weights,
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


ROUNDS_AS_THE_GRAPH = {"openvino": False}
"""Salt of the runtimes that round where the graph says it. Its key is from when there was one
other; it stays, since spaces do."""


def space_of(
    manifest: Manifest, precision: Precision, salt: Mapping[str, Any] = ROUNDS_AS_THE_GRAPH
) -> str:
    """The space of a package's encoder in a precision.

    It is the package's where the precision mixes with the reference, else one of its own: of that
    graph, since int8 with other ranges is as far from it as from fp32, and of the `salt` of the
    runtime: one that rounds elsewhere than the graph says is as far from the others.
    """
    if manifest.mixes(precision):
        return manifest.space
    graph = manifest.files.get(graph_name(precision))
    content = {
        "graph": graph.sha256 if graph else None,
        "precision": precision,
        "space": manifest.space,
        **salt,
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def tensor_digests(path: Path) -> dict[str, dict[str, Any]]:
    """`{name: {"dtype", "shape", "sha256"}}` of a safetensors file, from the stored bytes.

    Raises:
        PackageError: the file is not safetensors or is cut short.
    """
    digests = {}
    layout = tensor_layout(path)
    with path.open("rb") as file:
        for name, (dtype, shape, offset, length) in layout.items():
            file.seek(offset)
            digest = hashlib.sha256(file.read(length)).hexdigest()
            digests[name] = {"dtype": dtype, "shape": shape, "sha256": digest}
    return digests


def tensor_layout(path: Path) -> dict[str, tuple[str, list[int], int, int]]:
    """Where each tensor lies in a safetensors file: `{name: (dtype, shape, offset, bytes)}`.

    Raises:
        PackageError: the file is not safetensors or is cut short.
    """
    try:
        # The library checks the header against the file; offsets follow from its order.
        with safe_open(path, framework="numpy") as tensors:
            names = list(tensors.offset_keys())
            slices = {name: tensors.get_slice(name) for name in names}
            described = {n: (s.get_dtype(), list(s.get_shape())) for n, s in slices.items()}
    except (SafetensorError, OSError) as error:
        raise PackageError(f"{path}: not a whole safetensors file ({error})") from error
    with path.open("rb") as file:
        offset = 8 + int.from_bytes(file.read(8), "little")
    layout = {}
    for name, (dtype, shape) in described.items():
        if dtype not in _BYTES:
            raise PackageError(f"{path}: the tensor {name!r} is of dtype {dtype}, not supported")
        length = _BYTES[dtype]
        for extent in shape:
            length *= extent
        layout[name] = (dtype, shape, offset, length)
        offset += length
    return layout
