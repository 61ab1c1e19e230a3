"""An encoder in PyTorch -> the files of a package."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from export.golden import golden_vectors
from export.graph import export_graph
from zoo.arrays import Pixels
from zoo.encoders import ServedEncoder
from zoo.manifest import GOLDEN, GRAPH, WEIGHTS, Manifest
from zoo.package_writer import About, graph_metadata, new_manifest
from zoo.runtimes.golden import write_golden


def write_encoder(
    folder: Path, about: About, served: ServedEncoder, stored: dict[str, Tensor], images: Pixels
) -> Manifest:
    """Write weights, graph and golden vectors into `folder`.

    Args:
        served: the reference, with the values of `stored`.
        stored: the weights as they are to be stored.
        images: for the golden vectors, uint8 (n, size, size, 3).

    Returns:
        The manifest as far as it is known, for `attest`: apart, so that PyTorch's copy of large
        weights can be let go before.
    """
    save_file(stored, folder / WEIGHTS)
    golden = golden_vectors(served, images)
    architecture, dim = served.encoder.architecture, golden.embeddings.shape[1]
    manifest = new_manifest(folder, about, architecture, served.layer, served.block, dim)
    export_graph(served, folder / WEIGHTS, folder / GRAPH, graph_metadata(manifest))
    write_golden(folder / GOLDEN, golden)
    return manifest
