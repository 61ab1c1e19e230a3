"""The digest of an imported graph: its bytes never change silently."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.foreign_onnx import convolutions, save, transformer
from zoo.graphs.digest import graph_digest
from zoo.importing.file import read_onnx

VECTOR = "6fe1106efa547338f10dea27ddd9f06afb920dcaa0f5c29fe47dad16f6d54fd3"


def small(weight=1.0):
    """x (n, 2) * w -> y, with notes everywhere."""
    node = helper.make_node("Mul", ["x", "w"], ["y"], name="m", doc_string="line 3")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2]) for n in "xy")
    weights = [numpy_helper.from_array(np.array([weight, 2], np.float32), "w")]
    graph = helper.make_graph([node], "g", [x], [y], weights, doc_string="a graph")
    graph.value_info.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2]))
    opsets = [helper.make_opsetid("com.example", 1), helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="me")
    helper.set_model_props(model, {"note": "mine"})
    return model


def field(number, content):
    """A field of protobuf that is a message, a text or, of an int, a number."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    content = content.encode() if isinstance(content, str) else content
    return bytes([number << 3 | 2, len(content)]) + content


def described(name):
    """A ValueInfoProto of float (n, 2)."""
    shape = field(1, field(2, "n")) + field(1, field(1, 2))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def test_an_independent_computation_agrees():
    node = field(1, "x") + field(1, "w") + field(2, "y") + field(3, "m") + field(4, "Mul")
    graph = field(1, node) + field(2, "g") + field(5, field(8, "w"))
    graph += field(11, described("x")) + field(12, described("y"))
    opsets = field(8, field(1, "") + field(2, 18)) + field(8, field(1, "com.example") + field(2, 1))
    digest = graph_digest(small())
    assert digest == hashlib.sha256(field(7, graph) + opsets).hexdigest()
    assert digest == VECTOR


def test_how_the_file_is_written_does_not_count(tmp_path):
    model = convolutions()
    digest = graph_digest(model)
    saved = save(model, tmp_path / "inside.onnx"), save(model, tmp_path / "a.onnx", "a.data")
    assert {graph_digest(read_onnx(path)) for path in saved} == {digest}
    model.ir_version, model.producer_name, model.doc_string = 10, "another", "text"
    model.graph.node[0].doc_string = "line 4"
    weights = list(model.graph.initializer)
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights[::-1])
    inferred = onnx.shape_inference.infer_shapes(model)
    assert len(inferred.graph.value_info)
    assert graph_digest(inferred) == digest


def test_values_of_weights_are_digested_apart():
    assert graph_digest(small(3.0)) == graph_digest(small())


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.graph.node[0].attribute[0].ints.append(1),
        lambda m: setattr(m.graph.node[0], "op_type", "Other"),
        lambda m: m.graph.node[0].input.__setitem__(0, "z"),
        lambda m: setattr(m.graph.initializer[0], "name", "other"),
        lambda m: setattr(m.opset_import[0], "version", 17),
        lambda m: setattr(m.graph.input[0], "name", "other"),
        lambda m: m.graph.output.pop(),
    ],
)
def test_what_is_computed_counts(change):
    model = convolutions()
    before = graph_digest(model)
    change(model)
    assert graph_digest(model) != before


def test_different_graphs_differ():
    graphs = convolutions(), convolutions("nhwc"), convolutions(batch=1), transformer()
    assert len({graph_digest(graph) for graph in graphs}) == len(graphs)
