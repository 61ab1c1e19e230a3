"""Graphs that take one image, or several in one number, made to take any number of them."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoo.graphs.walk import constants, messages

Extents = npt.NDArray[np.int64]


def free_batch(model: onnx.ModelProto, batch: int) -> None:
    """Let the first extent of constant `Reshape` targets follow the batch.

    That is how exporters write a fixed batch into a graph; where it is not all, `each_alone` helps.

    Args:
        batch: what the graph's input has as its first extent.
    """
    graph, names = model.graph, fresh_names(model)
    fixed = constants(graph)
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            values[node.output[0]] = node.attribute[0].t
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[0] not in fixed and node.input[1] in values:
            target = _freed(numpy_helper.to_array(values[node.input[1]]), batch)
            node.input[1] = next(names)
            graph.initializer.append(numpy_helper.from_array(target, node.input[1]))


def each_alone(model: onnx.ModelProto) -> None:
    """Run the graph once an image, in a `Scan` over the first axis of its input.

    Args:
        model: takes and gives one tensor, with extents that are all known but for the first.
    """
    graph, names = model.graph, fresh_names(model)
    (source,), (target,) = graph.input, graph.output
    inner = {source.name: next(names), target.name: next(names)}
    rename(model, inner)
    ends = []
    for value in (source, target):
        kind, dims = value.type.tensor_type.elem_type, value.type.tensor_type.shape.dim
        extents = [dim.dim_value for dim in dims[1:]]
        ends.append(helper.make_tensor_value_info(next(names), kind, extents))
    one, row = ends
    shapes = []
    for value, first in ((one, [1]), (row, [])):
        extents = [*first, *(dim.dim_value for dim in value.type.tensor_type.shape.dim)]
        shapes.append(next(names))
        graph.initializer.append(numpy_helper.from_array(np.array(extents, np.int64), shapes[-1]))
    body = helper.make_graph(
        [
            helper.make_node("Reshape", [one.name, shapes[0]], [source.name]),
            *graph.node,
            helper.make_node("Reshape", [target.name, shapes[1]], [row.name]),
        ],
        "alone",
        [one],
        [row],
    )
    outer = {new: old for old, new in inner.items()}
    scan = helper.make_node(
        "Scan", [outer[source.name]], [outer[target.name]], body=body, num_scan_inputs=1
    )
    del graph.node[:]
    graph.node.append(scan)
    source.name, target.name = outer[source.name], outer[target.name]


def fresh_names(model: onnx.ModelProto) -> Iterator[str]:
    """Names that nothing in the graph has yet."""
    used = set()
    for found in messages(model):
        used.add(getattr(found, "name", ""))
        if isinstance(found, onnx.NodeProto):
            used.update(found.input, found.output)
    return (name for number in count() if (name := f"zoo.{number}") not in used)


def rename(model: onnx.ModelProto, names: dict[str, str]) -> None:
    """Give values other names, wherever they stand."""
    for found in messages(model.graph):
        if isinstance(found, onnx.NodeProto):
            for values in (found.input, found.output):
                for position, name in enumerate(values):
                    values[position] = names.get(name, name)
        elif isinstance(found, onnx.ValueInfoProto | TensorProto):
            found.name = names.get(found.name, found.name)


def _freed(target: Extents, batch: int) -> Extents:
    """The target of a reshape, with a first extent that follows the batch."""
    freed = target.copy()
    if len(freed) and freed[0] > 0:
        if -1 not in freed:
            freed[0] = -1
        elif freed[0] == batch:
            freed[0] = 0  # as many as the input has
    return freed
