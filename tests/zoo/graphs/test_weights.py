"""Initializers of every type come to lie in the package's weights file, to the bit."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from zoo.graphs.weights import has_nan, refer_to_weights, tensor_bytes, weight_of, write_weights
from zoo.space import tensor_layout

TYPES = {
    TensorProto.BOOL: (np.bool_, "BOOL"),
    TensorProto.UINT8: (np.uint8, "U8"),
    TensorProto.INT8: (np.int8, "I8"),
    TensorProto.UINT16: (np.uint16, "U16"),
    TensorProto.INT16: (np.int16, "I16"),
    TensorProto.FLOAT16: (np.float16, "F16"),
    TensorProto.BFLOAT16: (ml_dtypes.bfloat16, "BF16"),
    TensorProto.INT32: (np.int32, "I32"),
    TensorProto.UINT32: (np.uint32, "U32"),
    TensorProto.FLOAT: (np.float32, "F32"),
    TensorProto.INT64: (np.int64, "I64"),
    TensorProto.UINT64: (np.uint64, "U64"),
    TensorProto.DOUBLE: (np.float64, "F64"),
    TensorProto.FLOAT8E4M3FN: (ml_dtypes.float8_e4m3fn, "F8_E4M3"),
    TensorProto.INT4: (ml_dtypes.int4, "U8"),
    TensorProto.UINT4: (ml_dtypes.uint4, "U8"),
}


def test_every_kind_of_shape_and_name(tmp_path_factory):
    @given(
        described=st.dictionaries(
            st.text(min_size=1, max_size=6).filter(lambda name: name.isprintable()),
            st.tuples(st.sampled_from(list(TYPES)), st.lists(st.integers(0, 5), max_size=3)),
            min_size=1,
            max_size=6,
        ),
        raw=st.booleans(),
    )
    def check(described, raw):
        folder = tmp_path_factory.mktemp("weights")
        rng, tensors = np.random.default_rng(0), []
        for name, (kind, shape) in described.items():
            values = rng.integers(0, 2, shape).astype(TYPES[kind][0])
            tensor = numpy_helper.from_array(values, name)
            if not raw:  # as exporters did before: one field for each type
                tensor = helper.make_tensor(name, kind, shape, values.flatten().tolist())
            tensors.append(tensor)
        path = folder / "encoder.safetensors"
        write_weights((weight_of(tensor, folder) for tensor in tensors), path)
        for name, (dtype, *_) in tensor_layout(path).items():
            assert dtype == TYPES[described[name][0]][1]
        before = {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}
        graph = onnx.GraphProto(initializer=tensors)
        refer_to_weights(graph, path)
        for tensor in graph.initializer:
            found = numpy_helper.to_array(tensor, str(folder))
            np.testing.assert_array_equal(found, before[tensor.name])
            assert found.dtype == before[tensor.name].dtype

    check()


def test_the_library_reads_what_is_written(tmp_path):
    values = np.arange(60, dtype=np.float32).reshape(3, 20)
    odd = np.arange(17, dtype=np.int8)
    tensors = [numpy_helper.from_array(odd, "odd"), numpy_helper.from_array(values, "values")]
    write_weights((weight_of(t, tmp_path) for t in tensors), tmp_path / "w.safetensors")
    found = load_file(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(found["values"], values)
    np.testing.assert_array_equal(found["odd"], odd)


def test_shapes_stay_readable_where_they_are_inferred(tmp_path):
    """ONNX Runtime infers the output of a `Reshape` before it reads external data."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=(4, 32)).astype(np.float32), "w"),
        numpy_helper.from_array(np.array([0, 8, 4], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Reshape", ["y", "shape"], ["z"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 8, 4])
    graph = helper.make_graph(nodes, "g", [x], [z], weights)
    write_weights((weight_of(t, tmp_path) for t in weights), tmp_path / "encoder.safetensors")
    values = numpy_helper.to_array(weights[0])
    refer_to_weights(graph, tmp_path / "encoder.safetensors")
    assert graph.initializer[0].data_location == TensorProto.EXTERNAL
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, tmp_path / "g.onnx")
    onnx.checker.check_model(str(tmp_path / "g.onnx"), full_check=True)
    session = ort.InferenceSession(tmp_path / "g.onnx", providers=["CPUExecutionProvider"])
    batch = rng.normal(size=(3, 4)).astype(np.float32)
    (found,) = session.run(None, {"x": batch})
    np.testing.assert_allclose(found, (batch @ values).reshape(3, 8, 4), rtol=1e-5)


def test_a_tensor_that_holds_less_than_its_shape_says(tmp_path):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], raw_data=bytes(8))
    with pytest.raises(ValueError, match=r"8 bytes.*\[3\]"):
        tensor_bytes(tensor, tmp_path)


@pytest.mark.parametrize("kind", ["e", "f", "d", "bfloat16"])
def test_a_nan_is_seen_in_every_type_of_float(tmp_path, kind):
    dtype = ml_dtypes.bfloat16 if kind == "bfloat16" else np.dtype(kind)
    values = np.array([1, -np.inf, 3], dtype)
    assert not has_nan(numpy_helper.from_array(values, "w"), tmp_path)
    values[1] = np.nan
    assert has_nan(numpy_helper.from_array(values, "w"), tmp_path)
