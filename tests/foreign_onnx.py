"""Image encoders as others write them to ONNX, built without PyTorch."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
DIM = 24


class Builder:
    """Nodes and weights of a graph in the making; each call gives the name of a value."""

    def __init__(self, seed=0):
        self.rng, self.nodes, self.weights = np.random.default_rng(seed), [], []

    def weight(self, name, *shape, scale=1.0, dtype=np.float32):
        values = self.rng.normal(size=shape) * scale
        return self.constant(name, values.astype(dtype))

    def constant(self, name, values):
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def extents(self, name, *values):
        return self.constant(name, np.array(values, np.int64))

    def add(self, operator, *inputs, name=None, **attributes):
        name = name or f"/{operator}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], name=f"node{name}", **attributes)
        )
        return name

    def model(self, inputs, outputs, opset=18, **more):
        """inputs: `{name: (type, shape)}`; outputs: `{name: shape}` of floats, None: no shape."""
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info(n, *described) for n, described in inputs.items()],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)
                for n, shape in outputs.items()
            ],
            self.weights,
        )
        imports = [helper.make_opsetid("", opset), *more.pop("opsets", ())]
        return helper.make_model(
            graph, opset_imports=imports, ir_version=8, producer_name="someone", **more
        )


def convolutions(
    layout="nchw",
    kind=TensorProto.FLOAT,
    batch="batch",
    size=SIZE,
    end="rows",
    opset=18,
    seed=0,
):
    """Two convolutions.

    end: `rows` (n, 24), `map` of channels before cells, or `cells first`.
    kind: of the input; float16 goes through the whole network, uint8 is normalised in it.
    """
    b = Builder(seed)
    half = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    value = "pixel_values"
    if kind == TensorProto.UINT8:
        value = b.add("Cast", value, to=TensorProto.FLOAT)
        value = b.add("Div", value, b.constant("white", np.float32(255)))
    if layout == "nhwc":
        value = b.add("Transpose", value, perm=[0, 3, 1, 2])
    value = b.add(
        "Conv", value, b.weight("stem.weight", 16, 3, 4, 4, scale=0.3, dtype=half), strides=[4, 4]
    )
    value = b.add("Relu", value)
    value = b.add("Conv", value, b.weight("body.weight", DIM, 16, 3, 3, scale=0.2, dtype=half))
    if end == "rows":
        value = b.add("GlobalAveragePool", value)
        value = b.add("Flatten", value)
    if end == "cells first":
        value = b.add("Transpose", value, perm=[0, 2, 3, 1])
    value = b.add("Cast", value, name="features", to=TensorProto.FLOAT)
    square = [batch, 3, size, size] if layout == "nchw" else [batch, size, size, 3]
    shape = {
        "rows": [batch, DIM],
        "map": [batch, DIM, "h", "w"],
        "cells first": [batch, "h", "w", DIM],
    }
    return b.model({"pixel_values": (kind, square)}, {"features": shape[end]}, opset=opset)


def transformer(batch="batch", seed=0, size=SIZE, outputs=("last_hidden_state",)):
    """A vision transformer of one block with a class token, as PyTorch writes it.

    With a fixed batch the token is joined as it is and the heads are divided by constant shapes.
    """
    b = Builder(seed)
    patch, width, heads = 8, 16, 2
    tokens = (size // patch) ** 2 + 1
    fixed = isinstance(batch, int)
    first = batch if fixed else 0
    value = b.add(
        "Conv", "pixel_values", b.weight("patch.weight", width, 3, patch, patch, scale=0.1),
        strides=[patch, patch],
    )  # fmt: skip
    value = b.add("Reshape", value, b.extents("flat", first, width, tokens - 1))
    value = b.add("Transpose", value, perm=[0, 2, 1])
    token = b.weight("cls_token", 1, 1, width)
    if not fixed:
        shape = b.add("Shape", "pixel_values")
        count = b.add(
            "Slice",
            shape,
            b.extents("zero", 0),
            b.extents("one", 1),
        )
        ones = b.extents("ones", 1, 1)
        token = b.add("Expand", token, b.add("Concat", count, ones, axis=0))
    value = b.add("Concat", token, value, axis=1)
    value = b.add("Add", value, b.weight("positions", 1, tokens, width))
    query, key, values = (
        b.add(
            "Transpose",
            b.add(
                "Reshape",
                b.add("MatMul", value, b.weight(f"{name}.weight", width, width, scale=0.3)),
                b.constant(
                    f"{name}.heads", np.array([first, tokens, heads, width // heads], np.int64)
                ),
            ),
            perm=perm,
        )
        for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
    )
    mixed = b.add("MatMul", b.add("Softmax", b.add("MatMul", query, key), axis=-1), values)
    mixed = b.add("Transpose", mixed, perm=[0, 2, 1, 3])
    mixed = b.add("Reshape", mixed, b.extents("joined", first, tokens, width))
    value = b.add("Add", value, mixed, name="last_hidden_state")
    shapes = {"last_hidden_state": [batch, tokens, width]}
    if "pooler_output" in outputs:
        row = b.add("Gather", value, b.constant("cls", np.int64(0)), axis=1)
        weight = b.weight("pooler.weight", width, DIM, scale=0.3)
        b.add("Tanh", b.add("MatMul", row, weight), name="pooler_output")
        shapes["pooler_output"] = [batch, DIM]
    square = [batch, 3, size, size]
    return b.model(
        {"pixel_values": (TensorProto.FLOAT, square)}, {name: shapes[name] for name in outputs}
    )


def save(model, path, external=None):
    """Write the file; with `external`, all weights into that file beside it."""
    if external is None:
        onnx.save(model, path)
    else:
        copy = onnx.ModelProto.FromString(model.SerializeToString())
        onnx.save(
            copy, path, save_as_external_data=True, location=external, size_threshold=0,
            convert_attribute=False,
        )  # fmt: skip
    return path
