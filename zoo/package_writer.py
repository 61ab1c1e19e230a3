"""What is common to the makers of packages: the manifest, its proof, and the card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.architectures import Architecture, OnnxGraph
from zoo.card import USAGE, render_card
from zoo.files import write_whole
from zoo.graphs.rewrite import INPUT
from zoo.images import InputBlock
from zoo.manifest import (
    SCHEMA_VERSION,
    WEIGHTS,
    File,
    Layer,
    Manifest,
    Metric,
    OutputLayer,
    Provenance,
)
from zoo.package import MANIFEST, Package, file_digest
from zoo.runtimes import check_golden, open_onnx
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


def new_manifest(
    folder: Path,
    about: About,
    architecture: Architecture | OnnxGraph,
    layer: Layer | OutputLayer,
    block: InputBlock,
    dim: int,
) -> Manifest:
    """The manifest as far as it is known when the weights lie in `folder`, for `attest`."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=about.name,
        version=about.version,
        method=about.method,
        architecture=architecture,
        dim=dim,
        layer=layer,
        input=block,
        files={},
        provenance=about.provenance,
        metrics=about.metrics,
        parity={},
        space=space_digest(tensor_digests(folder / WEIGHTS), architecture, layer, block),
    )


def graph_metadata(manifest: Manifest) -> dict[str, str]:
    """What a graph says of itself, so that it can be used and imported elsewhere."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "space": manifest.space,
        INPUT: manifest.input.model_dump_json(),
        "usage": USAGE,
    }


def attest(folder: Path, manifest: Manifest) -> None:
    """Compare ONNX Runtime with the golden vectors and write the manifest with the result.

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
