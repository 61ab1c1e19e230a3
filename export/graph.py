"""PyTorch -> an ONNX graph whose weights lie in the package's safetensors file."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from onnxscript import ir, optimizer
from torch import Tensor

from zoo.encoders import ServedEncoder
from zoo.graphs.rewrite import OPSET, cast_halves, strip, write_graph
from zoo.manifest import WEIGHTS
from zoo.space import tensor_layout


def halved(served: ServedEncoder) -> dict[str, Tensor]:
    """Matrices and kernels in float16, vectors (biases, statistics) in float32.

    Whitening stays in float32 too: its small directions need the digits.
    """
    stored = {}
    for name, tensor in served.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        half = tensor.ndim > 1 and not name.startswith("representation.")
        stored[name] = (tensor.half() if half else tensor.float()).contiguous()
    return stored


def export_graph(
    served: ServedEncoder, weights: Path, path: Path, metadata: dict[str, str]
) -> None:
    """Write the graph beside its weights: uint8 `images` (n, size, size, 3) -> `embedding`.

    Initializers that `weights` holds become external data inside it, float16 ones behind a cast
    that runtimes fold when they load the graph.
    """
    program = _trace(served)
    _refer_to_weights(program.model, weights)
    model = strip(program.model_proto)
    cast_halves(model)
    write_graph(model, path, metadata)


def trace(served: ServedEncoder) -> onnx.ModelProto:
    """The graph of uint8 `images` (n, size, size, 3) -> `embedding`, with its weights inside."""
    return strip(_trace(served).model_proto)


def _trace(served: ServedEncoder) -> torch.onnx.ONNXProgram:
    example = torch.zeros(2, served.block.size, served.block.size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            served.eval(),
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
            opset_version=OPSET,
            optimize=False,  # it would fold the norms into the kernels, away from the weights file
            verbose=False,
        )
    assert program is not None
    weights = set(served.state_dict())
    optimizer.fold_constants(
        program.model,
        # A tensor that is folded into another would leave the weights file.
        should_fold=lambda node: (
            False if any(v is not None and v.name in weights for v in node.inputs) else None
        ),
    )
    optimizer.remove_unused_nodes(program.model)
    return program


def _refer_to_weights(model: ir.Model, weights: Path) -> None:
    """Point the initializers into the file before the graph is serialised: nothing is copied."""
    layout = tensor_layout(weights)
    for name, value in model.graph.initializers.items():
        if name not in layout:
            continue
        dtype, shape, offset, length = layout.pop(name)
        if value.shape is None or value.shape.numpy() != tuple(shape):
            raise ValueError(f"{name}: the graph has {value.shape}, the file {shape}")
        value.const_value = ir.ExternalTensor(
            WEIGHTS, offset, length, _DTYPES[dtype], shape=ir.Shape(shape), name=name
        )
    if layout:
        raise ValueError(f"the graph does not use the tensors {sorted(layout)}")


_DTYPES = {"F16": ir.DataType.FLOAT16, "F32": ir.DataType.FLOAT}
