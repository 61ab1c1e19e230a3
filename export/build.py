"""An encoder in PyTorch -> the files of a package, but for its manifest."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from export.golden import golden_vectors
from export.graph import export_graph
from zoo.encoders import ServedEncoder
from zoo.graphs.rewrite import INPUT
from zoo.images import Pixels
from zoo.manifest import GOLDEN, GRAPH, SCHEMA_VERSION, WEIGHTS, Manifest
from zoo.packaging import About
from zoo.runtimes.golden import write_golden
from zoo.space import space_digest, tensor_digests


def write_encoder(
    folder: Path, about: About, served: ServedEncoder, stored: dict[str, Tensor], images: Pixels
) -> Manifest:
    """Write weights, graph and golden vectors into `folder`.

    Args:
        served: the reference, with the values of `stored`.
        stored: the weights as they are to be stored.
        images: for the golden vectors, uint8 (n, size, size, 3).

    Returns:
        The manifest as far as it is known, for `zoo.packaging.attest`.
    """
    save_file(stored, folder / WEIGHTS)
    architecture, layer, block = served.encoder.architecture, served.layer, served.block
    space = space_digest(tensor_digests(folder / WEIGHTS), architecture, layer, block)
    export_graph(
        served,
        folder / WEIGHTS,
        folder / GRAPH,
        {
            "name": about.name,
            "version": about.version,
            "space": space,
            INPUT: block.model_dump_json(),
        },
    )
    golden = golden_vectors(served, images)
    write_golden(folder / GOLDEN, golden)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=about.name,
        version=about.version,
        method=about.method,
        architecture=architecture,
        dim=golden.embeddings.shape[1],
        layer=layer,
        input=block,
        files={},
        provenance=about.provenance,
        metrics=about.metrics,
        parity={},
        space=space,
    )
