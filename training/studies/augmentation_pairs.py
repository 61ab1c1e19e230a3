"""Which augmentations, one or two of them, make a representation (SimCLR, Figure 5).

    python -m training.studies.augmentation_pairs --data DATA --size smoke

Both views begin as one random crop; the second alone meets the transformation of the row and then
that of the column. On the diagonal there is one. Accuracy is linear evaluation.

full: 4 x 4 pairs, three seeds, 50 epochs each; on CIFAR-10 that is 120 million images, 3.3 hours at
10,000 a second (reckoned, not run). smoke: 2 x 2 pairs.
"""

from collections.abc import Callable

import numpy as np
import typer
from matplotlib.axes import Axes

from training.augment import OperatorName
from training.evaluation.picture import save
from training.evaluation.tables import table
from training.studies.command import command
from training.studies.scales import SIMCLR, Size
from training.studies.study import Figure, Study, study_linear

TRANSFORMATIONS: dict[str, tuple[OperatorName, ...]] = {
    "crop": ("crop",),
    "colour": ("jitter", "grey"),
    "cutout": ("cutout",),
    "Sobel": ("sobel",),
}
"""Four of Figure 5's seven; colour is jitter and colour dropping."""

_SHOWN = {Size.smoke: ("crop", "colour"), Size.full: tuple(TRANSFORMATIONS)}


def augmentation_pairs(study: Study) -> None:
    """Linear accuracy for every pair of transformations of one branch (SimCLR, Figure 5)."""
    names = _SHOWN[study.size]
    cells = {(row, column): _measure(study, row, column) for row in names for column in names}
    averages = {row: float(np.mean([cells[row, column].mean for column in names])) for row in names}
    lines = [["first, then", *names, "average"]]
    for row in names:
        figures = [str(cells[row, column]) for column in names]
        lines.append([row, *figures, f"{100 * averages[row]:.1f}"])
    save([_heatmap(names, cells, averages, study)], study.folder / "picture.png", width=5)
    content = {f"{row}, {column}": cell.model_dump() for (row, column), cell in cells.items()}
    study.write({"cells": content, "averages": averages}, table(lines))


def _measure(study: Study, row: str, column: str) -> Figure:
    operators = TRANSFORMATIONS[row] + (TRANSFORMATIONS[column] if row != column else ())
    recipe = study.scale.recipe
    augmentation = recipe.augmentation.model_copy(
        update={"operators": operators, "branches": "one"}
    )
    found = study.measured(
        f"{row}-{column}",
        recipe.model_copy(update={"augmentation": augmentation}),
        lambda run: {"linear": study_linear(study, run)},
    )
    return Figure.of(found["linear"], len(study.test))


def _heatmap(
    names: tuple[str, ...],
    cells: dict[tuple[str, str], Figure],
    averages: dict[str, float],
    study: Study,
) -> Callable[[Axes], None]:
    def panel(on: Axes) -> None:
        grid = np.array([[cells[r, c].mean for c in names] + [averages[r]] for r in names]) * 100
        on.imshow(grid, cmap="viridis")
        middle = (grid.min() + grid.max()) / 2
        for (y, x), value in np.ndenumerate(grid):
            on.text(
                x, y, f"{value:.1f}", ha="center", va="center",
                color="black" if value > middle else "white",
            )  # fmt: skip
        on.set_xticks(range(len(names) + 1), [*names, "average"])
        on.set_yticks(range(len(names)), names)
        on.set_xlabel("second transformation")
        on.set_ylabel("first transformation")
        on.set_title(study.title("linear accuracy, %"), fontsize=9)

    return panel


if __name__ == "__main__":
    typer.run(command("augmentation_pairs", SIMCLR, augmentation_pairs))
