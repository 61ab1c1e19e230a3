"""`zoo list`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import AsJson, print_json, stdout, warn

if TYPE_CHECKING:
    from zoo.catalog import CatalogEntry
    from zoo.package import Package


def list_models(
    remote: Annotated[
        bool, typer.Option("--remote", help="What can be pulled, installed or not.")
    ] = False,
    commercial: Annotated[
        bool,
        typer.Option(
            "--commercial",
            help="Only those whose licence of the weights is known to allow commercial use. The "
            "terms of the images behind them are in `zoo show`.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The installed models, or those that can be pulled.

    Example: [bold]zoo list --json | jq -r '.models\\[].model'[/bold]
    """
    from zoo.licences import allows_commercial_use  # noqa: PLC0415

    if remote:
        from zoo.catalog import load_catalog  # noqa: PLC0415

        entries = load_catalog()
        if commercial:
            entries = tuple(e for e in entries if allows_commercial_use(e.weights_licence))
        print_entries(entries, as_json)
        return
    from zoo.download import unfinished  # noqa: PLC0415
    from zoo.store import list_packages  # noqa: PLC0415

    packages, broken = list_packages()
    rows = [_described(package) for package in packages]
    if commercial:
        rows = [row for row in rows if row["commercial"]]
    partial: list[dict[str, Any]] = [
        {"download": d.key, "bytes": d.bytes, "live": d.live, "path": str(d.path)}
        for d in unfinished()
    ]
    if as_json:
        reasons = [{"path": str(path), "reason": text} for path, text in broken.items()]
        print_json({"models": rows, "broken": reasons, "partial": partial})
        return
    _print_table(rows)
    for reason in broken.values():
        warn(f"not usable: {reason}")
    for row in partial:
        what = "under way" if row["live"] else "unfinished: pull it again to go on, or `zoo prune`"
        warn(f"download of {row['download']}, {row['bytes'] / 1e6:,.1f} MB, {what}")


def print_entries(entries: Sequence["CatalogEntry"], as_json: bool) -> None:
    """Models of the catalog, as a table or as JSON."""
    from zoo.store import list_packages  # noqa: PLC0415

    installed = {package.manifest.reference for package in list_packages()[0]}
    rows = [_entry(entry, entry.reference in installed) for entry in entries]
    if as_json:
        print_json({"models": rows})
    else:
        _print_entries(rows)


def _described(package: "Package") -> dict[str, Any]:
    from zoo.licences import allows_commercial_use  # noqa: PLC0415
    from zoo.package import MANIFEST, file_digest  # noqa: PLC0415
    from zoo.store import BUILTIN, is_superseded, read_tags  # noqa: PLC0415

    manifest = package.manifest
    tags = read_tags(manifest.name)
    licence = manifest.provenance.weights_licence
    return {
        "model": manifest.reference,
        "method": manifest.method,
        "dim": manifest.dim,
        "input": manifest.input.size,
        "space": manifest.space,
        "bytes": sum(file.bytes for file in manifest.files.values()),
        "digest": f"sha256:{file_digest(package.path / MANIFEST)}",
        "licence": licence,
        "commercial": allows_commercial_use(licence),
        "tags": [tag for tag, version in tags.items() if version == manifest.version],
        "builtin": package.path.is_relative_to(BUILTIN),
        "superseded": is_superseded(package),
        "path": str(package.path),
    }


def _entry(entry: "CatalogEntry", installed: bool) -> dict[str, Any]:
    best = next(iter(entry.published), None)
    return {
        "model": entry.reference,
        "summary": entry.summary,
        "method": entry.method,
        "dim": entry.dim,
        "bytes": entry.size,
        "licence": entry.weights_licence,
        "non_commercial": entry.non_commercial,
        "accuracy": best.value if best else None,
        "protocol": f"{best.protocol}, {best.data}" if best else None,
        "verified": entry.verified,
        "installed": installed,
    }


def _print_entries(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("method")
    for heading in ("dim", "size", "accuracy"):
        table.add_column(heading, justify="right")
    for heading in ("measured by", "licence", "state"):
        table.add_column(heading)
    for row in rows:
        state = ["installed"] if row["installed"] else []
        state += [] if row["verified"] else ["unverified"]
        cells = (
            row["model"],
            row["method"],
            str(row["dim"]),
            f"{row['bytes'] / 1e6:,.0f} MB" if row["bytes"] else "?",
            f"{row['accuracy']:.1%}" if row["accuracy"] is not None else "",
            row["protocol"] or "",
            row["licence"],
            ", ".join(state),
        )
        table.add_row(*map(Text, cells))
    stdout().print(table)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("method")
    for heading in ("dim", "input", "size"):
        table.add_column(heading, justify="right")
    for heading in ("space", "licence", "from"):
        table.add_column(heading)
    for row in rows:
        tags = f" ({', '.join(row['tags'])})" if row["tags"] else ""
        cells = (
            f"{row['model']}{tags}",
            row["method"],
            str(row["dim"]),
            f"{row['input']} px",
            f"{row['bytes'] / 1e6:.1f} MB",
            row["space"][:12],
            row["licence"],
            _place(row),
        )
        table.add_row(*map(Text, cells))
    stdout().print(table)


def _place(row: dict[str, Any]) -> str:
    if not row["builtin"]:
        return str(row["path"])
    return "built in, superseded" if row["superseded"] else "built in"
