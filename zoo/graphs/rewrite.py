"""Changes of a graph in memory, and the one way in which graphs are written."""

from collections.abc import Mapping
from pathlib import Path

import onnx

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
