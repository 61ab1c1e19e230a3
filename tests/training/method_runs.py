"""What every method's runs must do: resume to the bit, divide over processes and parts, serve."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from typer.testing import CliRunner

from cli import app
from sources import Entry
from tests.training import without_batch_norm
from training.data import Packed
from training.loop import Step, train
from training.recipe import Recipe
from zoo.encoders import encoder_from_run, read_run
from zoo.package import verify
from zoo.runtimes import open_runtime
from zoo.store import find_package

Images = npt.NDArray[np.uint8]


def packed(images: Images, name: str = "crops") -> Packed:
    """A source of images without labels."""
    return Packed(name, images, [Entry(f"{i}.png", "", "") for i in range(len(images))], {})


def saved(run: Path) -> dict[str, Any]:
    """A run's checkpoint."""
    found: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    return found


def assert_resumes_exactly(recipe: Recipe, images: Images, folder: Path, die_at: int) -> Path:
    """A run that died, saving every second step, ends as one that did not; gives the latter."""
    whole, broken = folder / "whole", folder / "broken"

    def die(step: Step) -> None:
        if step.step == die_at:
            raise KeyError("died")

    assert train(recipe, [packed(images)], whole, lambda step: None)
    with pytest.raises(KeyError, match="died"):
        train(recipe, [packed(images)], broken, die, save_every=2)
    assert 0 < saved(broken)["step"] < die_at
    torch.manual_seed(12345)  # another process would not find the generators where they were left
    torch.rand(7)
    assert train(recipe, [packed(images)], broken, lambda step: None)
    assert_same(saved(whole), saved(broken))
    return whole


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Every weight, statistic, queue and moment of two checkpoints, to the bit."""
    assert one["step"] == other["step"]
    assert one["method"].keys() == other["method"].keys()
    for name, tensor in one["method"].items():
        assert torch.equal(tensor, other["method"][name]), name
    for a, b in zip(one["optimizers"], other["optimizers"], strict=True):
        assert a["state"].keys() == b["state"].keys()
        for key, moments in a["state"].items():
            for name, value in moments.items():
                assert value is b["state"][key][name] or torch.equal(value, b["state"][key][name])


def assert_divides(recipe: Recipe, images: Images, folder: Path, microbatch: int) -> None:
    """Without batch norm, two processes and a batch taken in parts train as one whole does."""
    np.save(folder / "pixels.npy", images)
    (folder / "recipe.json").write_text(recipe.model_dump_json())
    assert without_batch_norm.train(folder, recipe, folder / "whole")
    parts = recipe.model_copy(update={"microbatch": microbatch})
    assert without_batch_norm.train(folder, parts, folder / "parts")
    assert_close(saved(folder / "parts"), saved(folder / "whole"))
    in_two_processes(folder)
    assert torch.load(folder / "stopped.pt", weights_only=True)["step"] == 2
    assert_close(saved(folder / "ranks"), saved(folder / "whole"))


def in_two_processes(folder: Path) -> None:
    """Train by the folder's recipe into `ranks`, stopped once after two steps."""
    script = Path(without_batch_norm.__file__)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    environment = {"PYTHONPATH": str(script.parents[2]), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*launcher, "--nproc-per-node", "2", str(script), str(folder)],
        check=True,
        env=os.environ | environment,
    )


def assert_close(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Weights, state and momenta, which add up every gradient, but for the order of sums."""
    assert one["step"] == other["step"]
    for name, tensor in one["method"].items():
        torch.testing.assert_close(tensor, other["method"][name], atol=1e-5, rtol=1e-4, msg=name)
    for a, b in zip(one["optimizers"], other["optimizers"], strict=True):
        assert a["state"]
        for key, moments in a["state"].items():
            assert moments.keys() & {"momentum", "momentum_buffer"}
            for name, want in moments.items():
                got = b["state"][key][name]
                assert (got - want).norm() <= 2e-3 * want.norm() + 1e-7, key


def assert_serves(run: Path, images: Images, home: Path, arxiv: str) -> None:
    """`zoo export` makes a package of the run, which embeds as the run's encoder does."""
    environment = {"ZOO_HOME": str(home), "COLUMNS": "200"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        result = CliRunner().invoke(app, ["export", str(run), "--name", "tiny"], env=environment)
        assert result.exit_code == 0, result.output
        package = find_package("tiny")
        verify(package)
        assert package.manifest.method == read_run(run).described["recipe"]["method"]["name"]
        assert arxiv in package.manifest.provenance.citation
        found = open_runtime(package).embed(images)
    with torch.no_grad():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        trained = encoder_from_run(read_run(run))(pixels).numpy()
    np.testing.assert_allclose(found, trained, atol=5e-3 * np.abs(trained).max())
