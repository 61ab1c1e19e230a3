"""MoCo: queue, moving average and loss by brute force, shuffled groups, refusals and runs."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
from training.loop import build, train
from training.methods.moco import MoCo, MoCoSettings
from training.recipe import Recipe
from training.schedule import BatchSchedule
from zoo.architectures import ResNetArchitecture

TINY = ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool")
SMALL = Augmentation(size=16, strength=0.5, blur=0)
RECIPE = Recipe(
    name="tiny-moco",
    method=MoCoSettings(dim=16, queue=20, splits=4, momentum=0.9),
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


def method(**settings) -> MoCo:
    given = MoCoSettings(**({"dim": 6, "queue": 10, "splits": 2, "momentum": 0.9} | settings))
    found = fresh(given, TINY, SMALL, batch=4)
    assert isinstance(found, MoCo)
    return found


def units(n: int, seed: int, dim: int = 6) -> Tensor:
    rows = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))
    return F.normalize(rows, dim=1)


@pytest.mark.parametrize(("layers", "linears"), [(1, 1), (2, 2)], ids=["v1", "v2"])
def test_the_head_is_v1s_or_v2s_and_keys_begin_as_queries(layers, linears) -> None:
    found = method(head_layers=layers)
    assert sum(isinstance(m, nn.Linear) for m in found.head.modules()) == linears
    assert not any(isinstance(m, nn.BatchNorm1d) for m in found.head.modules())
    pairs = [(found.encoder, found.key_encoder), (found.head, found.key_head)]
    for leader, follower in pairs:
        for one, other in zip(leader.parameters(), follower.parameters(), strict=True):
            assert torch.equal(one, other)
            assert one.requires_grad
            assert not other.requires_grad


def test_the_queue_forgets_the_oldest_keys_first() -> None:
    found = method()
    begun = found.queue.clone()
    batches = [units(4, seed) for seed in (1, 2, 3)]
    for step, keys in enumerate(batches):
        found.after_step(step, {"queries": keys, "keys": keys})
    rows = torch.cat([batches[2][2:], batches[0][2:], batches[1], batches[2][:2]])
    assert torch.equal(found.queue, rows)  # ten rows: the third batch went round
    assert int(found.oldest) == 2
    assert not torch.equal(found.queue, begun)


def test_the_key_encoder_follows_by_the_exact_moving_average() -> None:
    found = method()
    with torch.no_grad():
        for parameter in [*found.encoder.parameters(), *found.head.parameters()]:
            parameter.add_(torch.randn_like(parameter))
    want = {
        name: 0.9 * tensor.double() + 0.1 * found.get_parameter(name.removeprefix("key_")).double()
        for name, tensor in found.named_parameters()
        if name.startswith("key_")
    }
    found.after_step(0, {"queries": units(4, 1), "keys": units(4, 1)})
    assert len(want) == 64
    for name, tensor in want.items():
        torch.testing.assert_close(found.get_parameter(name).double(), tensor, atol=1e-6, rtol=0)


def test_the_loss_and_its_gradient_equal_brute_force_in_float64() -> None:
    found = method(temperature=0.3).double()
    queries = units(3, 1).double().requires_grad_()
    keys = units(3, 2).double().requires_grad_()
    loss = found.loss({"queries": queries, "keys": keys})
    loss.backward()
    total, gradient = 0.0, np.zeros((3, 6))
    for i in range(3):
        among = np.concatenate([keys[i : i + 1].detach().numpy(), found.queue.numpy()])
        scores = np.exp(among @ queries[i].detach().numpy() / 0.3)
        chances = scores / scores.sum()
        total -= math.log(chances[0]) / 3
        chances[0] -= 1
        gradient[i] = chances @ among / 0.3 / 3
    assert float(loss.detach()) == pytest.approx(total, rel=1e-12)
    assert queries.grad is not None
    np.testing.assert_allclose(queries.grad.numpy(), gradient, atol=1e-12)
    assert keys.grad is None


def test_the_loss_begins_near_chance_once_the_queue_holds_real_keys(crops) -> None:
    """log(queue + 1), as an untrained network tells no image from another."""
    found = method(queue=32, temperature=1.0).eval()
    pixels = torch.from_numpy(crops(36, 16))
    for step in range(8):
        views = found.views(batch(pixels[4 * step : 4 * step + 4], 16, step))
        found.queue[4 * step : 4 * step + 4] = found.embed(views)["keys"]
    loss = found(found.views(batch(pixels[32:], 16, 99)))
    assert float(loss.detach()) == pytest.approx(math.log(33), abs=0.1)


def test_statistics_are_those_of_a_group_and_keys_are_grouped_by_chance(crops) -> None:
    found = method()
    views = found.views(batch(torch.from_numpy(crops(4, 16)), 16))
    torch.manual_seed(1)
    order = torch.randperm(4)
    assert sorted(order[:2].tolist()) not in ([0, 1], [2, 3])  # the draw mixes the groups
    torch.manual_seed(1)
    outputs = found.embed(views)
    alone = torch.cat([found.head(found.encoder(part)) for part in views["queries"].split(2)])
    torch.testing.assert_close(outputs["queries"], F.normalize(alone, dim=1))
    want = torch.empty(4, 6)
    for group in order.split(2):
        keys = found.key_head(found.key_encoder(views["keys"][group]))
        want[group] = F.normalize(keys, dim=1)
    torch.testing.assert_close(outputs["keys"], want)
    assert outputs["queries"].requires_grad
    assert not outputs["keys"].requires_grad


@pytest.mark.parametrize("microbatch", [None, 4], ids=["whole", "parts"])
def test_steps_are_the_papers_algorithm(microbatch, crops, tmp_path) -> None:
    """After three steps the queue holds the newest keys, of encoders averaged once a step.

    At a rate of next to nothing the encoder stays what it was, and so does its average.
    """
    recipe = RECIPE.model_copy(
        update={"epochs": 1.5, "microbatch": microbatch, "learning_rate": 1e-12}
    )
    assert train(recipe, [packed(crops(16, 32))], tmp_path, lambda step: None)
    state = saved(tmp_path)["method"]
    assert int(state["oldest"]) == 3 * 8 % 20
    for name, tensor in state.items():
        if name.startswith("key_") and not name.endswith(("mean", "var", "tracked")):
            torch.testing.assert_close(tensor, state[name.removeprefix("key_")])
    torch.testing.assert_close(state["queue"].norm(dim=1), torch.ones(20))


def test_a_step_moves_the_average_once_however_the_batch_is_taken(crops, tmp_path) -> None:
    """One step from equal weights w to w': the average is 0.9 w + 0.1 w'."""
    for microbatch in (None, 4):
        run = tmp_path / str(microbatch)
        recipe = RECIPE.model_copy(
            update={"epochs": 0.5, "warmup_epochs": 0, "microbatch": microbatch}
        )
        assert train(recipe, [packed(crops(16, 32))], run, lambda step: None)
        state = saved(run)["method"]
        torch.manual_seed(recipe.seed)
        begun = fresh_weights(recipe)
        moved = 0
        for name, tensor in begun.items():
            want = 0.9 * tensor + 0.1 * state[name]
            torch.testing.assert_close(state[f"key_{name}"], want, atol=1e-7, rtol=1e-6)
            moved += not torch.equal(tensor, state[name])
        assert moved > 40


def fresh_weights(recipe: Recipe) -> dict[str, Tensor]:
    found, _ = build(recipe, recipe.setup())
    return {n: p.detach() for n, p in found.named_parameters() if not n.startswith("key_")}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"queue": 7}, "queue of 7 keys does not hold the 8 of a batch"),
        ({"splits": 3}, "cannot normalise a batch of 8 images in 3 equal groups"),
        ({"splits": 8}, "in 8 equal groups of two or more"),
    ],
)
def test_what_does_not_divide_is_refused(changes, match) -> None:
    settings = MoCoSettings(**({"queue": 20, "splits": 4} | changes))
    with pytest.raises(ValueError, match=match):
        Recipe(method=settings, batch=8)


def test_processes_and_parts_too_small_to_shuffle_are_refused_before_training() -> None:
    message = "groups of 2 images, and 2 images pass through the network together"
    with pytest.raises(TrainingError, match=message):
        BatchSchedule(RECIPE, [16], ranks=4)
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(RECIPE.model_dump() | {"microbatch": 2})
    assert BatchSchedule(RECIPE, [16], ranks=2).setup.part == 4


def test_a_run_resumes_exactly_and_serves(crops, tmp_path) -> None:
    run = assert_resumes_exactly(RECIPE, crops(24, 32), tmp_path, die_at=4)
    assert_serves(run, crops(4, 16, seed=9), tmp_path / "home", "arXiv:1911.05722")


def test_it_divides_over_processes_and_parts(crops, tmp_path) -> None:
    assert_divides(RECIPE, crops(16, 32), tmp_path, microbatch=4)
