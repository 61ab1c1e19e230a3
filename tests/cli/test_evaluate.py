"""`zoo evaluate`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

torch = pytest.importorskip("torch", reason="the train extra is not installed")

from cli import app  # noqa: E402
from tests.cli.command import zoo  # noqa: E402
from training.augment import Augmentation  # noqa: E402
from training.methods import build_method  # noqa: E402
from training.methods.simclr import SimCLRSettings  # noqa: E402
from training.recipe import Recipe  # noqa: E402
from zoo.architectures import ResNetArchitecture  # noqa: E402


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run's folder with weights as they begin."""
    recipe = Recipe(
        architecture=ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool"),
        method=SimCLRSettings(head_dim=16),
        augmentation=Augmentation(size=16),
        stored_side=16,
    )
    torch.manual_seed(0)
    method = build_method(recipe.method, recipe.setup())
    folder = tmp_path_factory.mktemp("runs") / "mine"
    folder.mkdir()
    torch.save({"method": method.state_dict(), "step": 0}, folder / "checkpoint.pt")
    (folder / "run.json").write_text(json.dumps({"recipe": recipe.model_dump(mode="json")}))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two colours: of each 8 to learn from and 6 to test on."""
    folder = tmp_path_factory.mktemp("sets") / "colours"
    rng = np.random.default_rng(0)
    rows = ["path,label,split"]
    for label, shade in {"red": (180, 40, 40), "blue": (40, 40, 180)}.items():
        (folder / label).mkdir(parents=True)
        for i in range(14):
            noise = rng.integers(0, 60, (20, 24, 3)) + shade
            Image.fromarray(noise.astype(np.uint8)).save(folder / label / f"{i}.png")
            rows.append(f"{label}/{i}.png,{label},{'train' if i < 8 else 'test'}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def test_a_run_is_measured_without_an_export(run, data, tmp_path) -> None:
    picture = tmp_path / "figure.png"
    protocols = ("knn", "transfer", "probe")
    done = evaluate(
        run, "--data", data, "--json", "--picture", picture,
        *(word for name in protocols for word in ("--protocol", name)),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    found = {(a["method"], a["protocol"]): a for a in content["accuracies"]}
    assert found["mine", "knn"]["images"] == 12
    assert found["mine", "transfer"]["note"].startswith("l2 ")
    assert {m for m, p in found if p == "probe-rotation"} == {"guessing", "h", "g(h)"}
    assert picture.stat().st_size > 5000


def test_a_set_of_torchvision_is_named_by_its_class(torchvision, run, data) -> None:
    source = f"torchvision:ImageFolder:{data}"
    done = evaluate(run, "--data", source, "--protocol", "transfer", "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["accuracies"]
    assert (found["data"], found["images"]) == ("ImageFolder (halves)", 14)
    both = ("--data", source, "--data", data, "--subset", "ImageFolder", "--draws", 2, "--json")
    done = evaluate(run, *both)
    assert done.exit_code == 0, done.output
    sets = {accuracy["data"] for accuracy in json.loads(done.stdout)["accuracies"]}
    assert sets == {"ImageFolder", "colours"}
    gone = evaluate(run, "--data", f"torchvision:CIFAR10:{data}")
    assert gone.exit_code == 1
    assert "torchvision cannot read CIFAR10 there" in gone.output
    assert "download it first" in gone.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--protocol", "lineer"], 2, "did you mean linear"),
        (["--protocol", "knn", "--record"], 2, "a run has no card"),
        (["--protocol", "knn", "--picture", "figure.gif"], 2, "ends in .svg or .png"),
        (["--protocol", "finetune", "--percent", "1"], 1, "1% of the 8 training images of class"),
        (["--draws", "2"], 0, "few-label-10"),
        (["--subset", "green"], 1, "no images under 'green'"),
        (["--protocol", "finetune", "--percent", "0"], 2, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said(arguments, code, said, run, data) -> None:
    done = evaluate(run, "--data", data, *arguments)
    assert done.exit_code == code, done.output
    assert said in done.output


def test_missing_data_and_a_folder_that_is_no_run_are_named(run, data, tmp_path) -> None:
    gone = evaluate(run, "--data", tmp_path / "nothing")
    assert gone.exit_code == 1
    assert "nothing: no such folder, tar, zip or Parquet file" in gone.output
    empty = evaluate(tmp_path, "--data", data)
    assert empty.exit_code == 1
    assert "not a training run, it has no checkpoint.pt" in empty.output
    again = evaluate("no-such-model", "--data", data)
    assert again.exit_code == 1
    assert "no model 'no-such-model'" in again.output


def test_evaluate_measures_a_model_and_its_baselines(make_package, tmp_path):
    for module in ("torch", "skimage", "matplotlib"):
        pytest.importorskip(module)
    make_package()
    rng = np.random.default_rng(0)
    for label, shade in {"red": (200, 20, 20), "blue": (20, 20, 200)}.items():
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(14):
            noise = (rng.integers(0, 40, (24, 24, 3)) + shade).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / "set" / label / f"{number}.png")
    command = ("evaluate", "tiny", "--data", tmp_path / "set", "--draws", 3)
    content = json.loads(zoo(*command, "--baselines", "--json").stdout)
    values = {(a["method"], a["protocol"]): a["value"] for a in content["accuracies"]}
    assert values["tiny@1", "few-label-10"] > 0.9
    assert values["pixels", "few-label-10"] > 0.9
    assert {d["method"] for d in content["differences"]} == {"tiny@1"}
    assert "labels.csv" in zoo(*command, "--protocol", "knn", code=1).stderr
