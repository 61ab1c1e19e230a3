"""A study from its command line to its table, with the smallest network and a few images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from training.studies import projection_heads, study
from training.studies.command import command
from training.studies.scales import SIMCLR, Size
from training.studies.study import Figure

SMALL = {
    Size.smoke: replace(
        SIMCLR[Size.smoke],
        images=24,
        recipe=SIMCLR[Size.smoke].recipe.model_copy(
            update={"batch": 12, "epochs": 1, "stored_side": 16}
        ),
    )
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two colours at 16 px: of each 14 to learn from and 6 to test on."""
    folder = tmp_path_factory.mktemp("set") / "colours"
    rng = np.random.default_rng(0)
    rows = ["path,label,split"]
    for label, shade in {"red": (180, 40, 40), "blue": (40, 40, 180)}.items():
        (folder / label).mkdir(parents=True)
        for i in range(20):
            noise = rng.integers(0, 60, (16, 16, 3)) + shade
            Image.fromarray(noise.astype(np.uint8)).save(folder / label / f"{i}.png")
            rows.append(f"{label}/{i}.png,{label},{'train' if i < 14 else 'test'}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def start(*arguments: object, scales=SMALL):
    app = typer.Typer()
    app.command()(command("projection_heads", scales, projection_heads.projection_heads))
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_study_writes_its_table_and_goes_on_from_its_figures(data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(projection_heads, "_DIMENSIONS", {Size.smoke: (32,)})
    out = tmp_path / "out"
    done = start("--data", data, "--out", out)
    assert done.exit_code == 0, done.output
    assert "| head | 32 |" in done.stdout
    assert "| none (h) |" in done.stdout
    assert "claims nothing" in done.stdout
    result = json.loads((out / "result.json").read_text())
    assert result["claims"].startswith("nothing")
    assert (result["images"], result["tested"]) == (24, 12)
    assert sorted(result["cells"]) == ["linear", "none", "nonlinear"]
    cell = result["cells"]["linear"]["32"]
    assert 0 <= cell["low"] <= cell["mean"] <= cell["high"] <= 1
    assert (out / "picture.png").stat().st_size > 5000
    assert not list(out.rglob("checkpoint.pt")), "a run that was measured gives its disk back"

    def never(*_: object) -> bool:
        raise AssertionError("a figure that was recorded is not measured again")

    monkeypatch.setattr(study, "train", never)
    again = start("--data", data, "--out", out)
    assert again.exit_code == 0, again.output
    assert again.stdout == done.stdout
    monkeypatch.setattr(study, "train", lambda *_: False)
    next((out / "figures").iterdir()).unlink()
    stopped = start("--data", data, "--out", out)
    assert stopped.exit_code == 130
    assert "the same command goes on" in stopped.output


def test_bad_data_are_named(data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    plain = start("--data", data / "red", "--out", tmp_path / "out")
    assert plain.exit_code == 1
    assert "a study needs a labels.csv with the splits train and test" in plain.output
    gone = start("--data", tmp_path / "nothing", "--out", tmp_path / "out")
    assert gone.exit_code == 1
    assert "nothing: no such folder, tar, zip or Parquet file" in gone.output
    assert start("--data", data, "--size", "huge").exit_code == 2
    few = {Size.smoke: replace(SMALL[Size.smoke], images=4)}
    short = start("--data", data, "--out", tmp_path / "out", scales=few)
    assert short.exit_code == 1
    assert "no source has the 12 images of a batch" in short.output


def test_a_figure_is_over_seeds_where_there_are_several() -> None:
    one = Figure.of([0.5], 100)
    assert (one.low, one.high) == pytest.approx((0.404, 0.596), abs=1e-3)
    three = Figure.of([0.4, 0.5, 0.6], 100)
    assert (three.mean, three.low, three.high) == pytest.approx((0.5, 0.2516, 0.7484), abs=1e-3)
    assert str(three) == "50.0 (25.2-74.8)"
