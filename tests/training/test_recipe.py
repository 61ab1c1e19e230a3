import pytest
import torch

from training.methods import build_method
from training.methods.distil import DistilSettings
from training.recipe import (
    FOLDER,
    Phase,
    Recipe,
    RecipeError,
    load_recipe,
    recipe_names,
    taught_by,
)
from zoo.store import builtin_package


def test_every_recipe_of_the_package_loads_and_says_what_it_is() -> None:
    names = recipe_names()
    assert "simclr-r18-small-cpu" in names
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean simclr-r18-small-cpu"):
        load_recipe("simclr-r18-smal-cpu")
    with pytest.raises(RecipeError, match=r"one of .*, simclr-r18-small-cpu, "):
        load_recipe("zzz")


def test_a_file_of_ones_own_is_a_recipe(tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from training.recipe import Recipe\nrecipe = Recipe(batch=32, epochs=3)\n")
    assert load_recipe(str(path)) == Recipe(name="mine", batch=32, epochs=3)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "from training.recipe import Recipe\nrecipe = Recipe(batch=1)",
            r"mine\.py: batch = 1: input should be greater than or equal to 2$",
        ),
        (
            "from training.recipe import Recipe\nrecipe = Recipe(bacth=64)",
            r"there is no setting 'bacth'; did you mean 'batch'\?$",
        ),
        (
            "from training.methods.simclr import SimCLRSettings\nSimCLRSettings(temprature=1)",
            "no setting 'temprature'; did you mean 'temperature'",
        ),
        (
            "from training.augment import PatchAugmentation\nPatchAugmentation(polices=True)",
            r"no setting 'polices'; did you mean 'policies'\?$",
        ),
        (
            "from training.recipe import Recipe\nrecipe = Recipe(method={'name': 'simclrr'})",
            r"mine\.py: there is no method 'simclrr'; did you mean 'simclr'\?$",
        ),
        (
            "from training.recipe import Recipe\nfrom training.methods.cpc import CPCSettings\n"
            "recipe = Recipe(method=CPCSettings())",
            r"mine\.py: cpc trains an encoder of patches",
        ),
        ("recipe = Recipe(", "SyntaxError: .* was never closed"),
        ("import nothing_there", "ModuleNotFoundError: .*nothing_there"),
        ("recipe = {'batch': 64}", "it must define `recipe`"),
    ],
)
def test_a_recipe_that_does_not_hold_together_names_the_fault(text, match, tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(RecipeError, match=match):
        load_recipe(str(path))


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(RecipeError, match=r"gone\.py: no such file"):
        load_recipe(str(tmp_path / "gone.py"))


def test_the_learning_rate_scales_with_the_batch() -> None:
    linear = Recipe(batch=512, learning_rate=0.3, lr_scaling="linear")
    assert linear.peak_lr == pytest.approx(0.6)
    root = Recipe(batch=1024, learning_rate=0.075, lr_scaling="sqrt")
    assert root.peak_lr == pytest.approx(2.4)
    assert Recipe(batch=512, learning_rate=4e-4, lr_scaling="none").peak_lr == 4e-4


def test_view_sizes_follow_the_phases() -> None:
    recipe = Recipe(phases=(Phase(until=0.5, size=32), Phase(until=1.0, size=64)))
    assert [recipe.view_size(step, 10) for step in (0, 4, 5, 9)] == [32, 32, 64, 64]
    assert Recipe().view_size(0, 10) == Recipe().augmentation.size


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_builds_and_states_what_is_expected_of_it(name) -> None:
    recipe = load_recipe(name)
    if isinstance(recipe.method, DistilSettings):  # its own teacher is not installed here
        recipe = taught_by(recipe, builtin_package().manifest.name)
    with torch.device("meta"):
        method = build_method(recipe.method, recipe.setup(images=50_000))
        assert method.optimizers(recipe)[0].param_groups[0]["lr"] == recipe.peak_lr
    text = (FOLDER / f"{name.replace('-', '_')}.py").read_text().split('"""')[1]
    if name != "simclr-r18-small-cpu":
        assert "Expected: " in text
        assert f" train {name} --data" in text
