"""`zoo bench`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import complete
from cli.console import AsJson, print_json, stderr, stdout, warn
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.package import Package
    from zoo.runtimes.bench import Failure, Figures


def bench(
    name: Annotated[
        str, typer.Argument(help="name or name@version", autocompletion=complete.models)
    ],
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Images in one run.")] = 32,
    seconds: Annotated[float, typer.Option(min=0.1, help="For each way to run the model.")] = 3.0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: one a core.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure every way to run a model that is installed here: speed, agreement, memory.

    A way that mixes gives embeddings that may be compared with those of fp32. The gateway takes
    the fastest of these with ZOO_RUNTIME=fastest, and any other by ZOO_RUNTIME and ZOO_PRECISION.

    Example: [bold]zoo bench simclr-r18-small[/bold]
    """
    from zoo.runtimes.bench import Failure, executions  # noqa: PLC0415
    from zoo.runtimes.bench import bench as measure  # noqa: PLC0415
    from zoo.runtimes.table import RUNTIMES  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    package = find_package(name)
    ways = list(executions(package, threads))
    if not ways:
        extras = " or ".join(f"[{kind.extra}]" for kind in RUNTIMES.values() if not kind.remote)
        raise ZooError(f"no runtime is installed: install encoder-zoo with the extra {extras}")
    found: list[Figures | Failure] = []
    for way in ways:
        stderr().print(f"measuring {way.runtime} {way.device} {way.precision} ...", style="dim")
        found += measure(package, [way], batch, seconds)
    if as_json:
        results = [_row(package, result) for result in found]
        print_json({"model": package.manifest.reference, "batch": batch, "results": results})
    else:
        _print(package, found, batch)
    if all(isinstance(result, Failure) for result in found):
        raise typer.Exit(1)


def _row(package: "Package", result: "Figures | Failure") -> dict[str, Any]:
    from zoo.runtimes.bench import Failure  # noqa: PLC0415

    way = result.execution
    row = {"runtime": way.runtime, "precision": way.precision, "device": way.device}
    if isinstance(result, Failure):
        return row | {"error": result.reason}
    return row | {
        "variant": result.variant,
        "images_per_second": round(result.images_per_second, 1),
        "cosine_min": result.parity.cosine_min,
        "cosine_mean": result.parity.cosine_mean,
        "mixes": package.manifest.mixes(way.precision),
        "memory_bytes": result.memory,
        "file_bytes": result.file_bytes,
    }


def _print(package: "Package", found: list["Figures | Failure"], batch: int) -> None:
    from rich.table import Table  # noqa: PLC0415

    rows = [_row(package, result) for result in found]
    table = Table(box=None, header_style="bold", title_justify="left")
    table.title = f"{package.manifest.reference}, batches of {batch}"
    for heading in ("variant", "images/s", "cosine min", "mean", "mixes", "memory", "files"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for row in sorted(rows, key=lambda row: -row.get("images_per_second", 0)):
        if "error" not in row:
            table.add_row(
                row["variant"],
                f"{row['images_per_second']:,.0f}",
                f"{row['cosine_min']:.6f}",
                f"{row['cosine_mean']:.6f}",
                "yes" if row["mixes"] else "no",
                f"{row['memory_bytes'] / 1e6:,.0f} MB",
                f"{row['file_bytes'] / 1e6:,.1f} MB",
            )
    stdout().print(table)
    for row in rows:
        if "error" in row:
            way = f"{row['runtime']} {row['device']} {row['precision']}"
            warn(f"{way}: {row['error']}")
