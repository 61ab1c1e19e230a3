"""`zoo train`."""

import importlib.util
import json
import signal
from pathlib import Path

import pytest

from tests.cli.command import invoke, read_until, started, zoo

RECIPES = Path(__file__).parents[2] / "training" / "recipes"


needs_training = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "lightning_fabric", "tensorboard"))),
    reason="the train extra is not installed",
)


RECIPE = """
from training.augment import Augmentation
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    architecture=ResNetArchitecture(width=0.25, stem="stride2-pool"),
    augmentation=Augmentation(size=16),
    stored_side=16,
    batch=4,
    epochs=500,
)
"""


@needs_training
def test_train_stops_on_request_and_goes_on(photos, tmp_path):
    recipe, run, held_out = tmp_path / "mine.py", tmp_path / "run", tmp_path / "held-out"
    recipe.write_text(RECIPE)
    held_out.mkdir()
    (held_out / "copy.png").write_bytes((photos / "a.png").read_bytes())
    command = ("train", recipe, "--data", photos, "--out", run, "--exclude-near", held_out)
    done = []
    for request in (signal.SIGINT, signal.SIGTERM):
        with started(*command) as process:
            text = read_until(process, "step ")
            process.send_signal(request)
            text += process.stderr.read()
            assert process.wait() == 130
        assert "deep/broken.jpg: not an image" in text
        assert "1 of 5 images left out" in text
        assert "the same command goes on" in text
        done.append([json.loads(line)["step"] for line in (run / "log.jsonl").open()])
    assert done[1] == list(range(1, len(done[1]) + 1))
    assert len(done[1]) > len(done[0]) >= 1


@needs_training
def test_train_lists_its_recipes_without_loading_them():
    said = zoo("train", "--recipes").stdout
    names = {path.stem.replace("_", "-") for path in RECIPES.glob("[!_]*.py")}
    assert names == {line.split()[0] for line in said.splitlines()[1:-1]}
    assert "SimCLR, ResNet-18 with the CIFAR stem, on CIFAR-10 at 32 px." in said


def test_train_refuses_before_it_works(photos, tmp_path):
    out = tmp_path / "run"
    unknown = invoke("train", "simclr-r81", "--data", photos, "--out", out, code=1)
    assert "simclr-r18-small-cpu" in unknown[1]
    (tmp_path / "file").write_text("")
    blocked = invoke(
        "train", "simclr-r18-small-cpu", "--data", photos, "--out", tmp_path / "file/x", code=1
    )
    assert "file" in blocked[1]
    gone = invoke("train", "simclr-r18-small-cpu", "--data", tmp_path / "x", "--out", out, code=1)
    assert "x: no such folder, tar, zip or Parquet file" in gone[1]
    few = invoke("train", "simclr-r18-small-cpu", "--data", photos, "--out", out, code=1)
    assert "no source has the 256 images of a batch" in few[1]
    assert "photos: " not in few[1], "no image is decoded for it"
    shared = invoke(
        "train", "simclr-r18-small-cpu", "--data", photos, "--out", out, code=1, WORLD_SIZE="3"
    )
    assert "a batch of 256 images cannot be shared equally by 3 processes" in shared[1]


STUDENT = """
from training.augment import Augmentation
from training.methods.distil import DistilSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=DistilSettings(),
    architecture=ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool"),
    augmentation=Augmentation(size=16),
    stored_side=16,
    batch=4,
    epochs=2,
)
"""


@needs_training
def test_any_installed_model_teaches(photos, tmp_path, make_package):
    make_package("tiny")
    recipe, run = tmp_path / "mine.py", tmp_path / "run"
    recipe.write_text(STUDENT)
    command = ("train", recipe, "--data", photos, "--out", run)
    missing = invoke(*command, "--teacher", "efficientnet-lite0", code=1)[1]
    assert "`zoo pull efficientnet-lite0` installs it" in missing
    assert len(missing.splitlines()) == 1
    assert "photos: " not in missing, "no image is decoded for it"
    said = invoke(*command, "--teacher", "tiny")[1]
    assert "the teacher has seen 5 of 5 images" in said
    assert "zoo export run" in said
    assert json.loads((run / "run.json").read_text())["teacher"]["name"] == "tiny@1"


@needs_training
def test_a_recipe_without_a_teacher_takes_none(photos, tmp_path):
    command = ("train", "simclr-r18-small-cpu", "--data", photos, "--out", tmp_path / "run")
    said = invoke(*command, "--teacher", "tiny", code=1)[1]
    assert "the recipe simclr-r18-small-cpu has no teacher" in said
