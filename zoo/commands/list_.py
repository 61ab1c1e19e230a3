"""`zoo list`."""

from typing import TYPE_CHECKING, Any

from zoo.commands.console import AsJson, print_json, stdout, warn

if TYPE_CHECKING:
    from zoo.package import Package


def list_models(as_json: AsJson = False) -> None:
    """The installed models.

    Example: [bold]zoo list --json | jq -r '.models\\[].model'[/bold]
    """
    from zoo.store import list_packages  # noqa: PLC0415

    packages, broken = list_packages()
    rows = [_described(package) for package in packages]
    if as_json:
        reasons = [{"path": str(path), "reason": text} for path, text in broken.items()]
        print_json({"models": rows, "broken": reasons})
        return
    _print_table(rows)
    for reason in broken.values():
        warn(f"not usable: {reason}")


def _described(package: "Package") -> dict[str, Any]:
    from zoo.store import BUILTIN  # noqa: PLC0415

    manifest = package.manifest
    return {
        "model": manifest.reference,
        "method": manifest.method,
        "dim": manifest.dim,
        "input": manifest.input.size,
        "space": manifest.space,
        "bytes": sum(file.bytes for file in manifest.files.values()),
        "builtin": package.path.is_relative_to(BUILTIN),
        "path": str(package.path),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("method")
    for heading in ("dim", "input", "size"):
        table.add_column(heading, justify="right")
    table.add_column("space")
    table.add_column("from")
    for row in rows:
        cells = (
            row["model"],
            row["method"],
            str(row["dim"]),
            f"{row['input']} px",
            f"{row['bytes'] / 1e6:.1f} MB",
            row["space"][:12],
            "built in" if row["builtin"] else row["path"],
        )
        table.add_row(*map(Text, cells))
    stdout().print(table)
