"""Changes of a graph in memory, and the one way in which graphs are written."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from zoo.manifest import WEIGHTS
from zoo.space import tensor_layout

OPSET = 22
"""The first in which convolutions take bfloat16. Triton's containers read up to 23."""

_IR_VERSION = 10  # read by every runtime that reads the opset
_DTYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}


def new_model(
    nodes: Iterable[onnx.NodeProto],
    initializers: Iterable[onnx.TensorProto],
    size: int,
    dim: int,
) -> onnx.ModelProto:
    """A model of uint8 `images` (n, size, size, 3) -> float32 `embedding` (n, dim)."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", size, size, 3])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dim])
    graph = helper.make_graph(list(nodes), "encoder", [images], [embedding], list(initializers))
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)


def refer_to_weights(model: onnx.ModelProto, weights: Path) -> None:
    """Make each initializer that a safetensors file holds external data inside that file.

    The graph is to be written beside it.

    Raises:
        ValueError: a tensor of the file is not in the graph, or is of another shape there.
    """
    if unused := move_weights(model, weights):
        raise ValueError(f"the graph does not use the tensors {unused}")


def move_weights(model: onnx.ModelProto, weights: Path) -> list[str]:
    """Make initializers whose values do not stand in the graph external data of that file.

    Returns:
        The tensors of the file that no initializer has the name of.

    Raises:
        ValueError: one is of another shape in the graph.
    """
    layout = tensor_layout(weights)
    for tensor in model.graph.initializer:
        if tensor.name not in layout:
            continue
        dtype, shape, offset, length = layout.pop(tensor.name)
        # What has another type is of an imported graph: its type stays, and it may be packed.
        if dtype in _DTYPES and list(tensor.dims) != shape:
            raise ValueError(f"{tensor.name}: the graph has {list(tensor.dims)}, the file {shape}")
        if tensor.HasField("raw_data"):
            continue
        tensor.data_type = _DTYPES.get(dtype, tensor.data_type)
        tensor.data_location = TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
    return sorted(layout)


INPUT = "input"
"""The metadata that holds the input block of the graph's package, as JSON."""


def write_graph(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the graph with no other metadata than this, and check it as it lies on disk.

    Raises:
        onnx.checker.ValidationError: it is no valid graph, or its external data does not lie in
            regular files of its folder.
    """
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(path))


def strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without what an exporter notes: its source lines, and shapes in between."""
    graph = model.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.value_info[:]
    return model


def cast_halves(model: onnx.ModelProto) -> None:
    """Compute in float32 with the initializers that are stored in float16.

    Each goes through a cast, which runtimes fold when they load the graph.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT16:
            continue
        used = f"{tensor.name}.float32"
        for node in model.graph.node:
            for position, name in enumerate(node.input):
                if name == tensor.name:
                    node.input[position] = used
        cast = onnx.helper.make_node("Cast", [tensor.name], [used], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, cast)
