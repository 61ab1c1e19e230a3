"""A recipe: everything that decides a training run, as data."""

import runpy
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from training.augment import Augmentation
from training.methods import METHODS, SettingsOfAMethod, Setup, check_method
from training.methods.simclr import SimCLRSettings
from training.precision import Precision
from zoo.architectures import Architecture, ResNetArchitecture

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
    method: SettingsOfAMethod = SimCLRSettings()
    architecture: Architecture = ResNetArchitecture()
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
    optimizer: Literal["lars", "sgd", "adamw"] = Field(
        "lars", description="sgd with Nesterov momentum; adamw is Adam where nothing decays"
    )
    learning_rate: float = Field(0.075, gt=0, description="before scaling with the batch")
    lr_scaling: Literal["linear", "sqrt", "none"] = Field(
        "sqrt", description="linear: times batch / 256; sqrt: times the root of the batch"
    )
    weight_decay: float = Field(1e-6, ge=0)
    betas: tuple[float, float] = Field((0.9, 0.999), description="of adamw")
    clip: float | None = Field(None, gt=0, description="the largest norm of the whole gradient")
    precision: Precision = Field(
        "32-true", description="bf16-mixed where the machine has bfloat16, and else 32-true"
    )
    compile: bool = Field(False, description="torch.compile the encoder and the head")
    seed: int = 0

    @property
    def peak_lr(self) -> float:
        """The learning rate at the end of the warm-up."""
        scale: dict[str, float] = {"linear": self.batch / 256, "sqrt": self.batch**0.5, "none": 1.0}
        return self.learning_rate * scale[self.lr_scaling]

    def view_size(self, step: int, steps: int) -> int:
        """Side of the views at `step` of `steps`."""
        for phase in self.phases:
            if step < phase.until * steps:
                return phase.size
        return self.phases[-1].size if self.phases else self.augmentation.size

    def setup(self, images: int | None = None, ranks: int = 1) -> Setup:
        """What the method is built for.

        Args:
            images: to train on, where that is known. ranks: processes that share a batch.
        """
        share = self.batch // ranks
        return Setup(
            architecture=self.architecture,
            augmentation=self.augmentation,
            sizes=tuple(phase.size for phase in self.phases) or (self.augmentation.size,),
            batch=self.batch,
            part=min(share, self.microbatch or share),
            images=images,
        )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_method(self.method, self.setup())
        return self


def recipe_names() -> list[str]:
    """The recipes that come with the package, by the name `zoo train` takes."""
    return sorted(p.stem.replace("_", "-") for p in FOLDER.glob("[!_]*.py"))


def load_recipe(name: str) -> Recipe:
    """A recipe by name, or from a Python file of one's own that defines `recipe`.

    Raises:
        RecipeError: there is none of that name (the nearest are suggested), or it is not valid.
    """
    path = Path(name) if name.endswith(".py") else FOLDER / f"{name.replace('-', '_')}.py"
    if name.endswith(".py") and not path.is_file():
        raise RecipeError(f"{path}: no such file")
    if not path.is_file():
        near = get_close_matches(name, recipe_names(), n=3)
        hint = " or ".join(near) if near else "one of " + ", ".join(recipe_names())
        raise RecipeError(f"no recipe {name!r}; did you mean {hint}?")
    try:
        recipe = runpy.run_path(str(path)).get("recipe")
    except ValidationError as error:
        raise RecipeError(f"{path}: {'; '.join(map(_fault, error.errors()))}") from error
    except Exception as error:  # whatever a file of one's own raises
        raise RecipeError(f"{path}: {type(error).__name__}: {error}") from error
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path}: it must define `recipe`, a training.recipe.Recipe")
    return recipe.model_copy(update={"name": path.stem.replace("_", "-")})


def taught_by(recipe: Recipe, teacher: str) -> Recipe:
    """The recipe with another teacher.

    Raises:
        RecipeError: its method has none.
    """
    if "teacher" not in type(recipe.method).model_fields:
        raise RecipeError(f"the recipe {recipe.name} has no teacher: its images alone teach it")
    method = recipe.method.model_copy(update={"teacher": teacher})
    return recipe.model_copy(update={"method": method})


def _fault(error: ErrorDetails) -> str:
    """One thing that is wrong with a recipe's settings, in a line."""
    *_, setting = ("recipe", *error["loc"])
    if error["type"] == "extra_forbidden":
        return f"there is no setting {setting!r}{_nearest(str(setting), _settings())}"
    if error["type"] == "union_tag_invalid" and setting == "method":
        name = error["ctx"]["tag"]
        return f"there is no method {name!r}{_nearest(name, METHODS)}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    message = error["msg"][0].lower() + error["msg"][1:]
    return f"{setting} = {error['input']!r}: {message}"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _settings() -> set[str]:
    """The names of all settings: a recipe's, and those of what it is made of."""
    schema = Recipe.model_json_schema()
    return {
        name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", ())
    }
