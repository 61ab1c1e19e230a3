"""Instance discrimination: its bank, its two losses by brute force, its refusals and its runs."""

import math

import numpy as np
import pytest
import torch

from tests.training.batches import batch, fresh
from tests.training.method_runs import (
    assert_divides,
    assert_resumes_exactly,
    assert_serves,
    packed,
    saved,
)
from training.augment import Augmentation
from training.errors import TrainingError
from training.loop import train
from training.methods.instance_discrimination import (
    InstanceDiscrimination,
    InstanceDiscriminationSettings,
    noise_contrastive,
)
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

TINY = ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool")
SMALL = Augmentation(size=16, strength=0.5, blur=0)
RECIPE = Recipe(
    name="tiny-npid",
    method=InstanceDiscriminationSettings(dim=16, negatives=5, temperature=0.2),
    architecture=TINY,
    augmentation=SMALL,
    stored_side=32,
    batch=8,
    epochs=2,
    warmup_epochs=0.5,
    optimizer="sgd",
    learning_rate=0.02,
    lr_scaling="none",
    seed=3,
)


def method(images: int = 10, **settings) -> InstanceDiscrimination:
    given = InstanceDiscriminationSettings(**({"dim": 6, "negatives": 4} | settings))
    found = fresh(given, TINY, SMALL, images)
    assert isinstance(found, InstanceDiscrimination)
    return found


def outputs(index: list[int], dim: int = 6, seed: int = 1) -> dict[str, torch.Tensor]:
    features = torch.randn(len(index), dim, generator=torch.Generator().manual_seed(seed))
    features = torch.nn.functional.normalize(features, dim=1).requires_grad_()
    return {"features": features, "index": torch.tensor(index)}


def test_the_bank_begins_with_a_unit_row_for_each_image() -> None:
    bank = method(images=37).bank
    assert bank.shape == (37, 6)
    torch.testing.assert_close(bank.norm(dim=1), torch.ones(37))


def test_a_row_moves_half_way_to_its_features_and_is_normalised() -> None:
    found = method()
    before = found.bank.clone().double().numpy()
    seen = outputs([7, 2, 4])
    found.after_step(0, {name: tensor.detach() for name, tensor in seen.items()})
    after = found.bank.double().numpy()
    for place, row in enumerate((7, 2, 4)):
        moved = 0.5 * before[row] + 0.5 * seen["features"][place].detach().double().numpy()
        np.testing.assert_allclose(after[row], moved / np.linalg.norm(moved), atol=1e-7)
    others = [0, 1, 3, 5, 6, 8, 9]
    assert np.array_equal(after[others], before[others])


def test_the_exact_loss_and_gradient_are_a_softmax_over_all_rows() -> None:
    found = method(negatives=None, temperature=0.3)
    seen = outputs([7, 2, 4])
    loss = found.loss(seen)
    loss.backward()
    f, bank = seen["features"].detach().double().numpy(), found.bank.double().numpy()
    scores = np.exp(f @ bank.T / 0.3)
    chances = scores / scores.sum(axis=1, keepdims=True)
    assert float(loss.detach()) == pytest.approx(
        -np.mean([np.log(chances[i, row]) for i, row in enumerate((7, 2, 4))]), rel=1e-6
    )
    chances[[0, 1, 2], [7, 2, 4]] -= 1
    gradient = seen["features"].grad
    assert gradient is not None
    np.testing.assert_allclose(gradient.numpy(), chances @ bank / 0.3 / 3, atol=1e-6)


def test_the_contrastive_loss_and_gradient_are_the_papers_equations() -> None:
    """Equations 5 to 7, image by image and row by row, in float64."""
    n, m, images, constant = 3, 4, 50, 21.0
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(n, 1 + m, generator=generator, dtype=torch.float64, requires_grad=True)
    total = 0.0
    want = np.zeros((n, 1 + m))
    for i in range(n):
        for j in range(1 + m):
            p = math.exp(float(scores[i, j].detach())) / constant
            h = p / (p + m / images)
            total -= math.log(h) if j == 0 else math.log(1 - h)
            want[i, j] = (h - (1 if j == 0 else 0)) / n
    loss = noise_contrastive(scores, torch.tensor(constant), images)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(total / n, rel=1e-6)
    assert scores.grad is not None
    np.testing.assert_allclose(scores.grad.numpy(), want, atol=1e-6)


def test_the_constant_is_estimated_from_the_first_batch_and_kept() -> None:
    found = method(temperature=0.5)
    first = outputs([7, 2, 4]) | {"negatives": torch.tensor([[0, 1, 2, 3]] * 3)}
    found.loss(first)
    rows = found.bank[torch.tensor([[7, 0, 1, 2, 3], [2, 0, 1, 2, 3], [4, 0, 1, 2, 3]])]
    scores = torch.einsum("nd,nmd->nm", first["features"].detach(), rows).double()
    assert float(found.constant) == pytest.approx(10 * float((scores / 0.5).exp().mean()))
    kept = float(found.constant)
    found.loss(outputs([1, 0, 9], seed=5) | {"negatives": torch.tensor([[5, 6, 7, 8]] * 3)})
    assert float(found.constant) == kept


def test_negatives_are_uniform_and_differ_from_image_to_image(crops) -> None:
    images = torch.from_numpy(crops(8, 16))
    drawn = method(images=11, negatives=10).views(batch(images, 16))["negatives"]
    assert drawn.shape == (8, 10)
    assert len({tuple(row) for row in drawn.tolist()}) == 8
    many = method(images=400, negatives=399).views(batch(images, 16))["negatives"]
    assert int(many.min()) >= 0
    assert int(many.max()) < 400
    counts = np.bincount(many.flatten() // 100, minlength=4)
    assert np.abs(counts / counts.sum() - 0.25).max() < 0.04


def test_what_cannot_work_is_refused_before_training(crops, tmp_path) -> None:
    recipe = RECIPE.model_copy(update={"method": InstanceDiscriminationSettings(negatives=24)})
    with pytest.raises(TrainingError, match=r"would draw 24 negatives from 24 images: lower"):
        train(recipe, [packed(crops(24, 32))], tmp_path / "run", lambda step: None)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match=r"exp\(1 / temperature\), too large for 0.01"):
        Recipe(method=InstanceDiscriminationSettings(temperature=0.01))


def test_a_run_moves_the_rows_of_what_it_saw_resumes_exactly_and_serves(crops, tmp_path) -> None:
    run = assert_resumes_exactly(RECIPE, crops(20, 32), tmp_path, die_at=4)
    state = saved(run)["method"]
    torch.testing.assert_close(state["bank"].norm(dim=1), torch.ones(20))
    assert float(state["constant"]) > 0
    assert_serves(run, crops(4, 16, seed=9), tmp_path / "home", "arXiv:1805.01978")


def test_it_divides_over_processes_and_parts(crops, tmp_path) -> None:
    assert_divides(RECIPE, crops(16, 32), tmp_path, microbatch=4)
