"""A package -> the same encoder with a whitening behind it, without PyTorch."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from safetensors import safe_open

from zoo.arrays import Vectors
from zoo.errors import PackageError
from zoo.graphs.rewrite import move_weights, write_graph
from zoo.graphs.weights import Weight, write_weights
from zoo.graphs.whiten import append_whitening
from zoo.manifest import GOLDEN, GRAPH, WEIGHTS, Source, Whitened, graph_name
from zoo.package import Package
from zoo.package_writer import CARD, About, attest, graph_metadata, new_manifest
from zoo.runtimes.golden import Golden, agreement, read_golden, write_golden
from zoo.runtimes.onnx import check_installed
from zoo.space import tensor_layout
from zoo.store import find_package, new_package
from zoo.whitening.fit import Floats, Whitening, fit_whitening

__all__ = ["Whitening", "check_whitenable", "fit_whitening", "whiten_package"]

MEAN, MATRIX = "representation.mean", "representation.whitening"
"""The tensors of the steps `centre` and `whiten`."""

_CLEAR = 0.999
"""A mistake must lower the least cosine to this: ten times further than the tolerance."""


def check_whitenable(package: Package) -> None:
    """That a package can be whitened, before the long work of embedding images.

    Raises:
        PackageError: it is whitened already.
        RuntimeUnavailableError: there is no ONNX Runtime.
    """
    check_installed()
    if "whiten" in package.manifest.layer.steps:
        raise PackageError(
            f"{package.manifest.reference} is whitened already: name the model that it was made of"
        )


def whiten_package(
    package: Package, whitening: Whitening, name: str, version: str, sources: Sequence[Source]
) -> Package:
    """Make a package with the steps `centre` and `whiten` behind those of another, and prove it.

    The encoder's weights stay to the bit. The golden embeddings are the other package's, whitened
    in float64.

    Args:
        whitening: of what the other package gives, not of unit length.
        sources: the images that it was fitted on.

    Raises:
        PackageError: that version is installed already, or the package is whitened already.
        GoldenMismatchError: ONNX Runtime does not give what NumPy gives.
        OSError: the disk is full.
    """
    check_whitenable(package)
    stored = _stored(package, whitening)
    with new_package(name, version) as folder:
        write_weights(_weights(package, stored), folder / WEIGHTS)
        for other in _untouched(package):
            shutil.copyfile(package.path / other, folder / other)
        write_golden(folder / GOLDEN, _golden(package, whitening, stored))
        old = package.manifest
        provenance = old.provenance.model_copy(
            update={
                "created": datetime.now(UTC).date(),
                "sources": (*old.provenance.sources, *sources),
                "whitened": Whitened(
                    model=old.reference,
                    space=old.space,
                    width=old.dim,
                    images=whitening.images,
                    share=round(whitening.share, 4),
                ),
            }
        )
        about = About(name, version, old.method, provenance)
        layer = old.layer.model_copy(update={"steps": stored.steps})
        dim = stored.matrix.shape[1]
        manifest = new_manifest(folder, about, old.architecture, layer, old.input, dim)
        model = onnx.load(package.graph, load_external_data=False)
        append_whitening(model, None if stored.centres else MEAN, MATRIX, *stored.matrix.shape)
        move_weights(model, folder / WEIGHTS)
        write_graph(model, folder / GRAPH, graph_metadata(manifest))
        attest(folder, manifest)
    return find_package(f"{name}@{version}")


@dataclass(frozen=True)
class _Stored:
    """The tensors as they are stored, which is what defines the embeddings.

    centres: the package subtracts a mean already, which becomes `mean`. before: that mean.
    """

    steps: tuple[str, ...]
    centres: bool
    before: Floats
    mean: npt.NDArray[np.float32]
    matrix: npt.NDArray[np.float16]

    def apply(self, embeddings: Floats) -> Vectors:
        """Of what the package would give without its own mean, (n, width) -> (n, dim)."""
        whitened: Vectors = (embeddings @ self.matrix.astype(np.float64)).astype(np.float32)
        return whitened


def _stored(package: Package, whitening: Whitening) -> _Stored:
    steps = package.manifest.layer.steps
    centres = "centre" in steps
    before = np.zeros(package.manifest.dim)
    if centres:
        with safe_open(package.weights, framework="numpy") as tensors:
            before = tensors.get_tensor(MEAN).astype(np.float64)
    elif taken := {MEAN, MATRIX} & tensor_layout(package.weights).keys():
        raise PackageError(
            f"{package.manifest.reference}: its graph has a tensor {min(taken)!r} of its own, "
            "which is the name of one that whitening adds: name it otherwise and import it again"
        )
    return _Stored(
        steps=(*steps, *(() if centres else ("centre",)), "whiten"),
        centres=centres,
        before=before,
        mean=(before + whitening.mean).astype(np.float32),
        matrix=_halves(whitening.matrix),
    )


def _halves(matrix: Floats) -> npt.NDArray[np.float16]:
    """The matrix in float16, times a power of two that brings its largest value to 1 or below.

    The length of an embedding means nothing, and so nothing is lost, however large or small the
    encoder's values are.
    """
    scaled: npt.NDArray[np.float16] = (
        matrix / 2.0 ** np.ceil(np.log2(np.abs(matrix).max()))
    ).astype(np.float16)
    return scaled


def _weights(package: Package, stored: _Stored) -> list[Weight]:
    """The package's tensors to the bit, and those of the whitening."""
    weights = []
    for name, (dtype, shape, offset, length) in tensor_layout(package.weights).items():
        read = partial(_read, package.weights, offset, length)
        width = length // max(math.prod(shape), 1)
        weights.append(Weight(name, dtype, width, tuple(shape), read))
    kept = [weight for weight in weights if weight.name != MEAN or not stored.centres]
    mean, matrix = stored.mean, stored.matrix
    return [
        *kept,
        Weight(MEAN, "F32", 4, mean.shape, mean.tobytes),
        Weight(MATRIX, "F16", 2, matrix.shape, matrix.tobytes),
    ]


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _untouched(package: Package) -> list[str]:
    """The files that say how the encoder came about: neither its own variants nor what is new."""
    made = {WEIGHTS, GRAPH, GOLDEN, CARD, *map(graph_name, package.manifest.variants)}
    return [name for name in package.manifest.files if name not in made]


def _golden(package: Package, whitening: Whitening, stored: _Stored) -> Golden:
    """The package's golden vectors whitened, with every mistake that shows.

    Two are of the whitening itself: no mean removed, and directions that are not scaled.
    """
    old = read_golden(package.golden)
    mean = stored.mean.astype(np.float64) - stored.before

    def whitened(embeddings: Vectors) -> Vectors:
        return stored.apply(embeddings - mean)

    right = whitened(old.embeddings)
    mistakes = {name: whitened(wrong) for name, wrong in old.controls.items()}
    mistakes["mean"] = stored.apply(old.embeddings + stored.before)
    mistakes["scales"] = (right * whitening.scales).astype(np.float32)
    controls = {
        name: wrong
        for name, wrong in mistakes.items()
        if agreement(wrong, right).cosine_min <= _CLEAR
    }
    return Golden(old.images, right, controls)
