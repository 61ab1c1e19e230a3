"""Graphs are changed without changing what they compute, and written only when they are valid."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.graphs.rewrite import cast_halves, strip, write_graph


def two_products():
    """x (n, 3) -> (x @ half) @ half, with a matrix in float16 that both products read."""
    half = numpy_helper.from_array(
        np.random.default_rng(0).normal(size=(3, 3)).astype(np.float16), "half"
    )
    nodes = [
        helper.make_node("MatMul", ["x", "half"], ["y"], doc_string="/home/me/net.py, line 3"),
        helper.make_node("MatMul", ["y", "half"], ["z"]),
    ]
    x, z = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 3]) for n in "xz")
    graph = helper.make_graph(nodes, "two", [x], [z], [half])
    graph.value_info.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3]))
    entry = graph.node[0].metadata_props.add()
    entry.key, entry.value = "pkg.torch.onnx.stack_trace", "/home/me/net.py"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"exporter": "something"})
    return model


def test_halves_are_cast_once_wherever_they_are_read(tmp_path):
    model = two_products()
    half = numpy_helper.to_array(model.graph.initializer[0]).astype(np.float32)
    cast_halves(model)
    assert [node.op_type for node in model.graph.node] == ["Cast", "MatMul", "MatMul"]
    assert model.graph.initializer[0].data_type == TensorProto.FLOAT16
    write_graph(model, tmp_path / "graph.onnx", {})
    session = ort.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], x @ half @ half, rtol=1e-5)


def test_nothing_of_the_exporter_is_left(tmp_path):
    model = two_products()
    cast_halves(model)
    write_graph(strip(model), tmp_path / "graph.onnx", {"name": "two"})
    data = (tmp_path / "graph.onnx").read_bytes()
    assert b"/home/me" not in data
    assert b"exporter" not in data
    written = onnx.load(tmp_path / "graph.onnx")
    assert {e.key: e.value for e in written.metadata_props} == {"name": "two"}
    assert not written.graph.value_info


def test_a_graph_that_is_none_is_refused(tmp_path):
    model = two_products()  # products of float32 and float16
    model.graph.node[1].input[0] = "nobody"
    with pytest.raises(onnx.checker.ValidationError, match="nobody"):
        write_graph(model, tmp_path / "graph.onnx", {})


@pytest.mark.parametrize("place", ["../secret", "linked"])
def test_weights_outside_of_the_folder_are_refused(tmp_path, place):
    folder = tmp_path / "package"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(18))
    (folder / "linked").symlink_to(tmp_path / "secret")
    model = two_products()
    (half,) = model.graph.initializer
    half.ClearField("raw_data")
    half.data_location = TensorProto.EXTERNAL
    half.external_data.add(key="location", value=place)
    cast_halves(model)
    with pytest.raises(onnx.checker.ValidationError):
        write_graph(model, folder / "graph.onnx", {})
