"""An encoder in PyTorch -> the files of a package, proven before anyone sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from export.card import render_card
from export.golden import golden_vectors
from export.graph import export_graph
from zoo.arrays import Pixels
from zoo.encoders import ServedEncoder
from zoo.files import write_whole
from zoo.manifest import (
    GOLDEN,
    GRAPH,
    SCHEMA_VERSION,
    WEIGHTS,
    File,
    Manifest,
    Metric,
    Provenance,
)
from zoo.package import MANIFEST, Package, file_digest
from zoo.runtimes import check_golden, open_onnx
from zoo.runtimes.golden import write_golden
from zoo.space import space_digest, tensor_digests

CARD = "card.md"


@dataclass(frozen=True)
class About:
    """What a manifest says that its other files do not."""

    name: str
    version: str
    method: str
    provenance: Provenance
    metrics: tuple[Metric, ...] = ()


def write_encoder(
    folder: Path, about: About, served: ServedEncoder, stored: dict[str, Tensor], images: Pixels
) -> Manifest:
    """Write weights, graph and golden vectors into `folder`.

    Args:
        served: the reference, with the values of `stored`.
        stored: the weights as they are to be stored.
        images: for the golden vectors, uint8 (n, size, size, 3).

    Returns:
        The manifest as far as it is known, for `attest`.
    """
    save_file(stored, folder / WEIGHTS)
    architecture, layer, block = served.encoder.architecture, served.layer, served.block
    space = space_digest(tensor_digests(folder / WEIGHTS), architecture, layer, block)
    export_graph(
        served,
        folder / WEIGHTS,
        folder / GRAPH,
        {"name": about.name, "version": about.version, "space": space},
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


def attest(folder: Path, manifest: Manifest) -> None:
    """Compare ONNX Runtime with PyTorch's golden vectors and write the manifest with the result.

    Apart from `write_encoder`, so that PyTorch's copy of large weights can be let go before.

    Raises:
        GoldenMismatchError: they differ, or a negative control would pass.
    """
    runtime = open_onnx(Package(folder, manifest))
    parity = check_golden(Package(folder, manifest), runtime.variant, runtime.embed)
    write_manifest(folder, manifest.model_copy(update={"parity": {runtime.variant: parity}}))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `model.json` and the card that is rendered from it."""
    (folder / CARD).write_text(render_card(manifest))
    manifest = manifest.model_copy(update={"files": _files(folder)})
    write_whole(folder / MANIFEST, (manifest.model_dump_json(indent=1) + "\n").encode())


def record_metrics(package: Package, metrics: Sequence[Metric]) -> None:
    """Write figures into an installed package and its card; those of the same data and protocol
    take the place of older ones."""
    kept = {(m.data, m.protocol): m for m in (*package.manifest.metrics, *metrics)}
    update = {"metrics": tuple(kept.values())}
    write_manifest(package.path, package.manifest.model_copy(update=update))


def file_entry(path: Path) -> File:
    """What the manifest says of a file."""
    return File(sha256=file_digest(path), bytes=path.stat().st_size)


def _files(folder: Path) -> dict[str, File]:
    return {
        path.name: file_entry(path)
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST and not path.name.startswith(".")
    }
