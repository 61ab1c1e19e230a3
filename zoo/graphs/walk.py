"""Finding things in a graph, the graphs inside of its nodes (loops, branches) included."""

from collections.abc import Iterator
from typing import Any

import onnx
from google.protobuf.message import Message


def messages(message: Message) -> Iterator[Any]:
    """The message and all that it holds; a tensor's bytes are not looked at."""
    yield message
    if isinstance(message, onnx.TensorProto):
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in [value] if isinstance(value, Message) else value:
                yield from messages(item)


def tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """All tensors: initializers, and those in the attributes of nodes."""
    return (found for found in messages(message) if isinstance(found, onnx.TensorProto))


def clear_notes(message: Message) -> None:
    """Remove what computes nothing: documentation and metadata, at every depth."""
    for found in messages(message):
        for name in ("doc_string", "metadata_props"):
            if name in found.DESCRIPTOR.fields_by_name:
                found.ClearField(name)


def reads(node: onnx.NodeProto) -> set[str]:
    """The values that a node reads, and those that the graphs inside it read."""
    inner = (found for found in messages(node) if isinstance(found, onnx.NodeProto))
    outputs = (
        value.name
        for found in messages(node)
        if isinstance(found, onnx.GraphProto)
        for value in found.output
    )
    return {name for found in inner for name in found.input if name} | set(outputs)


def constants(graph: onnx.GraphProto) -> set[str]:
    """The values that depend on no input: initializers, and what is computed from them alone."""
    known = {tensor.name for tensor in graph.initializer}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    for node in graph.node:  # in an order in which each value is made before it is read
        if reads(node) <= known:
            known.update(node.output)
    return known
