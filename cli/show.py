"""`zoo show`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import complete
from cli.console import AsJson, print_json, stdout

if TYPE_CHECKING:
    from zoo.catalog import CatalogEntry
    from zoo.errors import UnknownModelError
    from zoo.manifest import Manifest, Metric


def show(
    name: Annotated[
        str, typer.Argument(help="name or name@version", autocompletion=complete.models_and_catalog)
    ],
    as_json: AsJson = False,
) -> None:
    """Everything a model says of itself, installed or in the catalog.

    Input, figures, parity, licence; of one that can be pulled, where from and how large it is.

    Example: [bold]zoo show simclr-r18-small[/bold]
    """
    from zoo.errors import UnknownModelError  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    try:
        package = find_package(name)
    except UnknownModelError as error:
        _show_entry(_entry_or(error, name), as_json)
        return
    if as_json:
        print_json(package.manifest.model_dump(mode="json") | {"path": str(package.path)})
        return
    console = stdout()
    console.print(package.manifest.reference, style="bold")
    _print_facts(_facts(package.manifest, package.path))
    _print_metrics(package.manifest.metrics)


def _entry_or(error: "UnknownModelError", name: str) -> "CatalogEntry":
    """The catalog's entry; where it has none either, the store's error names what is near."""
    from zoo.catalog import find  # noqa: PLC0415
    from zoo.errors import UnknownModelError  # noqa: PLC0415

    try:
        return find(name)
    except UnknownModelError:
        raise error from None


def _show_entry(entry: "CatalogEntry", as_json: bool) -> None:
    if as_json:
        extra = {"non_commercial": entry.non_commercial, "installed": False}
        print_json(entry.model_dump(mode="json") | extra)
        return
    from zoo.licences import described  # noqa: PLC0415

    network, square = entry.architecture, entry.input
    facts = {
        "": entry.summary,
        "state": "not installed: zoo pull " + entry.name,
        "conversion": "verified" if entry.verified else "unverified: no test has proven it",
        "method": entry.method,
        "network": network.summary,
        "embedding": f"{entry.dim} values",
        "input": f"{square.size} px, {square.interpolation}, {square.part}",
        "preprocessing": entry.preprocessing,
        "trained on": f"{entry.trained_on} (terms: {entry.data_terms})",
        "licence": f"code {entry.code_licence}; weights: {described(entry.weights_licence)}"
        + (": --accept-licence" if entry.non_commercial else ""),
        "cite": entry.citation,
        "sources": "\n".join(_sources(entry)),
    }
    stdout().print(entry.reference, style="bold")
    _print_facts(facts)
    _print_metrics(entry.published)


def _sources(entry: "CatalogEntry") -> Iterator[str]:
    for number, source in enumerate(entry.sources, 1):
        for file in source.files:
            yield f"{number}: {file.url} ({_size(file.size)}, {source.format})"
    if wheel := entry.wheel:
        yield f"the wheel {wheel.name} {wheel.version} ({_size(wheel.size)})"
        yield from wheel.chain


def _size(count: int | None) -> str:
    return "size unknown" if count is None else f"{count / 1e6:,.0f} MB"


def _facts(manifest: "Manifest", path: Path) -> dict[str, str]:
    from zoo.licences import described  # noqa: PLC0415
    from zoo.package import MANIFEST, file_digest  # noqa: PLC0415
    from zoo.signing import SIGNATURE  # noqa: PLC0415

    network, square, origin = manifest.architecture, manifest.input, manifest.provenance
    return {
        "method": manifest.method,
        "network": network.summary,
        "layer": manifest.layer.summary,
        "embedding": f"{manifest.dim} values",
        "input": f"{square.size} px, {square.interpolation}, {square.part}",
        "space": manifest.space,
        "parity": ", ".join(
            f"{variant}: least cosine {parity.cosine_min:.7f}"
            for variant, parity in manifest.parity.items()
        ),
        **{
            precision: f"{'mixes' if manifest.mixes(precision) else 'a space of its own'}; "
            + variant.cost.summary
            for precision, variant in manifest.variants.items()
        },
        "made from": "\n".join(
            f"{s.name} ({s.images:,} images; terms: {s.terms})"
            if s.images
            else f"{s.name} (terms: {s.terms})"
            for s in origin.sources
        ),
        "licence": f"code {origin.code_licence}; weights: {described(origin.weights_licence)}",
        "recipe": origin.recipe or "-",
        "made": origin.created.isoformat(),
        "cite": origin.citation,
        "files": ", ".join(f"{n} ({f.bytes / 1e6:.2f} MB)" for n, f in manifest.files.items()),
        "digest": f"sha256:{file_digest(path / MANIFEST)}"
        + (", signed" if (path / SIGNATURE).is_file() else ""),
        "path": str(path),
    }


def _print_facts(facts: dict[str, str]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(key, Text(value))
    stdout().print(table)


def _print_metrics(metrics: Sequence["Metric"]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not metrics:
        return
    table = Table(box=None, header_style="bold", title="Figures", title_justify="left")
    for heading in ("data", "protocol", "value", "95% interval", "source", "note"):
        table.add_column(heading)
    for metric in metrics:
        known = metric.low is not None and metric.high is not None
        interval = f"{metric.low:.1%} to {metric.high:.1%}" if known else ""
        value = f"{metric.value:.1%}"
        cells = (metric.data, metric.protocol, value, interval, metric.source, metric.note)
        table.add_row(*map(Text, cells))
    stdout().print(table)
