"""A graph whose batch is fixed, made to take any number of images."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from zoo.graphs.walk import constants, messages

Extents = npt.NDArray[np.int64]


def free_batch(model: onnx.ModelProto, batch: int) -> None:
    """Undo the ways in which exporters write a fixed batch into a graph.

    The targets of `Reshape`, in which the first extent becomes what is left over; and constants,
    such as class tokens, that are joined to each image, which are repeated. Whether that was all
    of them shows in what the graph then gives.

    Args:
        batch: what the graph's input has as its first extent.
    """
    graph = model.graph
    names = fresh_names(model)
    fixed = constants(graph)
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            values[node.output[0]] = node.attribute[0].t
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[0] not in fixed and node.input[1] in values:
            target = _freed(numpy_helper.to_array(values[node.input[1]]), batch)
            node.input[1] = next(names)
            graph.initializer.append(numpy_helper.from_array(target, node.input[1]))
        if node.op_type == "Concat" and helper.get_node_attr_value(node, "axis") != 0:
            nodes.extend(_repeated(graph, node, fixed, values, names))
        nodes.append(node)
    copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copied)


def fresh_names(model: onnx.ModelProto) -> Iterator[str]:
    """Names that nothing in the graph has yet."""
    used = set()
    for found in messages(model):
        used.add(getattr(found, "name", ""))
        if isinstance(found, onnx.NodeProto):
            used.update(found.input, found.output)
    return (name for number in count() if (name := f"zoo.{number}") not in used)


def _freed(target: Extents, batch: int) -> Extents:
    """The target of a reshape, with a first extent that follows the batch."""
    freed = target.copy()
    if len(freed) and freed[0] > 0:
        if -1 not in freed:
            freed[0] = -1
        elif freed[0] == batch:
            freed[0] = 0  # as many as the input has
    return freed


def _repeated(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    fixed: set[str],
    values: dict[str, onnx.TensorProto],
    names: Iterator[str],
) -> Iterator[onnx.NodeProto]:
    """What repeats the constants that a `Concat` joins to images, as often as there are images."""
    images = next((name for name in node.input if name not in fixed), None)
    for position, name in enumerate(node.input):
        if images is None or name not in values:
            continue
        shape, first, length, repeated = (next(names) for _ in range(4))
        zero, one, rest = (next(names) for _ in range(3))
        ones = np.ones(len(values[name].dims) - 1, np.int64)
        for key, value in ((zero, [0]), (one, [1]), (rest, ones)):
            graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), key))
        yield helper.make_node("Shape", [images], [shape])
        yield helper.make_node("Gather", [shape, zero], [first], axis=0)
        yield helper.make_node("Concat", [first, rest], [length], axis=0)
        yield helper.make_node("Expand", [name, length], [repeated])
        node.input[position] = repeated
