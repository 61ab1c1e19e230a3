"""`zoo evaluate`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands import complete
from zoo.commands.console import AsJson, known_errors, need, stderr

if TYPE_CHECKING:
    from training.evaluation import Embedder, Evaluation
    from zoo.package import Package


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="name, name@version or a package's folder; export a run first",
            autocompletion=complete.models,
        ),
    ],
    data: Annotated[
        Path, typer.Option(exists=True, help="Labelled images: a folder or tar, see below.")
    ],
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="knn, linear or few-label, repeated for several; without it, few-label."),
    ] = None,
    subset: Annotated[
        list[str] | None,
        typer.Option(help="folder, folder:split or :split of the data, repeated for several."),
    ] = None,
    draws: Annotated[int, typer.Option(min=2, help="Draws of the labels in few-label.")] = 100,
    seed: Annotated[int, typer.Option()] = 0,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Beside it: untrained, raw pixels and HOG.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw few-label accuracy into this .svg or .png.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the figures into the package and its card.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a model on labelled images, with 95% intervals.

    Labels and splits come from a labels.csv (path,label,split), else from a folder a class. knn
    and linear need a train and a test split.

    Example: [bold]zoo evaluate simclr-r18-small --data labelled/ --protocol few-label[/bold]
    """
    need("torch", "skimage", "matplotlib")
    from training.data import DataError  # noqa: PLC0415
    from training.evaluation import Subset, markdown  # noqa: PLC0415
    from training.evaluation import evaluate as measure  # noqa: PLC0415
    from training.evaluation.picture import draw_few_labels  # noqa: PLC0415
    from zoo.store import zoo_home  # noqa: PLC0415

    package = _package(model)
    embedders = [_embedder(package), *(_baselines(package) if baselines else ())]
    subsets = tuple(Subset.parse(text) for text in subset or ()) or (Subset(),)
    protocols: Any = protocol or ["few-label"]
    with known_errors(DataError, ValueError), _progress() as progress:
        evaluation = measure(
            embedders,
            data,
            protocols,
            subsets=subsets,
            draws=draws,
            seed=seed,
            cache=zoo_home() / "cache" / "features",
            progress=progress,
        )
        if picture:
            draw_few_labels([evaluation], picture)
    if record:
        _record(package, evaluation)
    if as_json:
        sys.stdout.write(evaluation.model_dump_json(indent=2) + "\n")
    else:
        sys.stdout.write(markdown(evaluation))


def _package(model: str) -> "Package":
    from zoo.package import read_package  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    folder = Path(model)
    return read_package(folder) if folder.is_dir() else find_package(model)


def _baselines(package: "Package") -> list["Embedder"]:
    from training.evaluation.baselines import (  # noqa: PLC0415
        histograms_of_gradients,
        pixels,
        untrained,
    )

    manifest = package.manifest
    fresh = untrained(manifest.architecture, manifest.input, manifest.layer)
    return [fresh, pixels(), histograms_of_gradients()]


def _record(package: "Package", evaluation: "Evaluation") -> None:
    """Figures of the same data and protocol take the place of older ones."""
    from export import write_manifest  # noqa: PLC0415
    from zoo.manifest import Baseline, Metric  # noqa: PLC0415

    manifest = package.manifest
    values = {(a.method, a.data, a.protocol): a.value for a in evaluation.accuracies}
    metrics = {(m.data, m.protocol): m for m in manifest.metrics}
    for found in evaluation.accuracies:
        if found.method != manifest.reference:
            continue
        key = (found.data, found.protocol)
        note = f"{found.classes} classes, {found.images:,} images tested, seed {evaluation.seed}"
        if found.protocol.startswith("few-label"):
            note += f", {evaluation.draws} draws"
        metrics[key] = Metric(
            protocol=found.protocol,
            data=found.data,
            value=found.value,
            low=found.low,
            high=found.high,
            baselines=tuple(
                Baseline(
                    method=d.other,
                    value=values[d.other, d.data, d.protocol],
                    difference=d.value,
                    low=d.low,
                    high=d.high,
                )
                for d in evaluation.differences
                if (d.data, d.protocol) == key
            ),
            source="measured",
            note=note,
        )
    write_manifest(package.path, manifest.model_copy(update={"metrics": tuple(metrics.values())}))


def _embedder(package: "Package") -> "Embedder":
    from training.evaluation import Embedder  # noqa: PLC0415
    from zoo.runtimes import open_runtime  # noqa: PLC0415

    runtime, manifest = open_runtime(package), package.manifest
    identity = f"{manifest.space} {runtime.variant}"
    return Embedder(manifest.reference, identity, manifest.input, runtime.embed)


@contextmanager
def _progress() -> Iterator[Any]:
    """A `progress` callback that draws one bar a piece of work, on a terminal alone."""
    from rich.progress import Progress, TaskID  # noqa: PLC0415

    tasks: dict[str, TaskID] = {}
    with Progress(console=stderr(), transient=True, disable=not sys.stderr.isatty()) as bar:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        yield report
