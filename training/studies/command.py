"""The command line of a study, and the images that it reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from sources import DataError
from training.data import Packed, pack
from training.loop import TrainingError
from training.studies.scales import Scale, Size
from training.studies.study import StoppedError, Study
from zoo.errors import ZooError
from zoo.store import zoo_home

STOPPED = 130

Data = Annotated[
    Path,
    typer.Option(
        help="Labelled images with the splits train and test or val: a folder, tar, zip, Parquet "
        "or torchvision:NAME:FOLDER."
    ),
]
SizeOption = Annotated[Size, typer.Option(help="smoke: minutes on two cores. full: for a GPU.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder; without it, runs/studies/NAME-SIZE. It is gone on in.")
]


def command(
    name: str, scales: dict[Size, Scale], study: Callable[[Study], None]
) -> Callable[[Path, Size, Path | None], None]:
    """The command line of a study: errors in one line with exit code 1, 130 when stopped."""

    def main(data: Data, size: SizeOption = Size.smoke, out: Out = None) -> None:
        try:
            cache = zoo_home() / "cache" / "packed"
            study(read_study(name, data, size, out, scales[size], cache))
        except StoppedError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(STOPPED) from None
        except (DataError, TrainingError, ZooError, OSError, ValueError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None

    main.__doc__ = study.__doc__
    return main


def read_study(
    name: str, data: Path, size: Size, out: Path | None, scale: Scale, cache: Path
) -> Study:
    """The study's images, from the train split and the test split (or `val`) of a source.

    A sample takes the same share of every class.

    Raises:
        DataError: a split is missing, or a class has too few images.
    """
    folder = out or Path("runs") / "studies" / f"{name}-{size.value}"
    folder.mkdir(parents=True, exist_ok=True)
    packed = pack(data, cache, scale.recipe.stored_side)
    splits = {entry.split for entry in packed.entries}
    test = next((split for split in ("test", "val") if split in splits), None)
    if test is None or "train" not in splits:
        raise DataError(
            f"{data}: a study needs a labels.csv with the splits train and test (or val); "
            f"there are {sorted(splits)}"
        )
    parts = [
        _sample(packed, data, split, count)
        for split, count in (("train", scale.images), (test, scale.tested))
    ]
    if lost := set(parts[1].labels()[1]) - set(parts[0].labels()[1]):
        raise DataError(f"{data}: no training image of class {min(lost)!r}, which is tested")
    return Study(name, size, scale, folder, parts[0], parts[1], _say)


def _sample(packed: Packed, data: Path, split: str, count: int | None) -> Packed:
    rows = np.array([i for i, e in enumerate(packed.entries) if e.split == split])
    labels, names = packed.labels()
    if count is not None:
        each = max(2, count // len(names))
        rng = np.random.default_rng(0)
        rows = np.concatenate(
            [rng.permutation(rows[labels[rows] == label])[:each] for label in range(len(names))]
        )
    for label, name in enumerate(names):
        if (labels[rows] == label).sum() < 2 and split == "train":
            raise DataError(f"{data}: class {name!r} has fewer than two training images")
    keep = np.zeros(len(packed), bool)
    keep[rows] = True
    return packed.select(keep)


def _say(line: str) -> None:
    typer.echo(line, err=True)
