"""`zoo train`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import complete
from cli.console import INTERRUPTED, answer, known_errors, need, stderr, stdout, tell, warn

if TYPE_CHECKING:
    from sources import Listing
    from training.data import Packed
    from training.loop import Step

_LISTED, _LOG_EVERY, _PREPARED_EVERY = 10, 50, 6400


def _list_recipes(wanted: bool) -> None:
    """What each recipe is, by the first line of its file, and where the rest stands."""
    if not wanted:
        return
    import ast  # noqa: PLC0415

    from rich.table import Table  # noqa: PLC0415

    table = Table("recipe", "what it trains", box=None)
    files = complete.recipe_files()
    for name, path in files.items():
        about = ast.get_docstring(ast.parse(path.read_text())) or ""
        table.add_row(name, about.partition("\n")[0])
    stdout().print(table)
    for folder in {path.parent for path in files.values()}:
        said = "Each file says what to expect, in what time, on what hardware, and by whom:"
        answer(f"{said} {folder}")
    raise typer.Exit


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="a recipe's name (--recipes lists them), or a file of one's own",
            autocompletion=complete.recipes,
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Folder, tar or zip of images, Parquet, or torchvision:NAME:FOLDER; repeated for "
            "several sources."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; one that was begun is resumed.")],
    exclude_near: Annotated[
        list[Path] | None,
        typer.Option(
            help="Images, given as for --data, that are left out with their near-duplicates: what "
            "the encoder is to be evaluated on. Repeated for several.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Begin a new run with the encoder of this model, not with random weights.",
            autocompletion=complete.models,
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="The installed model that a recipe of distillation learns from, in place of the "
            "recipe's.",
            autocompletion=complete.models,
        ),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(min=0.001, help="In place of the recipe's.")
    ] = None,
    _recipes: Annotated[
        bool,
        typer.Option(
            "--recipes", is_eager=True, callback=_list_recipes, help="List the recipes, and exit."
        ),
    ] = False,
) -> None:
    """Train an encoder on images without labels.

    Where a source has splits, its train split is taken. Ctrl-C or SIGTERM saves; the same command
    goes on from there, to the same weights as an unbroken run. Exits with 130 when stopped before
    the end. Several GPUs share a batch: torchrun --nproc-per-node 4 -m cli train ... Figures for
    TensorBoard are in the run's folder.

    Example: [bold]zoo train simclr-r18-small-cpu --data photos/ --out runs/first[/bold]
    """
    need("train")
    from sources import DataError  # noqa: PLC0415
    from training.loop import TrainingError  # noqa: PLC0415
    from training.loop import train as run  # noqa: PLC0415
    from training.prepare import check_trainable, read_sources  # noqa: PLC0415
    from training.recipe import RecipeError, load_recipe, taught_by  # noqa: PLC0415
    from zoo.store import find_package, zoo_home  # noqa: PLC0415

    with known_errors(DataError, RecipeError, TrainingError):
        settings = load_recipe(recipe)
        if teacher is not None:
            settings = taught_by(settings, teacher)
        if epochs is not None:
            settings = settings.model_copy(update={"epochs": epochs})
        begin = find_package(start) if start else None
        exclude = exclude_near or []
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        _list_passed_over(data, check_trainable(settings, data, exclude, out, processes))
        cache = zoo_home() / "cache" / "packed"
        with _reading() as watch:
            sources = read_sources(data, exclude, settings.stored_side, cache, watch)
        with _progress() as (report, preparing):
            ended = run(settings, sources, out, report, start=begin, preparing=preparing)
    if ended:
        if _is_first():
            tell(f"done; make a package of it: zoo export run {out} --name NAME")
        return
    if _is_first():
        warn(f"stopped and saved in {out}; the same command goes on from there")
    raise typer.Exit(INTERRUPTED)


def _list_passed_over(data: list[Path], found: list["Listing"]) -> None:
    if not _is_first():
        return
    for path, listing in zip(data, found, strict=True):
        for one in listing.passed_over[:_LISTED]:
            warn(f"  {one.path}: {one.reason}")
        if listing.passed_over:
            warn(f"{path}: {len(listing.passed_over)} files were passed over")


def _is_first() -> bool:
    """Whether this is the only process, or the one of torchrun's that reports."""
    return os.environ.get("RANK", "0") == "0"


def _watched() -> bool:
    """Whether someone looks at a progress bar."""
    return sys.stderr.isatty() and _is_first()


@contextmanager
def _reading() -> Iterator["_Watch"]:
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=stderr(), transient=True, disable=not _watched()) as bar:
        yield _Watch(bar)


class _Watch:
    """A bar for each source on a terminal, and what became of it."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._tasks: dict[Path, Any] = {}

    def reading(self, source: Path, done: int, total: int) -> None:
        if source not in self._tasks:
            self._tasks[source] = self._bar.add_task("reading")
        self._bar.update(self._tasks[source], completed=done, total=total)

    def read(self, source: Path, images: "Packed") -> None:
        if not _is_first():
            return
        tell(f"{source}: {len(images)} images")
        for name, reason in list(images.unreadable.items())[:_LISTED]:
            warn(f"  {name}: {reason}")
        if images.unreadable:
            warn(f"  left out, as they could not be read: {len(images.unreadable)}")

    def left_out(self, images: "Packed", source: Path, count: int) -> None:
        if _is_first():
            tell(f"{images.name}: {count} of {len(images)} images left out as near {source}")


@contextmanager
def _progress() -> Iterator[Any]:
    """Callbacks `report` and `preparing`: bars on a terminal, a line now and then elsewhere."""
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    if not _watched():
        yield _log, _log_prepared
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr()) as bar:
        task = bar.add_task("preparing")

        def report(step: "Step") -> None:
            bar.update(task, completed=step.step, total=step.steps, description=_figures(step))
            if step.knn:
                bar.console.print(_line(step), markup=False)

        def preparing(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description="images the teacher has seen")

        yield report, preparing


def _log_prepared(done: int, total: int) -> None:
    if done == total or done % _PREPARED_EVERY == 0:
        tell(f"the teacher has seen {done} of {total} images")


def _log(step: "Step") -> None:
    if step.step % _LOG_EVERY == 0 or step.step in (1, step.steps) or step.knn:
        tell(_line(step))


def _line(step: "Step") -> str:
    knn = ", ".join(f"kNN {name} {value:.1%}" for name, value in step.knn.items())
    return f"step {step.step}/{step.steps}: {_figures(step)}{', ' if knn else ''}{knn}"


def _figures(step: "Step") -> str:
    return (
        f"epoch {step.epoch:.2f}, loss {step.loss:.3f}, lr {step.lr:.3g}, "
        f"{step.images_per_second:.0f} images/s, {step.waiting:.0%} waiting for data"
    )
