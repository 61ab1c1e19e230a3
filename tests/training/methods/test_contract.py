"""What the loop gives any method: draws that are resumed, hooks, indices, labels, optimizers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sources import Entry
from tests.training.method_runs import assert_resumes_exactly, assert_same, packed, saved
from training import methods
from training.augment import Augmentation
from training.data import Packed
from training.loop import build, train
from training.methods import METHODS, Batch, Method
from training.methods.method import Definition, Tensors
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

RECIPE = Recipe(
    architecture=ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool"),
    augmentation=Augmentation(size=16),
    batch=8,
    epochs=2,
    warmup_epochs=0.5,
    optimizer="sgd",
    learning_rate=0.01,
    lr_scaling="none",
)


class Drawing(Method[Tensors, Tensors]):
    """Draws inside its network in every way there is, and writes down what the loop tells it."""

    wants_features = True
    seen: Tensor
    centre: Tensor
    drawn: Tensor

    def __init__(self, encoder, _settings, setup) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(encoder.dim, 4)
        self.register_buffer("seen", torch.zeros(setup.images))
        self.register_buffer("centre", torch.zeros(encoder.dim))
        self.register_buffer("drawn", torch.zeros(2))
        self.told: list[tuple] = []

    def views(self, batch: Batch) -> Tensors:
        assert batch.images.shape[1:] == (24, 24, 3)
        pictures = batch.images[:, :16, :16].permute(0, 3, 1, 2).float() / 255
        self.told.append((batch.step, batch.index.tolist(), batch.labels.tolist(), batch.size))
        return {"pictures": pictures, "index": batch.index}

    def embed(self, views: Tensors) -> Tensors:
        noisy = views["pictures"] + 0.1 * torch.rand(len(views["pictures"]), 1, 1, 1)
        features = self.dropout(self.encoder(noisy)) * torch.bernoulli(torch.tensor(0.9))
        return {"logits": self.head(features), "index": views["index"]}

    def loss(self, outputs: Tensors) -> Tensor:
        return outputs["logits"].square().mean() + 0.1 * torch.rand(()) * outputs["logits"].mean()

    def before_epoch(self, epoch, features) -> None:
        assert features.shape == (len(self.seen), self.encoder.dim)
        self.centre.copy_(features.mean(dim=0))
        self.drawn[0] = torch.rand(())
        self.told.append(("epoch", epoch, features))

    def after_step(self, step, outputs: Tensors) -> None:
        assert not outputs["logits"].requires_grad
        self.seen[outputs["index"]] += 1
        self.drawn[1] = torch.rand(())

    def optimizers(self, recipe):
        return [
            torch.optim.SGD(self.encoder.parameters(), lr=0.01, momentum=0.9),
            torch.optim.AdamW(self.head.parameters(), lr=0.5),
        ]


built: list[Drawing] = []


@pytest.fixture(autouse=True)
def drawing(monkeypatch) -> None:
    """In SimCLR's place, whose settings a recipe can hold."""

    def build(*given) -> Drawing:
        built.append(Drawing(*given))
        return built[-1]

    built.clear()
    monkeypatch.setitem(METHODS, "simclr", Definition(SimCLRSettings, build, "nobody"))


@pytest.mark.parametrize("microbatch", [None, 4], ids=["whole", "parts"])
def test_what_is_drawn_inside_a_network_is_resumed_to_the_bit(microbatch, crops, tmp_path) -> None:
    recipe = RECIPE.model_copy(update={"microbatch": microbatch})
    assert_resumes_exactly(recipe, crops(24, 24), tmp_path, die_at=4)


def test_the_draws_of_steps_parts_and_seeds_differ(crops, tmp_path) -> None:
    masks = []

    def keep(_module, _inputs, output: Tensor) -> None:
        masks.append((output != 0).clone())

    def watched(*given) -> Drawing:
        found = Drawing(*given)
        found.dropout.register_forward_hook(keep)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "simclr", Definition(SimCLRSettings, watched, "nobody"))
        recipe = RECIPE.model_copy(update={"microbatch": 4, "epochs": 1})
        train(recipe, [packed(crops(16, 24))], tmp_path / "a", lambda step: None)
    first, second = masks[:4], masks[4:8]  # of a step: both parts, and both again
    assert torch.equal(first[0], first[2])
    assert torch.equal(first[1], first[3])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], second[0])
    other = recipe.model_copy(update={"seed": 1})
    train(other, [packed(crops(16, 24))], tmp_path / "b", lambda step: None)
    with pytest.raises(AssertionError):
        assert_same(saved(tmp_path / "a"), saved(tmp_path / "b"))


def test_images_come_with_their_places_and_labels_over_all_sources(crops, tmp_path) -> None:
    names = ["cat"] * 5 + [""] * 4 + ["dog"] * 7
    one = Packed("one", crops(16, 24), [Entry(f"{i}", n, "") for i, n in enumerate(names)], {})
    bees = [Entry(f"{i}", "bee", "") for i in range(9)]
    two = Packed("two", crops(9, 24, seed=1), bees, {})
    assert train(RECIPE, [one, two], tmp_path, lambda step: None)
    numbers = {"": -1, "bee": 0, "cat": 1, "dog": 2}
    expected = [numbers[name] for name in [*names, *["bee"] * 9]]
    steps = [told for told in built[0].told if told[0] != "epoch"]
    assert {told[0] for told in steps} == set(range(6))
    for _, index, labels, size in steps:
        assert len(index) == 8
        assert labels == [expected[place] for place in index]
        assert size == 16
    seen = saved(tmp_path)["method"]["seen"]
    assert seen[:16].tolist() == [2] * 16
    assert seen[16:].sum() == 16


def test_each_epoch_begins_with_the_features_of_all_images_in_order(crops, tmp_path) -> None:
    pixels = crops(16, 24)
    assert train(RECIPE, [packed(pixels)], tmp_path, lambda step: None)
    told = [x for x in built[0].told if x[0] == "epoch"]
    assert [epoch for _, epoch, _ in told] == [0, 1]
    assert not torch.equal(told[0][2], told[1][2])  # the encoder has moved
    begun = fresh_encoder()
    with torch.no_grad():
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        want = nn.functional.normalize(begun(images), dim=1)
    torch.testing.assert_close(told[0][2], want, atol=1e-5, rtol=1e-4)


def fresh_encoder() -> nn.Module:
    method, _ = build(RECIPE, RECIPE.setup(16))
    return method.encoder.eval()


def test_every_optimizer_follows_the_schedule_from_its_own_rate(crops, tmp_path) -> None:
    assert train(RECIPE, [packed(crops(16, 24))], tmp_path, lambda step: None, save_every=2)
    one, other = saved(tmp_path)["optimizers"]
    share = 0.5 * (1 + np.cos(np.pi * 2 / 3))  # the last of 4 steps, 1 of them a warm-up
    assert one["param_groups"][0]["lr"] == pytest.approx(0.01 * share)
    assert other["param_groups"][0]["lr"] == pytest.approx(0.5 * share)
    assert {"momentum_buffer"} == set(one["state"][0])
    assert {"exp_avg", "exp_avg_sq", "step"} == set(other["state"][0])


def test_a_module_with_a_definition_is_found_and_a_name_is_used_once(monkeypatch) -> None:
    folder = Path(methods.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "\nMETHOD = " in path.read_text()}
    modules = {definition.build.__module__ for definition in methods._found().values()}
    assert modules == {f"training.methods.{name}" for name in files}
    monkeypatch.setattr("training.methods.context.METHOD", methods.METHODS["cpc"], raising=False)
    with pytest.raises(ImportError, match="another method is called 'cpc' already"):
        methods._found()
