"""`zoo show`."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands import complete
from zoo.commands.console import AsJson, print_json, stdout

if TYPE_CHECKING:
    from zoo.manifest import Manifest


def show(
    name: Annotated[
        str, typer.Argument(help="name or name@version", autocompletion=complete.models)
    ],
    as_json: AsJson = False,
) -> None:
    """Everything a model says of itself: input, figures, parity, licence.

    Example: [bold]zoo show simclr-r18-small[/bold]
    """
    from zoo.store import find_package  # noqa: PLC0415

    package = find_package(name)
    if as_json:
        print_json(package.manifest.model_dump(mode="json") | {"path": str(package.path)})
        return
    console = stdout()
    console.print(package.manifest.reference, style="bold")
    _print_facts(package.manifest, str(package.path))
    _print_metrics(package.manifest)


def _print_facts(manifest: "Manifest", path: str) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    network, square, origin = manifest.architecture, manifest.input, manifest.provenance
    steps = f", {', '.join(manifest.layer.steps)}" if manifest.layer.steps else ""
    facts = {
        "method": manifest.method,
        "network": network.summary,
        "layer": f"{', '.join(manifest.layer.stages)}{steps}",
        "embedding": f"{manifest.dim} values",
        "input": f"{square.size} px, {square.interpolation}, {square.crop:.0%} of the short side",
        "space": manifest.space,
        "parity": ", ".join(
            f"{variant}: least cosine {parity.cosine_min:.7f}"
            for variant, parity in manifest.parity.items()
        ),
        "trained on": ", ".join(
            f"{s.name} ({s.images:,} images; terms: {s.terms})"
            if s.images
            else f"{s.name} (terms: {s.terms})"
            for s in origin.sources
        ),
        "licence": f"code {origin.code_licence}; weights: {origin.weights_licence}",
        "recipe": origin.recipe or "-",
        "made": origin.created.isoformat(),
        "cite": origin.citation,
        "files": ", ".join(f"{n} ({f.bytes / 1e6:.2f} MB)" for n, f in manifest.files.items()),
        "path": path,
    }
    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(key, Text(value))
    stdout().print(table)


def _print_metrics(manifest: "Manifest") -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not manifest.metrics:
        return
    table = Table(box=None, header_style="bold", title="Figures", title_justify="left")
    for heading in ("data", "protocol", "value", "95% interval", "source", "note"):
        table.add_column(heading)
    for metric in manifest.metrics:
        known = metric.low is not None and metric.high is not None
        interval = f"{metric.low:.1%} to {metric.high:.1%}" if known else ""
        value = f"{metric.value:.1%}"
        cells = (metric.data, metric.protocol, value, interval, metric.source, metric.note)
        table.add_row(*map(Text, cells))
    stdout().print(table)
