"""`zoo rank`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import complete
from cli.console import (
    AsJson,
    answer,
    escaped,
    known_errors,
    print_json,
    stages,
    stdout,
    tell,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heads.few_label_accuracy import Interval
    from heads.rank import Choice, Ranked
    from sources.labelled import Labelled
    from zoo.package import Package
    from zoo.side_by_side import SideBySide

_LISTED = 20


def rank(
    data: Annotated[
        Path, typer.Option(help="Labelled photos: folder, tar, zip or Parquet; a folder a class.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="name or name@version, repeated; without it, all that are installed.",
            autocompletion=complete.models,
        ),
    ] = None,
    labels: Annotated[int, typer.Option(min=1, help="Labelled photos a class.")] = 5,
    draws: Annotated[int, typer.Option(min=2, help="Random choices of these photos.")] = 20,
    subset: Annotated[
        str, typer.Option(help="folder, folder:split or :split of the data; without it, all.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, help="For the speed of each model.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Which model suits your photos: accuracy from few labels, speed, memory, licence.

    All learn from the same labels and are tested on the other photos, so that they are compared
    draw by draw, with 95% intervals; copies of a photo are never in both. The one to take is the
    fastest of those that cannot be told apart from the best. Needs no PyTorch.

    Example: [bold]zoo rank --data labelled/[/bold]
    """
    from heads import HeadError  # noqa: PLC0415
    from heads.rank import check_enough, choose  # noqa: PLC0415
    from heads.rank import rank as compare  # noqa: PLC0415
    from sources import DataError, Subset, read_files  # noqa: PLC0415
    from sources.labelled import read_labelled  # noqa: PLC0415
    from zoo.side_by_side import embed_side_by_side  # noqa: PLC0415

    packages, failed = _packages(model)
    with known_errors(DataError, HeadError), stages() as progress:
        photos = read_labelled(
            data, Subset.parse(subset), lambda *far: progress("looking at the photos", *far)
        )
        check_enough(photos.classes, photos.labels, photos.groups, labels)
        found = embed_side_by_side(
            packages,
            lambda: read_files(data, photos.entries),
            len(photos.entries),
            seconds,
            progress=lambda name, *far: progress(f"{name}: speed, embeddings", *far),
        )
        failed |= found.failed
        photos = photos.without(found.left_out)
        check_enough(photos.classes, photos.labels, photos.groups, labels)
        ranking = compare(
            found.vectors,
            photos.labels,
            photos.groups,
            labels,
            draws,
            seed,
            lambda name, *far: progress(f"{name}: fitting", *far),
        )
    choice = choose(ranking, found.speeds) if ranking else None
    rows = [_row(packages, found, ranked) for ranked in ranking]
    rows += [{"model": name, "error": why} for name, why in failed.items()]
    settings = {"labels": labels, "draws": draws, "seed": seed}
    if as_json:
        print_json(
            {"data": str(data), "subset": subset}
            | settings
            | _counts(photos)
            | {"models": rows, "take": choice and choice.name}
        )
    else:
        _list_left_out(photos)
        _print(rows)
        if choice:
            tell(_caption(photos, labels, draws))
            answer(_advice(ranking, choice, rows))
    if not choice:
        raise typer.Exit(1)


def _packages(references: "list[str] | None") -> "tuple[list[Package], dict[str, str]]":
    """The packages to rank, none twice, and why others cannot be.

    Unasked, those installed and those that everyone starts with, made where none has been yet.
    """
    from zoo.errors import CheckpointError, PackageError, UnknownModelError  # noqa: PLC0415
    from zoo.on_demand import DEFAULT_MODELS, find_or_make  # noqa: PLC0415
    from zoo.store import list_packages  # noqa: PLC0415

    found: list[Package] = []
    failed: dict[str, str] = {}
    for reference in references or DEFAULT_MODELS:
        try:
            found.append(find_or_make(reference, tell))
        except UnknownModelError as error:
            if references:  # the weights of the default need not be installed
                failed[reference] = str(error)
        except (PackageError, CheckpointError) as error:
            failed[reference] = str(error)
    if not references:
        installed, broken = list_packages()
        found += installed
        failed |= {f"{path.parent.name}@{path.name}": why for path, why in broken.items()}
    by_name: dict[str, Package] = {}
    for package in found:  # of the same name and version, one's own comes before the built-in
        by_name.setdefault(package.manifest.reference, package)
    return list(by_name.values()), failed


def _row(packages: "Sequence[Package]", found: "SideBySide", ranked: "Ranked") -> dict[str, Any]:
    from zoo.licences import commercial_use  # noqa: PLC0415

    (manifest,) = (p.manifest for p in packages if p.manifest.reference == ranked.name)
    cost = found.figures[ranked.name]
    return {
        "model": ranked.name,
        "variant": cost.variant,
        "accuracy": _interval(ranked.accuracy),
        "behind": _interval(ranked.behind),
        "level": ranked.level,
        "images_per_second": round(cost.median_images_per_second, 1),
        "memory_bytes": cost.memory,
        "file_bytes": cost.file_bytes,
        "dim": manifest.dim,
        "licence": manifest.provenance.weights_licence,
        "commercial_use": commercial_use(manifest.provenance.weights_licence),
    }


def _interval(interval: "Interval") -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _counts(photos: "Labelled") -> dict[str, Any]:
    left_out = [{"path": path, "reason": why} for path, why in photos.left_out.items()]
    return {
        "images": len(photos.entries),
        "classes": list(photos.classes),
        "copies": photos.copies,
        "left_out": left_out,
    }


def _list_left_out(photos: "Labelled") -> None:
    for path, reason in list(photos.left_out.items())[:_LISTED]:
        warn(escaped(f"  {path}: {reason}").replace("\n", "\\n"))
    if len(photos.left_out) > _LISTED:
        warn(f"  ... and {len(photos.left_out) - _LISTED} more")
    if photos.left_out:
        warn(f"left out: {len(photos.left_out)}")


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    table.add_column("model", no_wrap=True)
    for heading in ("accuracy, %", "behind the best", "images/s", "memory", "files", "dim"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("licence")
    table.add_column("commercial")
    for row in rows:
        if "error" not in row:
            cells = (
                row["model"],
                _percent(row["accuracy"]),
                "" if row is rows[0] else _percent(row["behind"]),
                f"{row['images_per_second']:,.0f}",
                f"{row['memory_bytes'] / 1e6:,.0f} MB",
                f"{row['file_bytes'] / 1e6:,.1f} MB",
                str(row["dim"]),
                row["licence"],
                {True: "yes", False: "no", None: "?"}[row["commercial_use"]],
            )
            table.add_row(*map(Text, cells))
    if table.row_count:
        stdout().print(table)
    for row in rows:
        if "error" in row:
            warn(f"{row['model']}: {row['error']}")


def _percent(interval: dict[str, float]) -> str:
    mean, low, high = (f"{100 * interval[key]:.1f}" for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def _caption(photos: "Labelled", labels: int, draws: int) -> str:
    tested = len(photos.entries) - labels * len(photos.classes)
    what = "a copy of another" if photos.copies == 1 else "copies of others"
    copies = f", {photos.copies} of them {what}" if photos.copies else ""
    return (
        f"{len(photos.entries)} photos of {len(photos.classes)} classes{copies}: {labels} labels a "
        f"class, tested on the other {tested}. Means of {draws} draws of the labels; intervals of "
        "95% over draws, which other photos may leave. Images/s: encoding alone, without decoding, "
        "the median of batches of 32 after a warm-up."
    )


def _advice(ranking: "list[Ranked]", choice: "Choice", rows: list[dict[str, Any]]) -> str:
    """Which to take, and why, in a line."""
    (row,) = (row for row in rows if row["model"] == choice.name)
    warning = "; its licence forbids commercial use" if row["commercial_use"] is False else ""
    if len(ranking) == 1:
        return f"take {choice.name}: no other was measured{warning}"
    if len(choice.level) == 1:
        return f"take {choice.name}: no other is as accurate{warning}"
    most = 100 * row["behind"]["high"]
    risk = f", and may be up to {most:.1f} points behind {choice.level[0]}" if most > 0 else ""
    return (
        f"take {choice.name}: the fastest of {len(choice.level)} whose accuracies cannot be told "
        f"apart ({', '.join(choice.level)}){risk}; more photos would tell more{warning}"
    )
