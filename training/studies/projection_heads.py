"""What the projection head and its dimension do for h (SimCLR, Figure 8).

    python -m training.studies.projection_heads --data DATA --size smoke

The loss compares g(h): nonlinear (two layers), linear (one), or none, when it compares h itself.
Accuracy is linear evaluation of h in each.

full: seven dimensions, three seeds, 50 epochs each; on CIFAR-10 that is 113 million images, 3.1
hours at 10,000 a second (reckoned, not run). smoke: two dimensions.
"""

from collections.abc import Callable, Sequence

import typer
from matplotlib.axes import Axes

from training.evaluation.picture import grouped_bars, save
from training.evaluation.tables import table
from training.methods.simclr import SimCLRSettings
from training.studies.command import command
from training.studies.scales import SIMCLR, Size
from training.studies.study import Figure, Study, study_linear

LAYERS = {"nonlinear": 2, "linear": 1, "none": 0}
_DIMENSIONS = {Size.smoke: (32, 128), Size.full: (32, 64, 128, 256, 512, 1024, 2048)}


def projection_heads(study: Study) -> None:
    """Linear accuracy of h over the head and the dimension of what it gives (SimCLR, Figure 8)."""
    dimensions = _DIMENSIONS[study.size]
    rows: dict[str, dict[int, Figure]] = {}
    for head in ("nonlinear", "linear"):
        rows[head] = {dim: _measure(study, head, dim) for dim in dimensions}
    whole = _measure(study, "none", dimensions[0])  # its dimension is that of h
    rows["none"] = dict.fromkeys(dimensions, whole)
    lines = [["head", *map(str, dimensions)]]
    lines += [[head, *map(str, rows[head].values())] for head in ("nonlinear", "linear")]
    lines.append(["none (h)", str(whole), *[""] * (len(dimensions) - 1)])
    save([_panel(rows, dimensions, study)], study.folder / "picture.png", width=5)
    content = {
        head: {str(dim): figure.model_dump() for dim, figure in row.items()}
        for head, row in rows.items()
    }
    study.write({"cells": content}, table(lines))


def _measure(study: Study, head: str, dim: int) -> Figure:
    recipe = study.scale.recipe
    settings = SimCLRSettings.model_validate(
        recipe.method.model_dump() | {"head_layers": LAYERS[head], "head_dim": dim}
    )
    found = study.measured(
        head if head == "none" else f"{head}-{dim}",
        recipe.model_copy(update={"method": settings}),
        lambda run: {"linear": study_linear(study, run)},
    )
    return Figure.of(found["linear"], len(study.test))


def _panel(
    rows: dict[str, dict[int, Figure]], dimensions: Sequence[int], study: Study
) -> Callable[[Axes], None]:
    def panel(on: Axes) -> None:
        names = [str(dim) for dim in dimensions]
        grouped_bars(
            on, names, {head: [f.bounds for f in row.values()] for head, row in rows.items()}
        )
        on.set_xlabel("dimension of g(h); none: of h")
        study.finish(on, "linear accuracy of h, %")

    return panel


if __name__ == "__main__":
    typer.run(command("projection_heads", SIMCLR, projection_heads))
