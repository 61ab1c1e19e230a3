"""The loop, with the smallest network and a few steps on real crops."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sources import Entry
from training.augment import Augmentation
from training.data import Packed
from training.loop import Step, TrainingError, train
from training.methods import build_method
from training.recipe import Phase, Recipe
from zoo.architectures import ResNetArchitecture

RECIPE = Recipe(
    architecture=ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool"),
    augmentation=Augmentation(size=16, low_resolution=0.3),
    phases=(Phase(until=0.5, size=16), Phase(until=1.0, size=24)),
    batch=8,
    epochs=2,
    warmup_epochs=0.5,
    seed=5,
)
STEPS = 8  # 2 epochs of (24 // 8 + 13 // 8) batches


@pytest.fixture(scope="module")
def sources(crops) -> list[Packed]:
    """A labelled source of 24 images (china or flower) and an unlabelled one of 13."""
    pixels = np.concatenate([crops(12, 24, photo=0), crops(12, 24, photo=1)])
    entries = [Entry(f"{i}.png", "china" if i < 12 else "flower", "") for i in range(24)]
    plain = [Entry(f"{i}.png", "", "") for i in range(13)]
    return [
        Packed("labelled", pixels, entries, {}),
        Packed("plain", crops(13, 24, seed=1), plain, {}),
    ]


@pytest.fixture(scope="module")
def unbroken(sources, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("unbroken")
    assert train(RECIPE, sources, run, lambda step: None)
    return run


def saved(run: Path) -> dict:
    return torch.load(run / "checkpoint.pt", weights_only=True)


def assert_same(one: Path, other: Path) -> None:
    """Every weight, statistic and momentum, to the bit."""
    a, b = saved(one), saved(other)
    assert a["step"] == b["step"] == STEPS
    assert a["method"].keys() == b["method"].keys()
    for name, tensor in a["method"].items():
        assert torch.equal(tensor, b["method"][name]), name
    momenta = [x["optimizers"][0]["state"] for x in (a, b)]
    assert momenta[0].keys() == momenta[1].keys()
    for key, state in momenta[0].items():
        assert torch.equal(state["momentum"], momenta[1][key]["momentum"])


def test_a_run_reports_every_step_and_moves_every_weight(sources, tmp_path) -> None:
    steps: list[Step] = []
    assert train(RECIPE, sources, tmp_path, steps.append, monitor_every=4)
    assert [s.step for s in steps] == list(range(1, STEPS + 1))
    assert all(s.steps == STEPS and np.isfinite(s.loss) and s.images_per_second > 0 for s in steps)
    assert steps[-1].epoch == 2
    assert [s.lr for s in steps][:2] == pytest.approx([RECIPE.peak_lr / 2, RECIPE.peak_lr])
    assert steps[-1].lr < 0.1 * RECIPE.peak_lr
    # The monitor looks at labelled sources alone, where it is due and at the end.
    assert [list(s.knn) for s in steps] == [[], [], [], ["labelled"], [], [], [], ["labelled"]]
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert logged == [s.__dict__ for s in steps]
    torch.manual_seed(RECIPE.seed)
    start = build_method(RECIPE.method, RECIPE.setup())
    trained = saved(tmp_path)["method"]
    for name, p in start.named_parameters():
        assert torch.equal(p, trained[name]) != p.requires_grad, name


def test_the_loss_falls(crops, tmp_path) -> None:
    pixels = np.concatenate([crops(64, 20, photo=0), crops(64, 20, photo=1)])
    source = Packed("crops", pixels, [Entry(f"{i}.png", "", "") for i in range(128)], {})
    easy = Augmentation(size=16, area=(0.5, 1.0), jitter=0, grey=0, blur=0)
    recipe = RECIPE.model_copy(
        update={"batch": 64, "epochs": 15, "phases": (), "augmentation": easy}
    )
    losses: list[float] = []
    train(recipe, [source], tmp_path, lambda step: losses.append(step.loss))
    assert np.mean(losses[-6:]) < np.mean(losses[:6]) - 0.5


def test_two_runs_of_one_recipe_are_equal_and_of_two_seeds_are_not(
    unbroken, sources, tmp_path
) -> None:
    train(RECIPE, sources, tmp_path / "same", lambda step: None)
    assert_same(unbroken, tmp_path / "same")
    other = RECIPE.model_copy(update={"seed": 6})
    train(other, sources, tmp_path / "other", lambda step: None)
    key = "encoder.conv1.weight"
    assert not torch.equal(saved(unbroken)["method"][key], saved(tmp_path / "other")["method"][key])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_stopped_by_a_signal_and_resumed_equals_the_unbroken_run(
    number, unbroken, sources, tmp_path
) -> None:
    before = signal.getsignal(number)
    seen = []

    def stop_at_three(step: Step) -> None:
        seen.append(step.step)
        if step.step == 3:
            signal.raise_signal(number)

    assert train(RECIPE, sources, tmp_path, stop_at_three) is False
    assert saved(tmp_path)["step"] == 3
    assert signal.getsignal(number) == before
    assert train(RECIPE, sources, tmp_path, lambda step: seen.append(step.step)) is True
    assert seen == list(range(1, STEPS + 1))
    assert_same(unbroken, tmp_path)


def test_a_run_that_died_between_checkpoints_resumes_to_the_same_weights(
    unbroken, sources, tmp_path
) -> None:
    def die_at_five(step: Step) -> None:
        if step.step == 5:
            raise KeyError("died")

    with pytest.raises(KeyError, match="died"):
        train(RECIPE, sources, tmp_path, die_at_five, save_every=2)
    assert saved(tmp_path)["step"] == 4
    (tmp_path / "checkpoint.partial").write_bytes(b"torn")
    assert train(RECIPE, sources, tmp_path, lambda step: None)
    assert_same(unbroken, tmp_path)


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
import torch
from sources import Entry
from training.data import Packed
from training.loop import train
from training.recipe import Recipe
folder = Path(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
recipe = Recipe.model_validate_json((folder / "recipe.json").read_text())
sources = []
for file in sorted(folder.glob("*.npy")):
    pixels = np.load(file, mmap_mode="r")
    entries = [Entry(str(row), "", "") for row in range(len(pixels))]
    sources.append(Packed(file.stem, pixels, entries, {}))
done = train(recipe, sources, folder / "run", lambda step: print(step.step, flush=True))
sys.exit(0 if done else 3)
"""


def test_a_process_told_to_end_saves_and_another_finishes_the_run(
    unbroken, sources, tmp_path
) -> None:
    (tmp_path / "recipe.json").write_text(RECIPE.model_dump_json())
    for number, source in enumerate(sources):
        np.save(tmp_path / f"{number}.npy", source.pixels)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(torch.get_num_threads())]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.terminate()
        process.stdout.read()
    assert process.returncode == 3
    assert 1 <= saved(tmp_path / "run")["step"] < STEPS
    assert train(RECIPE, sources, tmp_path / "run", lambda step: None)
    assert_same(unbroken, tmp_path / "run")


def test_a_finished_run_has_nothing_to_do(unbroken, sources) -> None:
    before = (unbroken / "checkpoint.pt").read_bytes()
    assert train(RECIPE, sources, unbroken, lambda step: pytest.fail("a step was taken"))
    assert (unbroken / "checkpoint.pt").read_bytes() == before


def test_a_checkpoint_of_another_recipe_is_refused(unbroken, sources) -> None:
    other = RECIPE.model_copy(update={"learning_rate": 0.1})
    with pytest.raises(TrainingError, match=r"checkpoint\.pt was written by another recipe"):
        train(other, sources, unbroken, lambda step: None)


def test_too_few_images_for_a_batch_are_refused_before_anything_is_written(
    sources, tmp_path
) -> None:
    recipe = RECIPE.model_copy(update={"batch": 32})
    with pytest.raises(TrainingError, match=r"no source has the 32 images of a batch.*\[24, 13\]"):
        train(recipe, sources, tmp_path / "run", lambda step: None)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(sources, tmp_path) -> None:
    recipe = RECIPE.model_copy(update={"learning_rate": 1e30})
    message = r"the loss is nan at step \d+ \(lr .*: the \w+ .* is .*not finite.*lower the learn"
    with pytest.raises(TrainingError, match=message):
        train(recipe, sources, tmp_path, lambda step: None)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_source_too_small_to_be_monitored_still_trains(sources, tmp_path) -> None:
    pixels = sources[0].pixels[[0, 1, 12, 13]]
    entries = [sources[0].entries[i] for i in (0, 1, 12, 13)]
    recipe = RECIPE.model_copy(update={"batch": 4, "epochs": 1})
    steps: list[Step] = []
    assert train(recipe, [Packed("four", pixels, entries, {})], tmp_path, steps.append)
    assert steps[-1].knn == {}
