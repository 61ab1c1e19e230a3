"""An encoder's graph with what stands before and behind it: uint8 pixels in, embeddings out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoo.graphs.batch import each_alone, free_batch, fresh_names, rename
from zoo.images import InputBlock

Layout = Literal["nchw", "nhwc"]


@dataclass(frozen=True)
class Ends:
    """What a graph takes and gives.

    kind: ONNX's type of the input's elements: uint8 as decoded, or normalised floats.
    batch: the number of images that it takes, None for any.
    axes: of the output, 2 to 4 extents, those that are averaged; `first` takes the first token.
    """

    input: str
    kind: int
    layout: Layout
    batch: int | None
    output: str
    axes: tuple[int, ...] = ()
    first: bool = False


def serve(
    model: onnx.ModelProto, ends: Ends, block: InputBlock, dim: int, alone: bool = False
) -> None:
    """Make `model` take `images` uint8 (n, size, size, 3), RGB, and give `embedding` (n, dim).

    Args:
        alone: run it once an image, for graphs that take no other number, or mix them.
    """
    graph = model.graph
    if ends.batch is not None and not alone:
        free_batch(model, ends.batch)
    names = fresh_names(model)
    renamed = {name: next(names) for name in ("images", "embedding")}
    rename(model, renamed)
    source = renamed.get(ends.input, ends.input)
    target = renamed.get(ends.output, ends.output)
    before = list(_normalised(graph, source, ends, block, names))
    behind = list(_pooled(model, target, ends, names))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend([*before, *nodes, *behind])
    square: list[str | int | None] = ["n", block.size, block.size, 3]
    graph.input.append(helper.make_tensor_value_info("images", TensorProto.UINT8, square))
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dim]))
    model.ir_version = max(model.ir_version, 4)  # before, initializers had to be inputs too
    if alone:
        each_alone(model)


def _normalised(
    graph: onnx.GraphProto, target: str, ends: Ends, block: InputBlock, names: Iterator[str]
) -> Iterator[onnx.NodeProto]:
    """From `images` to what the graph takes."""
    steps: list[tuple[str, Sequence[str], dict[str, Any]]] = []
    if ends.layout == "nchw":
        steps.append(("Transpose", (), {"perm": [0, 3, 1, 2]}))
    if ends.kind != TensorProto.UINT8:
        steps.append(("Cast", (), {"to": TensorProto.FLOAT}))
        shape = (3, 1, 1) if ends.layout == "nchw" else (3,)
        for operator, values, neutral in (("Sub", block.mean, 0), ("Div", block.std, 1)):
            constant = np.reshape(255 * np.array(values), shape).astype(np.float32)
            if not (constant == neutral).all():
                name = next(names)
                graph.initializer.append(numpy_helper.from_array(constant, name))
                steps.append((operator, (name,), {}))
        if ends.kind != TensorProto.FLOAT:
            steps.append(("Cast", (), {"to": ends.kind}))
    value = "images"
    for position, (operator, others, attributes) in enumerate(steps or [("Identity", (), {})]):
        result = target if position + 1 >= len(steps) else next(names)
        yield helper.make_node(operator, [value, *others], [result], **attributes)
        value = result


def _pooled(
    model: onnx.ModelProto, source: str, ends: Ends, names: Iterator[str]
) -> Iterator[onnx.NodeProto]:
    """From the graph's output to `embedding`."""
    value = next(names) if ends.axes or ends.first else "embedding"
    yield helper.make_node("Cast", [source], [value], to=TensorProto.FLOAT)
    constant = next(names)
    if ends.first:
        zero = numpy_helper.from_array(np.array(0, np.int64), constant)
        model.graph.initializer.append(zero)
        yield helper.make_node("Gather", [value, constant], ["embedding"], axis=1)
    elif ends.axes and opset(model) < 18:  # from there on, the axes are an input
        yield helper.make_node(
            "ReduceMean", [value], ["embedding"], axes=list(ends.axes), keepdims=0
        )
    elif ends.axes:
        axes = numpy_helper.from_array(np.array(ends.axes, np.int64), constant)
        model.graph.initializer.append(axes)
        yield helper.make_node("ReduceMean", [value, constant], ["embedding"], keepdims=0)


def opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a graph is written in."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return max(versions, default=1)
