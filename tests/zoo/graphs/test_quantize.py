"""int8 graphs of a small network that is made here, without PyTorch."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.graphs.quantize import _run, quantise
from zoo.graphs.rewrite import write_graph
from zoo.runtimes.golden import agreement

SIZE, CHANNELS, DEPTH = 16, 16, 8


@pytest.fixture
def whole(tmp_path):
    """Eight convolutions, each behind a ReLU, averaged: uint8 (n, 16, 16, 3) -> (n, 16)."""
    rng = np.random.default_rng(0)
    initializers = [numpy_helper.from_array(np.array(255, np.float32), "white")]
    nodes = [
        helper.make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["cast", "white"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["x0"], perm=[0, 3, 1, 2]),
    ]
    for number in range(DEPTH):
        inputs = CHANNELS if number else 3
        kernel = rng.normal(size=(CHANNELS, inputs, 3, 3)) * np.sqrt(2 / (9 * inputs))
        initializers.append(numpy_helper.from_array(kernel.astype(np.float32), f"w{number}"))
        nodes += [
            helper.make_node(
                "Conv", [f"x{number}", f"w{number}"], [f"y{number}"], f"conv{number}", pads=[1] * 4
            ),
            helper.make_node("Relu", [f"y{number}"], [f"x{number + 1}"]),
        ]
    nodes += [
        helper.make_node("GlobalAveragePool", [f"x{DEPTH}"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", CHANNELS])
    graph = helper.make_graph(nodes, "small", [images], [embedding], initializers)
    opset = helper.make_opsetid("", 18)
    path = tmp_path / "whole.onnx"
    write_graph(helper.make_model(graph, opset_imports=[opset], ir_version=10), path, {})
    return path


@pytest.mark.parametrize("symmetric", [False, True])
def test_most_layers_become_int8_and_the_embeddings_stay(whole, tmp_path, symmetric):
    images = np.random.default_rng(1).integers(0, 256, (48, SIZE, SIZE, 3), np.uint8)
    tried = []
    kept = quantise(
        whole,
        tmp_path / "int8.onnx",
        images[:32],
        symmetric,
        progress=lambda done, total: tried.append((done, total)),
    )
    assert tried == [(number + 1, DEPTH) for number in range(DEPTH)]
    assert len(kept) <= DEPTH // 4
    found, expected = (_run(g, images[32:]) for g in (tmp_path / "int8.onnx", whole))
    assert agreement(found, expected).cosine_min > 0.99
    graph = onnx.load(tmp_path / "int8.onnx").graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    eight = [name for name, kind in types.items() if kind == TensorProto.INT8 and name[0] == "w"]
    assert len([name for name in eight if name.endswith("_quantized")]) == DEPTH - len(kept)
    points = [t for t in graph.initializer if "zero_point" in t.name]
    assert symmetric == all(not numpy_helper.to_array(t).any() for t in points)
