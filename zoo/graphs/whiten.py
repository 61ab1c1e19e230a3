"""A whitening joined to the end of a graph."""

import onnx
from onnx import TensorProto, helper

from zoo.graphs.batch import fresh_names, rename


def append_whitening(
    model: onnx.ModelProto, mean: str | None, matrix: str, width: int, dim: int
) -> None:
    """Let `embedding` (n, width) become `(embedding - mean) @ matrix`, (n, dim).

    Args:
        mean: name of the float32 initializer (width,); None where the graph subtracts it already.
        matrix: name of the float16 initializer (width, dim). Values come from the weights file,
            see `zoo.graphs.rewrite.move_weights`.
    """
    graph, names = model.graph, fresh_names(model)
    value, cast = next(names), next(names)
    rename(model, {"embedding": value})
    nodes = []
    if mean is not None:
        graph.initializer.append(TensorProto(name=mean, data_type=TensorProto.FLOAT, dims=(width,)))
        centred = next(names)
        nodes.append(helper.make_node("Sub", [value, mean], [centred]))
        value = centred
    graph.initializer.append(
        TensorProto(name=matrix, data_type=TensorProto.FLOAT16, dims=(width, dim))
    )
    nodes.append(helper.make_node("Cast", [matrix], [cast], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("MatMul", [value, cast], ["embedding"]))
    graph.node.extend(nodes)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dim]))
