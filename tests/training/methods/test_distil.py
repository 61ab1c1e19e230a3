"""Distillation: its losses in float64, the targets it meets, what it learns, and its runs."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.training.batches import batch
from tests.training.method_runs import (
    Images,
    assert_divides,
    assert_resumes_exactly,
    assert_serves,
    packed,
    saved,
)
from training.augment import Augmentation
from training.errors import TrainingError
from training.loop import train
from training.methods import build_method
from training.methods.distil import (
    Distil,
    DistilSettings,
    cosine_distance,
    relational_divergence,
)
from training.recipe import Recipe
from training.schedule import BatchSchedule
from zoo.architectures import ResNetArchitecture
from zoo.errors import UnknownModelError
from zoo.manifest import Provenance, Source
from zoo.runtimes import open_runtime
from zoo.store import find_package

Array = npt.NDArray[np.float64]

COSINE = DistilSettings(teacher="tiny")
RELATIONAL = DistilSettings(teacher="tiny", loss="relational", anchors=6)
RECIPE = Recipe(
    name="tiny-distil",
    method=COSINE,
    architecture=ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool"),
    augmentation=Augmentation(size=16, area=(0.6, 1), jitter=0, grey=0, blur=0),
    stored_side=32,
    batch=8,
    epochs=2,
    warmup_epochs=0.5,
    optimizer="sgd",
    learning_rate=0.02,
    lr_scaling="none",
    seed=3,
)


@pytest.fixture(autouse=True)
def _teacher(make_package) -> None:
    """`tiny`, mean colours of 16 cells, projected; its terms restrict what comes of it."""
    source = Source(name="photos of others", terms="no redistribution", images=6)
    provenance = Provenance(
        created=date(2026, 1, 1),
        sources=(source,),
        code_licence="Apache-2.0",
        weights_licence="research only",
        citation="none",
    )
    make_package("tiny", provenance=provenance)


def relational(**changes) -> Recipe:
    return RECIPE.model_copy(update={"method": RELATIONAL, **changes})


def unit(rng: np.random.Generator, rows: int) -> Array:
    x = rng.normal(size=(rows, 12))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def as_float32(*arrays: Array) -> list[torch.Tensor]:
    return [torch.from_numpy(x.astype(np.float32)) for x in arrays]


def test_the_cosine_loss_and_its_gradient_are_those_of_float64() -> None:
    rng = np.random.default_rng(0)
    features, targets = unit(rng, 7), unit(rng, 7)
    given, aims = as_float32(features, targets)
    loss = cosine_distance(given.requires_grad_(), aims)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1 - (features * targets).sum() / 7, abs=1e-6)
    assert given.grad is not None
    np.testing.assert_allclose(given.grad.numpy(), -targets / 7, atol=1e-6)
    assert float(cosine_distance(aims, aims)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("student_at", "teacher_at"), [(0.2, 0.05), (0.04, 0.04), (1.0, 0.01)])
def test_the_relational_loss_and_its_gradient_are_those_of_float64(student_at, teacher_at) -> None:
    rng = np.random.default_rng(1)
    features, targets, anchors = unit(rng, 5), unit(rng, 5), unit(rng, 9)
    given, aims, others = as_float32(features, targets, anchors)
    loss = relational_divergence(given.requires_grad_(), aims, others, student_at, teacher_at)
    loss.backward()
    want, gradient = 0.0, np.zeros_like(features)
    for row in range(5):  # equation 4 of the paper, a row at a time
        among = np.vstack([targets[row : row + 1], anchors])
        p = softmax(among[None] @ targets[row] / teacher_at)[0]
        q = softmax(among[None] @ features[row] / student_at)[0]
        want += (p * (np.log(p) - np.log(q))).sum() / 5
        gradient[row] = (q - p) @ among / student_at / 5
    assert float(loss.detach()) == pytest.approx(want, rel=1e-5)
    assert given.grad is not None
    np.testing.assert_allclose(given.grad.numpy(), gradient, atol=2e-5 * abs(gradient).max())


def test_a_student_that_is_as_its_teacher_has_nothing_to_learn() -> None:
    rng = np.random.default_rng(2)
    targets, anchors = as_float32(unit(rng, 5), unit(rng, 9))
    same = targets.clone().requires_grad_()
    loss = relational_divergence(same, targets, anchors, 0.1, 0.1)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert same.grad is not None
    assert float(same.grad.abs().max()) < 1e-6


def begun(recipe: Recipe, images: Images, run: Path) -> Distil:
    """The method as it is before the first step."""
    method = build_method(recipe.method, recipe.setup(len(images)))
    assert isinstance(method, Distil)
    run.mkdir()
    method.before_run(run, [packed(images)])
    return method


def test_each_view_goes_with_the_target_of_its_image(crops, tmp_path) -> None:
    images = crops(20, 16)
    method = begun(RECIPE, images, tmp_path / "run")
    index = [7, 2, 19]
    views = method.views(batch(torch.from_numpy(images[index]), 16, index=index))
    assert views["pictures"].shape == (3, 3, 16, 16)
    rows = open_runtime(find_package("tiny")).embed(images).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(views["targets"].numpy(), rows[index], atol=3e-3)


def test_a_run_resumes_exactly_and_its_package_names_the_teacher(crops, tmp_path, home) -> None:
    run = assert_resumes_exactly(relational(), crops(24, 32), tmp_path, die_at=5)
    assert_serves(run, crops(4, 16, seed=9), home, "arXiv:2101.04731")
    described = json.loads((run / "run.json").read_text())
    teacher = find_package("tiny@1").manifest
    assert described["teacher"]["name"] == "tiny@1"
    assert described["teacher"]["space"] == teacher.space
    card = (find_package("tiny@2").path / "card.md").read_text()
    assert "| taught by tiny@1 |  | research only |" in card
    assert "| by way of tiny@1: photos of others | 6 | no redistribution |" in card
    assert "those of its teacher tiny@1 apply too: research only, no redistribution (no" in card
    assert card.rstrip().endswith("(method); none (teacher).")
    assert f"| space of the teacher | {teacher.space} |" in card


def test_it_divides_over_processes_and_parts(crops, tmp_path) -> None:
    assert_divides(relational(), crops(16, 32), tmp_path, microbatch=4)


def test_a_checkpoint_of_another_teacher_is_not_gone_on_with(crops, tmp_path, make_package) -> None:
    run, images = tmp_path / "run", crops(16, 32)
    recipe = RECIPE.model_copy(update={"epochs": 0.5})
    assert train(recipe, [packed(images)], run, lambda step: None)
    make_package("tiny", "2", seed=5)
    with pytest.raises(TrainingError, match=r"taught by tiny@1 in another space than tiny@2 has"):
        train(recipe, [packed(images)], run, lambda step: None)


def test_a_teacher_that_is_not_there_is_named_before_anything_is_done() -> None:
    recipe = RECIPE.model_copy(update={"method": DistilSettings(teacher="efficientnet-lite0")})
    with pytest.raises(UnknownModelError, match="`zoo pull efficientnet-lite0` installs it"):
        BatchSchedule(recipe, [16])


def test_more_anchors_than_images_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"6 anchors from 5 images: lower `method\.anchors`"):
        BatchSchedule(relational(batch=5), [5])


def likeness(settings: DistilSettings, images: Images, held_out: Images, run: Path) -> float:
    """How much a small student is like its teacher on images that neither was taught with."""
    changes = {"method": settings, "batch": 16, "epochs": 8, "learning_rate": 0.05}
    recipe = RECIPE.model_copy(update=changes)
    assert train(recipe, [packed(images)], run, lambda step: None)
    method = build_method(recipe.method, recipe.setup(len(images)))
    assert isinstance(method, Distil)
    method.load_state_dict(saved(run)["method"])
    method.eval()
    features = open_runtime(find_package("tiny")).embed(held_out)
    want = torch.from_numpy(features - features.mean(axis=0))
    with torch.no_grad():
        found = method.head(method.encoder(torch.from_numpy(held_out).permute(0, 3, 1, 2) / 255))
    found -= found.mean(dim=0)
    return float(torch.cosine_similarity(found, want).mean())


@pytest.mark.parametrize("settings", [COSINE, RELATIONAL], ids=lambda s: s.loss)
def test_a_student_becomes_like_its_teacher_on_images_it_has_not_seen(
    crops, tmp_path, settings
) -> None:
    seen, held_out = crops(96, 16, seed=0), crops(60, 16, seed=1)
    assert likeness(settings, seen, held_out, tmp_path / "run") > 0.5
