"""A batch divided over processes, or taken in parts, trains as the whole batch does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training import without_batch_norm
from tests.training.method_runs import assert_close, in_two_processes, saved
from training.augment import Augmentation, PatchAugmentation
from training.errors import TrainingError
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from training.schedule import BatchSchedule
from zoo.architectures import CPCArchitecture, ResNetArchitecture, Stack

RECIPE = Recipe(
    architecture=ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool"),
    augmentation=Augmentation(size=16, low_resolution=0.3),
    batch=12,
    epochs=2,
    warmup_epochs=1,
    learning_rate=0.3,
    seed=6,  # no activation comes so near to zero that rounding decides its gradient, as with 3
)
CPC = Recipe(
    method=CPCSettings(
        context_width=16,
        context_blocks=1,
        target_dim=8,
        patches=PatchAugmentation(margin=1, drop=0.5, policies=True),
    ),
    architecture=CPCArchitecture(
        family="cpc",
        patch=12,
        stride=4,
        stem_channels=8,
        stacks=tuple(Stack(blocks=1, channels=channels) for channels in (8, 12, 16)),
        norm="layer",
    ),
    augmentation=Augmentation(size=32, area=(0.75, 1), aspect=(1, 1), jitter=0, grey=0, blur=0),
    stored_side=32,
    batch=12,
    epochs=2,
    warmup_epochs=1,
    optimizer="sgd",
    learning_rate=0.1,
    lr_scaling="none",
    clip=0.5,
    seed=3,
)
STEPS = 4


@pytest.fixture(scope="module", params=[RECIPE, CPC], ids=["simclr", "cpc"])
def recipe(request) -> Recipe:
    return request.param


@pytest.fixture(scope="module")
def folder(recipe, crops, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("divided")
    np.save(folder / "pixels.npy", crops(24, 32))
    (folder / "recipe.json").write_text(recipe.model_dump_json())
    return folder


@pytest.fixture(scope="module")
def whole(recipe, folder) -> Path:
    assert without_batch_norm.train(folder, recipe, folder / "whole")
    return folder / "whole"


def test_two_processes_train_as_one_does_and_stop_and_go_on_together(whole, folder) -> None:
    in_two_processes(folder)
    assert torch.load(folder / "stopped.pt", weights_only=True)["step"] == 2
    assert_close(saved(folder / "ranks"), saved(whole))
    lines = (folder / "ranks" / "log.jsonl").read_text().splitlines()
    assert len(lines) == STEPS, "only the first process writes"


def test_a_batch_taken_in_parts_trains_as_the_whole_one(recipe, whole, folder, tmp_path) -> None:
    parts = recipe.model_copy(update={"microbatch": 4})
    assert without_batch_norm.train(folder, parts, tmp_path)
    assert_close(saved(tmp_path), saved(whole))


@pytest.mark.parametrize(
    ("ranks", "microbatch", "match"),
    [
        (5, None, "12 images cannot be shared equally by 5 processes"),
        (12, None, "leaves 1 to each of 12 processes"),
        (2, 4, "the 6 images of a process cannot be taken 4 at a time"),
    ],
)
def test_a_batch_that_cannot_be_divided_is_refused(ranks, microbatch, match) -> None:
    with pytest.raises(TrainingError, match=match):
        BatchSchedule(RECIPE.model_copy(update={"microbatch": microbatch}), [24], ranks)


def test_the_shares_of_a_step_make_up_its_batch_whatever_the_number_of_processes() -> None:
    for step in (0, 1, 2):
        source, rows = BatchSchedule(RECIPE, [24]).batch(step)
        for ranks in (2, 3):
            plan = BatchSchedule(RECIPE, [24], ranks)
            shares = [plan.batch(step, rank) for rank in range(ranks)]
            assert {number for number, _ in shares} == {source}
            assert np.array_equal(np.concatenate([share for _, share in shares]), rows)
