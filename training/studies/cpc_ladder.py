"""What each addition of CPC v2 is worth (arXiv:1905.09272, Figure 3).

    python -m training.studies.cpc_ladder --data DATA --size smoke

Each rung keeps what the ones before it have added. Accuracy is linear evaluation of the features
averaged over patches. One optimizer, v1's, serves all rungs, so that they differ in nothing else.

full: eight rungs, three seeds, 50 epochs of 32 px images each, with up to the first three stacks of
a ResNet-18; on CIFAR-10 about 4e17 floating point operations, a few hours of a GPU (reckoned, not
run). smoke: the same rungs, with networks of a few channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import typer
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from training.evaluation.picture import save
from training.evaluation.tables import table
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from training.studies.command import command
from training.studies.scales import CPC, Size
from training.studies.study import Figure, Study, study_linear
from zoo.architectures import RESNET_18, CPCArchitecture, Stack

_LARGER = {
    Size.smoke: Stack(blocks=2, channels=32),
    Size.full: RESNET_18[2],
}
"""MC's third stack: twice the blocks, and twice the channels, of the one before it."""

# As in the lecture's figure: by the number of directions.
_COLOURS = {1: "#E69F00", 2: "#009E73", 4: "#0072B2"}


@dataclass(frozen=True)
class Rung:
    """What an addition changes in the architecture, in the method, and in its `patches`."""

    about: str
    architecture: Mapping[str, object] = field(default_factory=dict)
    method: Mapping[str, object] = field(default_factory=dict)
    patches: Mapping[str, object] = field(default_factory=dict)


def rungs(size: Size) -> dict[str, Rung]:
    """The additions by the paper's names, in its order."""
    all_ways = ("down", "up", "left", "right")
    larger = [*CPC[size].recipe.architecture.model_dump()["stacks"][:2], _LARGER[size].model_dump()]
    return {
        "CPC v1": Rung("top-down, patches of 8 px"),
        "+MC": Rung("model capacity: a larger third stack", architecture={"stacks": larger}),
        "+BU": Rung("bottom-up predictions too", method={"directions": ("down", "up")}),
        "+LN": Rung("layer normalisation", architecture={"norm": "layer"}),
        "+RC": Rung("random colour dropping, in place of grey", patches={"grey": 0, "drop": 0.5}),
        "+HP": Rung("horizontal predictions too", method={"directions": all_ways}),
        "+LP": Rung("larger patches, 12 px", architecture={"patch": 12}, method={"offsets": (3,)}),
        "+PA": Rung("patch augmentation", patches={"policies": True}),
    }


def ladder(study: Study) -> dict[str, Recipe]:
    """A recipe for each rung, with all that the rungs before it have added."""
    base = study.scale.recipe
    architecture, method = base.architecture.model_dump(), base.method.model_dump()
    recipes = {}
    for name, rung in rungs(study.size).items():
        architecture |= rung.architecture
        method |= rung.method
        method["patches"] = method["patches"] | rung.patches
        recipes[name] = Recipe.model_validate(
            base.model_dump()
            | {
                "architecture": CPCArchitecture.model_validate(architecture),
                "method": CPCSettings.model_validate(method),
            }
        )
    return recipes


def cpc_ladder(study: Study) -> None:
    """Linear accuracy as CPC v2's additions are made one after another (its Figure 3)."""
    figures: dict[str, Figure] = {}
    directions: list[int] = []
    for name, recipe in ladder(study).items():
        found = study.measured(
            name.replace(" ", "-").strip("+"),
            recipe,
            lambda run: {"linear": study_linear(study, run)},
        )
        figures[name] = Figure.of(found["linear"], len(study.test))
        assert isinstance(recipe.method, CPCSettings)  # the ladder has no others
        directions.append(len(recipe.method.directions))
    lines = [["rung", "directions", "accuracy", "what it adds"]]
    for (name, rung), ways in zip(rungs(study.size).items(), directions, strict=True):
        lines.append([name, str(ways), str(figures[name]), rung.about])
    save([_panel(figures, directions, study)], study.folder / "picture.png", width=5.5)
    content = {name: figure.model_dump() for name, figure in figures.items()}
    study.write({"cells": content}, table(lines))


def _panel(
    figures: Mapping[str, Figure], directions: Sequence[int], study: Study
) -> Callable[[Axes], None]:
    def panel(on: Axes) -> None:
        bounds = [figure.bounds for figure in figures.values()]
        errors = [[100 * (m - low) for m, low, _ in bounds], [100 * (h - m) for m, _, h in bounds]]
        colours = [_COLOURS[ways] for ways in directions]
        on.bar(
            list(figures), [100 * m for m, _, _ in bounds], color=colours, yerr=errors, capsize=2
        )
        study.finish(on, "linear accuracy, %")
        shown = [
            Patch(color=colour, label=f"{ways} direction{'s' if ways > 1 else ''}")
            for ways, colour in _COLOURS.items()
        ]
        on.set_ylim(0, 118 * max(high for _, _, high in bounds))  # the legend stands above the bars
        on.legend(handles=shown, loc="upper center", ncols=3, fontsize=8, frameon=False)

    return panel


if __name__ == "__main__":
    typer.run(command("cpc_ladder", CPC, cpc_ladder))
