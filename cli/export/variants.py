"""`zoo export variants`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from cli.console import answer, known_errors, need, stderr, steps, warn
from cli.export.options import KINDS, Model, Version

if TYPE_CHECKING:
    from zoo.manifest import Lowered

_LISTED = 10


def variants(
    model: Model,
    precision: Annotated[list[str], typer.Option(help="fp16, bf16 or int8, repeated for several.")],
    data: Annotated[
        list[Path],
        typer.Option(help=f"Labelled images that the cost is measured on: {KINDS}"),
    ],
    version: Version = None,
) -> None:
    """Make a version of an installed model that has graphs in other precisions too.

    What each costs is measured on labelled images. The version keeps the space: collections and
    heads go on with it.

    Example: [bold]zoo export variants my-photos --precision int8 --data labelled/[/bold]
    """
    need("export")
    wanted = _checked(precision)
    if "bf16" in wanted:
        need("openvino")
    from export.samples import CALIBRATION, CLASSES, MEASURED, divide_samples  # noqa: PLC0415
    from export.variants import export_variants  # noqa: PLC0415
    from training.data import DataError, sample_labelled, source_name  # noqa: PLC0415
    from zoo.store import find_package, next_version  # noqa: PLC0415

    if Path(model).is_dir():
        raise typer.BadParameter(f"{model} is a folder: export the run first, then its model")
    package = find_package(model)
    manifest = package.manifest
    with known_errors(DataError):
        found = sample_labelled(data, manifest.input, CALIBRATION + MEASURED, CLASSES)
    samples, rare = divide_samples(found, tuple(map(source_name, data)))
    if rare:
        more = f" and {len(rare) - _LISTED} more" if len(rare) > _LISTED else ""
        names = ", ".join(rare[:_LISTED])
        warn(f"left out, since too few images are here to measure on: {names}{more}")
    with steps("layers tried in int8") as progress:
        made = export_variants(
            package, version or next_version(manifest.name), wanted, samples, progress
        )
    _print_costs(made.manifest.variants)
    answer(f"{made.manifest.reference} {made.path}")


def _checked(precisions: list[str]) -> "list[Lowered]":
    from zoo.manifest import Lowered  # noqa: PLC0415

    known = get_args(Lowered)
    for name in precisions:
        if name not in known:
            raise typer.BadParameter(
                f"{name!r} is none of {', '.join(known)} (fp32 is what every model has)",
                param_hint="--precision",
            )
    return [name for name in known if name in precisions]


def _print_costs(variants: "dict[Lowered, Any]") -> None:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    for heading in ("precision", "cosine min", "mean", "recall@10", "5 labels", "over fp32"):
        table.add_column(heading, justify="left" if heading == "precision" else "right")
    for precision, variant in variants.items():
        cost = variant.cost
        table.add_row(
            precision,
            f"{cost.cosine_min:.6f}",
            f"{cost.cosine_mean:.6f}",
            f"{cost.recall_at_10:.1%}",
            f"{cost.few_label:.1%}",
            f"{100 * cost.few_label_lead:+.2f} ({100 * cost.low:+.2f} to {100 * cost.high:+.2f})",
        )
    stderr().print(table)
