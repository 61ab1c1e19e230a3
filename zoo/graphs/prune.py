"""The part of a graph that one of its values needs."""

from collections.abc import Callable
from typing import Any

import onnx

from zoo.graphs.walk import reads


def prune(model: onnx.ModelProto, output: str) -> None:
    """Leave only what `output` needs: nodes, initializers and inputs. It becomes the one output.

    Raises:
        KeyError: no node makes such a value.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output if name}
    if output not in makers:
        raise KeyError(output)
    needed: set[str] = set()
    names = [output]
    while names:
        name = names.pop()
        if name not in needed:
            needed.add(name)
            names.extend(reads(makers[name]) if name in makers else ())
    _keep(graph.node, lambda node: bool(needed.intersection(node.output)))
    _keep(graph.input, lambda value: value.name in needed)
    _keep(graph.initializer, lambda tensor: tensor.name in needed)
    _keep(graph.sparse_initializer, lambda tensor: tensor.values.name in needed)
    declared = {value.name: value for value in (*graph.value_info, *graph.output)}
    chosen = onnx.ValueInfoProto(name=output)
    chosen.CopyFrom(declared.get(output, chosen))
    del graph.output[:]
    graph.output.append(chosen)


def _keep(items: Any, wanted: Callable[[Any], bool]) -> None:
    for position in reversed(range(len(items))):
        if not wanted(items[position]):
            del items[position]
