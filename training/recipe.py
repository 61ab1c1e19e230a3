"""A recipe: everything that decides a training run, as data."""

import runpy
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.augment import Augmentation
from training.methods import SimCLRSettings
from zoo.architectures import ResNetArchitecture

FOLDER = Path(__file__).parent / "recipes"


class RecipeError(ValueError):
    """A recipe that does not exist or does not hold together."""


class Phase(BaseModel):
    """Views of `size` pixels until `until`, a share of the run's steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    until: float = Field(gt=0, le=1)
    size: int = Field(ge=16)


class Recipe(BaseModel):
    """The settings of one run. Two runs of one recipe on one CPU give the same weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", description="filled in when the recipe is loaded")
    method: SimCLRSettings = SimCLRSettings()
    architecture: ResNetArchitecture = ResNetArchitecture()
    augmentation: Augmentation = Augmentation()
    phases: tuple[Phase, ...] = Field(
        (), description="view sizes over the run; empty: augmentation.size throughout"
    )
    stored_side: int = Field(64, description="pixels that images are decoded to, once")
    batch: int = Field(256, ge=2)
    microbatch: int | None = Field(
        None,
        ge=2,
        description="images at a time through the network, for a batch larger than the device's "
        "memory: the loss is over the whole batch, batch normalisation over these",
    )
    epochs: float = Field(100, gt=0)
    warmup_epochs: float = Field(10, ge=0)
    learning_rate: float = Field(0.075, description="of LARS, before scaling with the batch")
    lr_scaling: Literal["linear", "sqrt"] = Field(
        "sqrt", description="linear: times batch / 256; sqrt: times the root of the batch"
    )
    weight_decay: float = 1e-6
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = Field(False, description="torch.compile the encoder and the head")
    seed: int = 0

    @property
    def peak_lr(self) -> float:
        """The learning rate at the end of the warm-up."""
        scale = self.batch / 256 if self.lr_scaling == "linear" else self.batch**0.5
        return self.learning_rate * scale

    def view_size(self, step: int, steps: int) -> int:
        """Side of the views at `step` of `steps`."""
        for phase in self.phases:
            if step < phase.until * steps:
                return phase.size
        return self.phases[-1].size if self.phases else self.augmentation.size


def recipe_names() -> list[str]:
    """The recipes that come with the package, by the name `zoo train` takes."""
    return sorted(p.stem.replace("_", "-") for p in FOLDER.glob("[!_]*.py"))


def load_recipe(name: str) -> Recipe:
    """A recipe by name, or from a Python file of one's own that defines `recipe`.

    Raises:
        RecipeError: there is none of that name (the nearest are suggested), or it is not valid.
    """
    path = Path(name) if name.endswith(".py") else FOLDER / f"{name.replace('-', '_')}.py"
    if not path.is_file():
        near = get_close_matches(name, recipe_names(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {recipe_names()}"
        raise RecipeError(f"no recipe {name!r}; {hint}")
    try:
        recipe = runpy.run_path(str(path)).get("recipe")
    except ValidationError as error:
        raise RecipeError(f"{path}: {error}") from error
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path}: it must define `recipe`, a training.recipe.Recipe")
    return recipe.model_copy(update={"name": path.stem.replace("_", "-")})
