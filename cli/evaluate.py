"""`zoo evaluate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import complete
from cli.console import AsJson, answer, known_errors, need, print_json, stages

if TYPE_CHECKING:
    from zoo.encoders import Run
    from zoo.package import Package


class Size(StrEnum):
    """How long `finetune` trains."""

    paper = "paper"
    cpu = "cpu"


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="folder of a training run or of a package, or name, or name@version",
            autocompletion=complete.models,
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Labelled folder, tar, zip, Parquet, or torchvision:NAME:FOLDER; repeated for "
            "several, see below."
        ),
    ],
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="knn, linear, linear-sgd, few-label, finetune, transfer or probe, repeated for "
            "several; without it, few-label."
        ),
    ] = None,
    subset: Annotated[
        list[str] | None,
        typer.Option(
            help="folder, folder:split or :split of the data, repeated for several. With several "
            "data, it begins with the name of one: photos/caltech."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=2, help="Draws of the labels in few-label.")] = 100,
    percent: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=100, help="Share of the labels in finetune, repeated; without it, all five."
        ),
    ] = None,
    size: Annotated[
        Size | None,
        typer.Option(
            help="paper: finetune trains as long as SimCLR's; cpu: at most 100 steps (from scratch "
            "200) of 64 images. Without it, paper where there is a GPU."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Beside it: untrained, raw pixels and HOG.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the figures into this .svg or .png.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the figures into the package and its card.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a run or a model on labelled images, with 95% intervals.

    Labels and splits come from a labels.csv (path,label,split), else from a folder a class. All
    but few-label and transfer need a train and a test split. probe needs a run of SimCLR.

    Example: [bold]zoo evaluate runs/first --data labelled/ --protocol knn --protocol linear[/bold]
    """
    need("train")
    from sources import DataError  # noqa: PLC0415
    from training.evaluation import (  # noqa: PLC0415
        Options,
        baselines_of,
        check_protocol,
        embedder_of,
        markdown,
        read_sets,
    )
    from training.evaluation import evaluate as measure  # noqa: PLC0415
    from training.evaluation.models import device  # noqa: PLC0415
    from training.evaluation.picture import draw  # noqa: PLC0415
    from zoo.package import Package  # noqa: PLC0415
    from zoo.package_writer import record_metrics  # noqa: PLC0415
    from zoo.store import zoo_home  # noqa: PLC0415

    protocols = list(dict.fromkeys(protocol or ["few-label"]))
    try:
        for name in protocols:
            check_protocol(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--protocol") from None
    if picture:
        _check_picture(picture)
    source = _source(model)
    package = source if isinstance(source, Package) else None
    if record and package is None:
        raise typer.BadParameter("a run has no card: export it first", param_hint="--record")
    options = Options(
        draws=draws,
        percents=sorted(set(percent)) if percent else Options.percents,
        size=(size or (Size.paper if device().type == "cuda" else Size.cpu)).value,
        seed=seed,
    )
    with known_errors(DataError, ValueError), stages() as progress:
        embedder = embedder_of(source)
        evaluation = measure(
            [embedder, *(baselines_of(embedder) if baselines else ())],
            read_sets(data, subset or ()),
            protocols,
            options,
            cache=zoo_home() / "cache",
            progress=progress,
        )
        if picture:
            draw([evaluation], picture)
    if record and package:
        record_metrics(package, evaluation.metrics(package.manifest.reference))
    if as_json:
        print_json(evaluation.model_dump(mode="json"))
    else:
        answer(markdown(evaluation).removesuffix("\n"))


def _check_picture(path: Path) -> None:
    if path.suffix not in (".svg", ".png"):
        raise typer.BadParameter(f"{path}: give a name that ends in .svg or .png")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path}: there is no folder {path.absolute().parent}")


def _source(model: str) -> "Run | Package":
    from zoo.encoders import read_run  # noqa: PLC0415
    from zoo.package import MANIFEST, read_package  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    folder = Path(model)
    if not folder.is_dir():
        return find_package(model)
    return read_package(folder) if (folder / MANIFEST).is_file() else read_run(folder)
