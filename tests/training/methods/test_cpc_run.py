"""CPC from a folder of a run to embeddings: train, stop, resume, export, serve."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cli import app
from sources import Entry
from training.augment import Augmentation, PatchAugmentation
from training.data import Packed
from training.loop import train
from training.methods import build_method
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from zoo.architectures import CPCArchitecture, Stack
from zoo.encoders import encoder_from_run, load_served, read_run
from zoo.manifest import Layer
from zoo.package import verify
from zoo.runtimes import open_runtime, read_golden
from zoo.store import find_package

STACKS = (
    Stack(blocks=1, channels=8),
    Stack(blocks=1, channels=12),
    Stack(blocks=1, channels=16, bottleneck=8),
)
RECIPE = Recipe(
    name="tiny-cpc",
    method=CPCSettings(
        context_width=16,
        context_blocks=2,
        target_dim=8,
        patches=PatchAugmentation(margin=1, drop=0.5, policies=True),
    ),
    architecture=CPCArchitecture(
        family="cpc", patch=12, stride=4, stem_channels=8, stacks=STACKS, norm="layer"
    ),
    augmentation=Augmentation(size=32, area=(0.75, 1), aspect=(1, 1), jitter=0, grey=0, blur=0),
    stored_side=32,
    batch=8,
    epochs=3,
    warmup_epochs=0.5,
    optimizer="adamw",
    learning_rate=2e-3,
    lr_scaling="none",
    weight_decay=0,
    betas=(0.8, 0.999),
    clip=0.01,
)


@pytest.fixture(scope="module")
def source(crops) -> Packed:
    return Packed("crops", crops(16, 32), [Entry(f"{i}.png", "", "") for i in range(16)], {})


@pytest.fixture(scope="module")
def run(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert train(RECIPE, [source], folder, lambda step: None)
    return folder


def test_a_run_that_died_resumes_to_the_same_weights(run, source, tmp_path) -> None:
    def die_at_four(step) -> None:
        if step.step == 4:
            raise KeyError("died")

    with pytest.raises(KeyError, match="died"):
        train(RECIPE, [source], tmp_path, die_at_four, save_every=3)
    assert train(RECIPE, [source], tmp_path, lambda step: None)
    one, other = (
        torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (run, tmp_path)
    )
    for name, tensor in one["method"].items():
        assert torch.equal(tensor, other["method"][name]), name
    moments, others = one["optimizers"][0]["state"], other["optimizers"][0]["state"]
    for key, state in moments.items():
        for name in ("exp_avg", "exp_avg_sq", "step"):
            assert torch.equal(state[name], others[key][name])


def test_a_batch_in_parts_trains_as_the_whole(run, source, tmp_path) -> None:
    losses: list[float] = []
    recipe = RECIPE.model_copy(update={"microbatch": 4})
    assert train(recipe, [source], tmp_path, lambda step: losses.append(step.loss))
    whole = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert losses == pytest.approx(whole, rel=1e-3)


def test_a_run_is_exported_and_served(run, crops, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["export", "run", str(run), "--name", "tiny-cpc"])
    assert result.exit_code == 0, result.output
    package = find_package("tiny-cpc")
    verify(package)
    manifest = package.manifest
    assert (manifest.method, manifest.dim, manifest.input.size) == ("cpc", 16, 32)
    assert manifest.architecture == RECIPE.architecture
    assert isinstance(manifest.layer, Layer)
    assert manifest.layer.stages == ("layer3",)
    assert "arXiv:1807.03748" in manifest.provenance.citation
    assert "patches of 12 px every 4" in (package.path / "card.md").read_text()
    assert "patches of 12 px" in CliRunner().invoke(app, ["show", "tiny-cpc"]).output
    assert set(read_golden(package.golden).controls) == {"normalisation", "channel-order"}
    photos = crops(5, 32, seed=9)
    found = open_runtime(package).embed(photos)
    with torch.no_grad():
        served = load_served(package)(torch.from_numpy(photos)).numpy()
        images = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255
        trained = encoder_from_run(read_run(run))(images).numpy()
    np.testing.assert_allclose(found, served, atol=1e-4 * np.abs(served).max())
    np.testing.assert_allclose(found, trained, atol=5e-3 * np.abs(trained).max())


def test_another_stage_than_the_last_is_refused(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    arguments = ["export", "run", str(run), "--name", "tiny-cpc", "--stage", "layer2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert "from layer3 alone" in result.output + str(result.exception)


def test_the_run_describes_its_method(run) -> None:
    recipe = json.loads((run / "run.json").read_text())["recipe"]
    assert Recipe.model_validate(recipe) == RECIPE


def test_the_gradient_is_clipped_to_its_norm(source, tmp_path) -> None:
    changes = {"optimizer": "sgd", "learning_rate": 1.0, "epochs": 0.5, "warmup_epochs": 0}
    recipe = RECIPE.model_copy(update=changes)
    assert train(recipe, [source], tmp_path, lambda step: None)  # one step
    torch.manual_seed(recipe.seed)
    start = build_method(recipe.method, recipe.setup())
    trained = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["method"]
    moved = [(p.detach() - trained[n]).flatten() for n, p in start.named_parameters()]
    # The first step of Nesterov momentum 0.9 takes 1.9 times the gradient.
    assert float(torch.cat(moved).norm()) == pytest.approx(1.9 * 0.01, rel=1e-3)
