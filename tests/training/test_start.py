"""A run that begins with a model's encoder, and the precision of the machine it runs on."""

import json

import pytest
import torch

from sources import Entry
from training.augment import Augmentation
from training.data import Packed
from training.loop import TrainingError, train
from training.precision import has_bfloat16
from training.recipe import Recipe
from training.start import begin_with
from zoo.architectures import ResNetArchitecture
from zoo.encoders import build_encoder, load_served
from zoo.store import builtin_package


@pytest.fixture
def source(crops) -> Packed:
    return Packed("plain", crops(12, 24), [Entry(f"{i}.png", "", "") for i in range(12)], {})


def recipe(**changes) -> Recipe:
    settings = {
        "architecture": builtin_package().manifest.architecture,
        "augmentation": Augmentation(size=16),
        "batch": 6,
        "epochs": 0.5,
        "warmup_epochs": 0,
        "learning_rate": 1e-9,
    }
    return Recipe(**settings | changes)


def test_a_new_run_begins_with_the_models_encoder(source, tmp_path):
    """At a rate of next to nothing the weights stay what they were."""
    package = builtin_package()
    assert train(recipe(), [source], tmp_path, lambda step: None, start=package)
    found = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["method"]
    for name, value in load_served(package).encoder.named_parameters():
        torch.testing.assert_close(found[f"encoder.{name}"], value, rtol=0, atol=1e-6)
    described = json.loads((tmp_path / "run.json").read_text())
    manifest = package.manifest
    assert described["start"] == {"name": manifest.reference, "space": manifest.space}


def test_another_architecture_is_refused_before_anything_is_written(source, tmp_path):
    other = recipe(architecture=ResNetArchitecture(depth=34, stem="stride2-pool"))
    with pytest.raises(TrainingError, match="start from a model of the recipe's architecture"):
        train(other, [source], tmp_path / "run", lambda step: None, start=builtin_package())
    assert not (tmp_path / "run").exists()


def test_a_model_without_the_last_stage_is_refused(monkeypatch):
    def shortened(package):
        served = load_served(package)
        served.encoder.drop_stages_after("layer3")
        return served

    monkeypatch.setattr("training.start.load_served", shortened)
    package = builtin_package()
    with pytest.raises(TrainingError, match="exported without layer4"):
        begin_with(build_encoder(load_served(package).encoder.architecture), package)


def test_bfloat16_is_used_where_the_machine_has_it(source, tmp_path):
    half = recipe(precision="bf16-mixed")
    assert train(half, [source], tmp_path, lambda step: None)
    used = json.loads((tmp_path / "run.json").read_text())["precision"]
    on_gpu = torch.cuda.is_available()
    assert used == ("bf16-mixed" if on_gpu or has_bfloat16() else "32-true")
