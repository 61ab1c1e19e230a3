"""PyTorch -> an ONNX graph whose weights lie in the package's safetensors file."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from onnxscript import optimizer
from safetensors.torch import save_file
from torch import Tensor

from zoo.encoders import ServedEncoder
from zoo.manifest import WEIGHTS
from zoo.space import tensor_layout


def write_weights(served: ServedEncoder, path: Path) -> None:
    """Matrices and kernels in float16, vectors (biases, statistics) in float32; see `halved`."""
    save_file(halved(served), path)


def halved(served: ServedEncoder) -> dict[str, Tensor]:
    """The tensors as stored. Whitening stays in float32: its small directions need the digits."""
    stored = {}
    for name, tensor in served.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        half = tensor.ndim > 1 and not name.startswith("representation.")
        stored[name] = (tensor.half() if half else tensor.float()).contiguous()
    return stored


def write_graph(served: ServedEncoder, weights: Path, path: Path, metadata: dict[str, str]) -> None:
    """Write the graph beside its weights: uint8 `images` (n, size, size, 3) -> `embedding`.

    Initializers that `weights` holds become external data inside it, float16 ones behind a cast
    that runtimes fold when they load the graph.
    """
    model = _trace(served)
    _refer_to_weights(model, weights)
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(path))


def _trace(served: ServedEncoder) -> onnx.ModelProto:
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
    model: onnx.ModelProto = program.model_proto
    for item in (
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        del item.metadata_props[:]  # source lines of the machine that exported
        item.doc_string = ""
    del model.graph.value_info[:]
    return model


def _refer_to_weights(model: onnx.ModelProto, weights: Path) -> None:
    layout = tensor_layout(weights)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name not in layout:
            continue
        dtype, shape, offset, length = layout[tensor.name]
        if list(tensor.dims) != shape:
            raise ValueError(f"{tensor.name}: the graph has {list(tensor.dims)}, the file {shape}")
        if dtype == "F16":
            used = f"{tensor.name}.float32"
            for node in model.graph.node:
                for position, name in enumerate(node.input):
                    if name == tensor.name:
                        node.input[position] = used
            casts.append(
                onnx.helper.make_node("Cast", [tensor.name], [used], to=onnx.TensorProto.FLOAT)
            )
            tensor.data_type = onnx.TensorProto.FLOAT16
        tensor.ClearField("raw_data")
        del tensor.float_data[:]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        del layout[tensor.name]
    if layout:
        raise ValueError(f"the graph does not use the tensors {sorted(layout)}")
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
