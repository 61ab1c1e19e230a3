"""A public checkpoint -> a package, or an error that says which tensor does not fit."""

import gc
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from export.build import write_encoder
from export.checkpoints import open_checkpoint
from export.golden import golden_images
from zoo.arrays import Pixels
from zoo.catalog import CatalogEntry, CatalogSource, CatalogWheel
from zoo.checkpoints import MAPPING_VERSION, map_tensors
from zoo.download.claims import Claim, check_space_claim
from zoo.encoders import ServedEncoder, load_weights
from zoo.manifest import Conversion, Layer, Provenance, Source
from zoo.package import Package
from zoo.package_writer import About, attest
from zoo.sample_images import sample_squares
from zoo.store import find_package, new_package

_LAYER = Layer(stages=("layer4",))


def convert(
    entry: CatalogEntry,
    source: CatalogSource | CatalogWheel,
    files: Mapping[str, Path],
    sources: tuple[Source, ...],
    space: Claim | None = None,
) -> Package:
    """Make the package of a catalog entry from files on disk, and prove it before it is visible.

    The weights stay what was published, float32 to the bit, so that anyone can compare.

    Args:
        source: the one that the files are from.
        files: where each file of the checkpoint lies, by its name.
        sources: for the provenance, with the digests of the files.
        space: that the package must have.

    Raises:
        CheckpointError: a file is damaged, holds objects that are not read, or is of another
            network or another space.
        PackageError: that version is installed already.
        GoldenMismatchError: ONNX Runtime does not give what PyTorch gives.
    """
    with new_package(entry.name, entry.version) as folder:
        with TemporaryDirectory(prefix=".", dir=folder) as work:
            served, conversion = read_encoder(entry, source, files, Path(work))
        about = About(
            name=entry.name,
            version=entry.version,
            method=entry.method,
            provenance=Provenance(
                created=datetime.now(UTC).date(),
                sources=(Source(name=entry.trained_on, terms=entry.data_terms), *sources),
                code_licence=entry.code_licence,
                weights_licence=entry.weights_licence,
                citation=entry.citation,
                conversion=conversion,
            ),
            metrics=entry.published,
        )
        stored, images = _tensors(served), _golden_images(entry, served)
        manifest = write_encoder(folder, about, served, stored, images)
        check_space_claim(entry.reference, manifest.space, space)
        del served, stored  # 1.5 GB at width 4, before ONNX Runtime takes its own
        gc.collect()  # the exporter leaves cycles that hold them
        attest(folder, manifest)
    return find_package(entry.reference)


def read_encoder(
    entry: CatalogEntry,
    source: CatalogSource | CatalogWheel,
    files: Mapping[str, Path],
    work: Path,
) -> tuple[ServedEncoder, Conversion]:
    """The encoder of a catalog entry with the weights of a checkpoint, in evaluation mode.

    Args:
        work: a folder for what has to be unpacked.

    Raises:
        CheckpointError: as `convert`.
    """
    checkpoint = open_checkpoint(source.format, files, work)
    with torch.device("meta"):
        served = ServedEncoder(entry.architecture, _LAYER, entry.input, entry.dim)
    prefix = "encoder."
    wanted = {
        name.removeprefix(prefix): tuple(tensor.shape) for name, tensor in _tensors(served).items()
    }
    mapped = map_tensors(checkpoint, source.layout, wanted)
    served.to_empty(device="cpu")
    tensors = {prefix + name: torch.from_numpy(values) for name, values in mapped.tensors.items()}
    load_weights(served, tensors, str(checkpoint.origin))
    return served.eval(), Conversion(
        layout=source.layout,
        mapping=MAPPING_VERSION,
        tensors=len(tensors),
        dropped=mapped.dropped,
        crc32c=len(checkpoint.shapes) if checkpoint.checksums else None,
    )


def _golden_images(entry: CatalogEntry, served: ServedEncoder) -> Pixels:
    """Few: they run at every start, and the cost of one grows with the square of the width."""
    width = getattr(entry.architecture, "width", 1)
    count = max(1, 6 // width**2)
    return golden_images(served, sample_squares(entry.input, count=3 * count), count)


def _tensors(served: ServedEncoder) -> dict[str, Tensor]:
    return {
        name: tensor
        for name, tensor in served.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
