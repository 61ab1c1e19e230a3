"""A checkpoint is whole or the previous one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training import checkpoint
from training.errors import TrainingError
from training.recipe import Recipe

RECIPE, CPU = Recipe(batch=8), torch.device("cpu")


def state(value: float) -> dict:
    return {"method": {"w": torch.full((3,), value)}, "optimizers": []}


def test_what_was_saved_is_loaded(tmp_path) -> None:
    assert checkpoint.load(tmp_path, RECIPE, [24], CPU) is None
    for value, step in ((1.0, 5), (2.0, 6)):
        checkpoint.save(tmp_path, RECIPE, [24], state(value), step)
    found = checkpoint.load(tmp_path, RECIPE, [24], CPU)
    assert found is not None
    assert found["step"] == 6
    assert torch.equal(found["method"]["w"], torch.full((3,), 2.0))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


FULL = """
import resource, sys
from pathlib import Path
import torch
from training import checkpoint
from training.errors import TrainingError
from training.recipe import Recipe
run, recipe = Path(sys.argv[1]), Recipe(batch=8)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
large = {"method": {"w": torch.zeros(1 << 20)}, "optimizers": []}
try:
    checkpoint.save(run, recipe, [24], large, 9)
except TrainingError as error:
    print(error)
"""


@pytest.mark.parametrize("earlier", [True, False])
def test_a_disk_without_room_leaves_the_previous_checkpoint_and_says_so(earlier, tmp_path) -> None:
    if earlier:
        checkpoint.save(tmp_path, RECIPE, [24], state(1.0), 5)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert "checkpoint.pt: the checkpoint of step 9 could not be written (File too" in done.stdout
    assert ("the one before it is whole" in done.stdout) == earlier
    found = checkpoint.load(tmp_path, RECIPE, [24], CPU)
    assert (found["step"] if found else None) == (5 if earlier else None)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"] * earlier


def test_a_disk_too_small_for_checkpoints_is_told_before_the_first_step(
    tmp_path, monkeypatch
) -> None:
    network = torch.nn.Linear(1000, 1000)  # 4 MB, and as much of its momentum

    def free(megabytes: int) -> None:
        usage = shutil._ntuple_diskusage(0, 0, megabytes * 1_000_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    free(17)
    checkpoint.check_room(tmp_path / "run", RECIPE, network)
    free(15)
    with pytest.raises(TrainingError, match="need 16 MB of disk and 15 MB are free: make room"):
        checkpoint.check_room(tmp_path / "run", RECIPE, network)
    with pytest.raises(TrainingError, match="need 24 MB"):
        adam = RECIPE.model_copy(update={"optimizer": "adamw"})
        checkpoint.check_room(tmp_path / "run", adam, network)
    checkpoint.save(tmp_path, RECIPE, [24], state(1.0), 5)
    checkpoint.check_room(tmp_path, RECIPE, network)  # one is there already


def test_other_images_and_a_torn_file_are_refused(tmp_path) -> None:
    checkpoint.save(tmp_path, RECIPE, [24], state(1.0), 5)
    with pytest.raises(TrainingError, match=r"had \[24\] images and now they have \[23\]"):
        checkpoint.load(tmp_path, RECIPE, [23], CPU)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is damaged"):
        checkpoint.load(tmp_path, RECIPE, [24], CPU)


def test_a_run_is_checked_before_any_long_work(tmp_path) -> None:
    checkpoint.check_resumable(tmp_path / "new", RECIPE)
    assert list((tmp_path / "new").iterdir()) == []
    checkpoint.save(tmp_path, RECIPE, [24], state(1.0), 5)
    checkpoint.check_resumable(tmp_path, RECIPE)
    other = RECIPE.model_copy(update={"seed": 1, "batch": 16})
    with pytest.raises(TrainingError, match=r"another recipe \(not the same: batch, seed\)"):
        checkpoint.check_resumable(tmp_path, other)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file: cannot be written to .*another --out"):
        checkpoint.check_resumable(tmp_path / "file", RECIPE)
