"""A tiny but whole package, made without PyTorch."""

import datetime

import numpy as np
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from zoo.architectures import ResNetArchitecture
from zoo.images import InputBlock
from zoo.manifest import GOLDEN, GRAPH, WEIGHTS, File, Layer, Manifest, Provenance, Source
from zoo.package import file_digest
from zoo.runtimes.golden import Golden, agreement, write_golden
from zoo.space import space_digest, tensor_digests, tensor_layout

SIZE, CELLS, DIM = 16, 4, 12
BLOCK = InputBlock(size=SIZE, interpolation="bilinear")
ARCHITECTURE = ResNetArchitecture()
LAYER = Layer(stages=("layer4",))


def write_package(folder, name, version, seed=0, filler=3, **manifest):
    """Mean colours of a 4 x 4 grid, projected: enough of an encoder to be right or wrong.

    `filler`: bytes of a tensor that nothing reads, for packages of some size.
    """
    rng = np.random.default_rng(seed)
    projection = rng.normal(size=(CELLS * CELLS * 3, DIM)).astype(np.float32)
    unused = rng.integers(0, 256, filler, np.uint8) if filler > 3 else np.ones(3, np.float32)
    save_file({"projection": projection, "unused": unused}, folder / WEIGHTS)
    (folder / GRAPH).write_bytes(graph(folder / WEIGHTS).SerializeToString())
    images = rng.integers(0, 256, (6, SIZE, SIZE, 3), np.uint8)
    embeddings = encode(images, projection)
    controls = {"channels": encode(images[..., ::-1], projection)}
    write_golden(folder / GOLDEN, Golden(images, embeddings, controls))
    names = (WEIGHTS, GRAPH, GOLDEN)
    digests = tensor_digests(folder / WEIGHTS)
    content = Manifest(
        name=name,
        version=version,
        method="simclr",
        architecture=ARCHITECTURE,
        dim=DIM,
        layer=LAYER,
        input=BLOCK,
        files={
            n: File(sha256=file_digest(folder / n), bytes=(folder / n).stat().st_size)
            for n in names
        },
        provenance=Provenance(
            created=datetime.date(2026, 1, 1),
            sources=(Source(name="random", terms="none", images=6),),
            code_licence="Apache-2.0",
            weights_licence="Apache-2.0",
            citation="none",
        ),
        parity={"onnxruntime-fp32": agreement(embeddings, embeddings)},
        space=space_digest(digests, ARCHITECTURE, LAYER, BLOCK),
    )
    content = content.model_copy(update=manifest)
    (folder / "model.json").write_text(content.model_dump_json(indent=1))


def encode(images, projection):
    """What the graph computes, in NumPy."""
    n, cell = len(images), SIZE // CELLS
    cells = images.astype(np.float32).reshape(n, CELLS, cell, CELLS, cell, 3).mean((2, 4)) / 255
    return (cells.transpose(0, 3, 1, 2).reshape(n, -1) - 0.5) @ projection


def graph(weights):
    _, shape, offset, length = tensor_layout(weights)["projection"]
    projection = TensorProto(
        name="projection",
        data_type=TensorProto.FLOAT,
        dims=shape,
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in {"location": weights.name, "offset": offset, "length": length}.items():
        projection.external_data.add(key=key, value=str(value))
    constants = [
        helper.make_tensor("white", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("grey", TensorProto.FLOAT, [], [0.5]),
    ]
    cell = SIZE // CELLS
    nodes = [
        helper.make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["cast"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["cells"], kernel_shape=[cell] * 2, strides=[cell] * 2
        ),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("Div", ["flat", "white"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "grey"], ["centred"]),
        helper.make_node("MatMul", ["centred", "projection"], ["embedding"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIZE, SIZE, 3])]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIM])]
    main = helper.make_graph(nodes, "tiny", inputs, outputs, [*constants, projection])
    return helper.make_model(main, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
