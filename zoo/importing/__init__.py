"""Any ONNX image encoder -> a package: proven against the file as it came, without PyTorch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import onnx

from zoo.architectures import OnnxGraph
from zoo.arrays import Pixels, Vectors
from zoo.download import check_space
from zoo.errors import ImportRefusedError
from zoo.graphs.digest import graph_digest
from zoo.graphs.rewrite import write_graph
from zoo.graphs.serve import Ends, serve
from zoo.graphs.walk import clear_notes
from zoo.graphs.weights import refer_to_weights, weight_of, write_weights
from zoo.importing.file import read_onnx
from zoo.importing.golden import golden_images, golden_of
from zoo.importing.output import axes_of, choose_output, pooling
from zoo.importing.preprocessor import find_preprocessing
from zoo.importing.reference import Reference, rows_of, run_graph
from zoo.importing.rule import Range, Rule, Said, settle
from zoo.manifest import GOLDEN, GRAPH, WEIGHTS, OutputLayer, Provenance, Source
from zoo.package import Package, file_digest
from zoo.package_writer import About, attest, graph_metadata, new_manifest
from zoo.runtimes.golden import Golden, agreement, write_golden
from zoo.runtimes.onnx import check_installed
from zoo.store import check_free, find_package, new_package, zoo_home

__all__ = ["Origin", "Range", "Said", "import_onnx"]

_SAME = 1 - 1e-5
"""Least cosine with the file; float16 in another order of images comes to about a tenth of it."""


@dataclass(frozen=True)
class Origin:
    """Where an encoder comes from, and what may be done with it; texts for manifest and card.

    files: what it was made of, where that is more than the ONNX file.
    """

    method: str = "imported"
    trained_on: str = "unstated"
    terms: str = "unstated"
    code_licence: str = "unstated"
    weights_licence: str = "unstated"
    citation: str = "unstated"
    files: tuple[Source, ...] = ()


Embed = Callable[[Pixels, Rule], Vectors]
"""uint8 (n, size, size, 3) by a rule -> (n, dim), not of unit length."""


def import_onnx(
    path: Path, name: str, version: str, said: Said, origin: Origin, embed: Embed | None = None
) -> Package:
    """Make a package of an ONNX file, prove it, and install it.

    Args:
        said: what the file does not say, or says wrongly.
        embed: what it is compared with; without it, the file as it came, in ONNX Runtime.

    Raises:
        ImportRefusedError: it is no image encoder, or what it takes is not known.
        PackageError: that version is installed already, or the name cannot be one.
        RuntimeUnavailableError: there is no ONNX Runtime.
        NoSpaceError: a disk has no room.
        OSError: the file cannot be read.
    """
    check_installed()
    check_free(name, version)
    check_space(zoo_home(), path.stat().st_size, f"{name}@{version}")
    model = read_onnx(path)
    with _naming(path):
        imported = _understand(model, path, said, embed)
        about = About(name, version, origin.method, _provenance(path, origin))
        with new_package(name, version) as folder:
            _write(folder, about, model, imported, path.parent)
    return find_package(f"{name}@{version}")


@dataclass(frozen=True)
class _Imported:
    """What is known of a graph; `graph` is of all of it, `ends` of what the output needs."""

    graph: OnnxGraph
    layer: OutputLayer
    rule: Rule
    ends: Ends
    golden: Golden


def _understand(model: onnx.ModelProto, path: Path, said: Said, embed: Embed | None) -> _Imported:
    """Read, ask and run; `model` is pruned to the chosen output."""
    graph = OnnxGraph(kind="onnx", graph=graph_digest(model))
    found = find_preprocessing(path, {entry.key: entry.value for entry in model.metadata_props})
    missing: list[str] = []
    output = choose_output(model, said, missing)
    rule = settle(model, said, found, missing)
    assert output is not None  # else it is missing, which `settle` says
    reference = Reference(model, path.parent, rule)
    images = golden_images(rule.block)
    shape = reference.run(images[:1]).shape
    pool = pooling(output, shape, said.pool)
    ends = Ends(
        input=rule.input,
        kind=rule.kind,
        layout=rule.layout,
        batch=rule.batch,
        output=output,
        axes=axes_of(shape, pool, rule.layout),
        first=pool == "cls",
    )

    def as_it_came(images: Pixels, rule: Rule) -> Vectors:
        return rows_of(reference.run(images, rule.block), ends)

    golden = golden_of(images, rule, embed or as_it_came)
    return _Imported(graph, OutputLayer(output=output, pool=pool), rule, ends, golden)


def _write(
    folder: Path, about: About, model: onnx.ModelProto, imported: _Imported, origin: Path
) -> None:
    """Write the package's files, and prove them; `origin` is where the weights may lie."""
    weights = folder / WEIGHTS
    write_weights((weight_of(tensor, origin) for tensor in model.graph.initializer), weights)
    refer_to_weights(model.graph, weights)
    dim = imported.golden.embeddings.shape[1]
    manifest = new_manifest(folder, about, imported.graph, imported.layer, imported.rule.block, dim)
    clear_notes(model)
    write_golden(folder / GOLDEN, imported.golden)
    _write_graph(folder / GRAPH, model, imported, graph_metadata(manifest))
    attest(folder, manifest)


def _write_graph(
    path: Path, model: onnx.ModelProto, imported: _Imported, metadata: dict[str, str]
) -> None:
    """Write a graph that gives for several images what the file gives for each."""
    batch, golden = imported.rule.batch, imported.golden
    reason = ""
    for alone in (False, True) if batch in (None, 1) else (False,):
        served = onnx.ModelProto.FromString(model.SerializeToString())
        serve(served, imported.ends, imported.rule.block, golden.embeddings.shape[1], alone)
        try:
            write_graph(served, path, metadata)
            found = run_graph(path, golden.images)
        except (onnx.checker.ValidationError, ImportRefusedError) as error:
            reason = " ".join(str(error).split())[:300]
            continue
        cosine = agreement(found, golden.embeddings).cosine_min
        if cosine >= _SAME:
            return
        reason = f"a batch gives other embeddings, their least cosine is {cosine:.6f}"
    takes = f"its batch is fixed at {batch}: export it with a dynamic batch axis; " if batch else ""
    raise ImportRefusedError(f"{takes}it could not be made to take any number of images ({reason})")


def _provenance(path: Path, origin: Origin) -> Provenance:
    file = Source(name=path.name, terms=origin.weights_licence, sha256=file_digest(path))
    return Provenance(
        created=datetime.now(UTC).date(),
        sources=(
            Source(name=origin.trained_on, terms=origin.terms),
            *(origin.files or [file]),
        ),
        code_licence=origin.code_licence,
        weights_licence=origin.weights_licence,
        citation=origin.citation,
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let what is refused name the file."""
    try:
        yield
    except ImportRefusedError as error:
        raise ImportRefusedError(f"{path}: {error}") from error
