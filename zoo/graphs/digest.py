"""The digest by which an imported graph is known."""

import hashlib

import onnx

from zoo.graphs.walk import clear_notes


def graph_digest(model: onnx.ModelProto) -> str:
    """SHA-256 of what a graph computes, apart from the values of its initializers.

    Of a model that holds, in the serialisation of protobuf: `opset_import` by domain; `functions`;
    and `graph` with its `name`, `node`, `input`, `output` and `sparse_initializer` as they are, and
    of each initializer the name alone, by name. Every `doc_string` and `metadata_props` in them is
    empty. So it does not matter who wrote the file, whether the weights lie in it or beside it, and
    which shapes in between it notes.
    """
    bare = onnx.ModelProto()
    bare.opset_import.extend(sorted(model.opset_import, key=lambda opset: opset.domain))
    bare.functions.extend(model.functions)
    graph = model.graph
    bare.graph.name = graph.name
    bare.graph.node.extend(graph.node)
    bare.graph.input.extend(graph.input)
    bare.graph.output.extend(graph.output)
    bare.graph.sparse_initializer.extend(graph.sparse_initializer)
    for name in sorted(tensor.name for tensor in graph.initializer):
        bare.graph.initializer.add(name=name)
    clear_notes(bare)
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()
