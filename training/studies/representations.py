"""What h and g(h) know of how an image was transformed (SimCLR, Table 3).

    python -m training.studies.representations --data DATA --size smoke

Each row has a run of its own: crop and colour, and beside them, at random, the transformation that
is asked for. g(h) has as many values as h. See `training.evaluation.probe` for the question.

full: four runs, three seeds, 50 epochs each; on CIFAR-10 that is 30 million images, 50 minutes at
10,000 a second (reckoned, not run). smoke: the same four, two epochs.
"""

from collections.abc import Callable

import typer
from matplotlib.axes import Axes

from training.augment import OperatorName
from training.evaluation.picture import grouped_bars, save
from training.evaluation.probe import REPRESENTATIONS, TRANSFORMATIONS, probe
from training.evaluation.tables import table
from training.studies.command import command
from training.studies.scales import SIMCLR
from training.studies.study import Figure, Study
from zoo.encoders import Run, build_encoder

ASKED = {
    "colour": "colour or grey",
    "rotation": "rotation",
    "noise": "original or noisy",
    "sobel": "original or Sobel",
}
_USUAL: tuple[OperatorName, ...] = ("crop", "flip", "jitter", "grey")
_SHARE = {"rotation": 0.75, "noise": 0.5, "sobel": 0.5}
"""How often the transformation is met in training; three of four rotations are some."""


def representations(study: Study) -> None:
    """Accuracy of an MLP on h and on g(h) at telling a transformation (SimCLR, Table 3)."""
    rows = {name: _measure(study, name) for name in ASKED}
    lines = [
        ["what to predict?", "random guess", *(f"representation {r}" for r in REPRESENTATIONS)]
    ]
    for name, row in rows.items():
        guess = f"{100 * TRANSFORMATIONS[name].guess:.0f}"
        lines.append([ASKED[name], guess, *(str(row[which]) for which in REPRESENTATIONS)])
    save([_panel(rows, study)], study.folder / "picture.png", width=5.5)
    content = {
        name: {which: figure.model_dump() for which, figure in row.items()}
        for name, row in rows.items()
    }
    study.write({"cells": content}, table(lines))


def _measure(study: Study, name: str) -> dict[str, Figure]:
    recipe = study.scale.recipe
    operator = TRANSFORMATIONS[name].operator
    operators = _USUAL if operator in _USUAL else (*_USUAL, operator)
    augmentation = recipe.augmentation.model_copy(
        update={"operators": operators, "rest": _SHARE.get(name, 1.0)}
    )
    width = build_encoder(recipe.architecture).dim
    method = recipe.method.model_copy(update={"head_dim": width})

    def measure(run: Run) -> dict[str, float]:
        seed = run.described["recipe"]["seed"]
        found = probe(run, name, study.train.pixels, study.test.pixels, study.train.name, seed)
        return {accuracy.method: accuracy.value for accuracy in found}

    found = study.measured(
        name, recipe.model_copy(update={"augmentation": augmentation, "method": method}), measure
    )
    return {which: Figure.of(found[which], len(study.test)) for which in REPRESENTATIONS}


def _panel(rows: dict[str, dict[str, Figure]], study: Study) -> Callable[[Axes], None]:
    def panel(on: Axes) -> None:
        guesses = [TRANSFORMATIONS[name].guess for name in rows]
        series = {"random guess": [(guess, guess, guess) for guess in guesses]}
        series |= {which: [row[which].bounds for row in rows.values()] for which in REPRESENTATIONS}
        grouped_bars(on, [ASKED[name] for name in rows], series)
        study.finish(on, "accuracy of an MLP, %")

    return panel


if __name__ == "__main__":
    typer.run(command("representations", SIMCLR, representations))
