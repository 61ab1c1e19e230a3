"""Rotation: the four turns, its loss, what it learns of photos and not of noise, and its runs."""

import os
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.training.batches import batch, fresh
from tests.training.method_runs import (
    Images,
    assert_divides,
    assert_resumes_exactly,
    assert_serves,
    packed,
    saved,
)
from training.augment import Augmentation
from training.loop import train
from training.methods import build_method
from training.methods.rotation import Rotation, RotationSettings
from training.recipe import Recipe
from zoo.architectures import CPCArchitecture, ResNetArchitecture, Stack

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("ZOO_TEST_DATA") or ROOT / "../shared/data")
TINY = ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool")
PLAIN = Augmentation(size=16, area=(1, 1), aspect=(1, 1), flip=0, jitter=0, grey=0, blur=0)
RECIPE = Recipe(
    name="tiny-rotation",
    method=RotationSettings(),
    architecture=TINY,
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


def test_every_image_is_in_the_batch_in_all_four_turns(crops) -> None:
    images = torch.from_numpy(crops(3, 16))
    views = fresh(RotationSettings(), TINY, PLAIN).views(batch(images, 16))
    assert views["turns"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    upright = images.permute(0, 3, 1, 2).numpy() / 255
    for picture, turn, image in zip(
        views["pictures"].numpy(), views["turns"].tolist(), [0, 1, 2] * 4, strict=True
    ):
        want = np.rot90(upright[image], turn, axes=(1, 2))
        np.testing.assert_allclose(picture, want, atol=1e-5)


def test_the_loss_and_its_gradient_are_those_of_a_softmax_in_float64() -> None:
    method = fresh(RotationSettings(), TINY, PLAIN)
    logits = torch.randn(12, 4, dtype=torch.float32, requires_grad=True)
    turns = torch.arange(4).repeat_interleave(3)
    loss = method.loss({"logits": logits, "turns": turns})
    loss.backward()
    z = logits.detach().double().numpy()
    chances = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    rows = np.arange(12)
    assert float(loss.detach()) == pytest.approx(-np.log(chances[rows, turns]).mean(), rel=1e-6)
    chances[rows, turns] -= 1
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), chances / 12, atol=1e-7)


def test_the_operator_that_turns_is_refused() -> None:
    with pytest.raises(ValueError, match="operator 'rotate' turns it too: leave it out"):
        Recipe(method=RotationSettings(), augmentation=Augmentation(operators=("crop", "rotate")))


def test_a_run_resumes_exactly_and_serves(crops, tmp_path) -> None:
    run = assert_resumes_exactly(RECIPE, crops(24, 32), tmp_path, die_at=5)
    assert_serves(run, crops(4, 16, seed=9), tmp_path / "home", "arXiv:1803.07728")


def test_it_divides_over_processes_and_parts(crops, tmp_path) -> None:
    # At its full width: a narrow network without batch norm multiplies what the order of sums
    # changes.
    wide = RECIPE.model_copy(
        update={"architecture": ResNetArchitecture(depth=18, stem="stride2-pool")}
    )
    assert_divides(wide, crops(16, 32), tmp_path, microbatch=4)


SMALL = CPCArchitecture(
    family="cpc",
    patch=32,
    stride=32,
    stem_channels=16,
    stacks=tuple(Stack(blocks=1, channels=channels) for channels in (16, 24, 32)),
    norm="layer",
)


def accuracy(images: Images, held_out: Images, run: Path, epochs: float) -> float:
    """Share of the turns of held-out images that a small network names rightly."""
    recipe = RECIPE.model_copy(
        update={
            "architecture": SMALL,
            "augmentation": RECIPE.augmentation.model_copy(update={"size": 32}),
            "batch": 16,
            "epochs": epochs,
            "optimizer": "adamw",
            "learning_rate": 2e-3,
        }
    )
    assert train(recipe, [packed(images)], run, lambda step: None)
    method = build_method(recipe.method, recipe.setup())
    assert isinstance(method, Rotation)
    method.load_state_dict(saved(run)["method"])
    method.augmentation = PLAIN
    method.eval()
    with torch.no_grad():
        found = method.embed(method.views(batch(torch.from_numpy(held_out), 32)))
    return float((found["logits"].argmax(dim=1) == found["turns"]).float().mean())


def reduced(images: Images) -> Images:
    """Pieces of 128 px at 32 px."""
    return images.reshape(-1, 32, 4, 32, 4, 3).mean(axis=(2, 4)).astype(np.uint8)


def noise(n: int, seed: int) -> Images:
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 3), np.uint8)


def test_it_learns_which_way_up_photos_are_and_nothing_of_noise(crops, tmp_path) -> None:
    """Pieces of the two sample photos, the held-out ones cut elsewhere; chance is 25%."""
    seen, held_out = reduced(crops(128, 128, seed=0)), reduced(crops(100, 128, seed=1))
    assert accuracy(seen, held_out, tmp_path / "photos", epochs=8) > 0.45
    assert accuracy(noise(128, 0), noise(100, 1), tmp_path / "noise", epochs=8) < 0.35


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_learns_which_way_up_unseen_photos_are(tmp_path) -> None:
    """A thousand photos of a thousand kinds, a fifth of them held out."""
    file = DATA / "photos-unlabelled.tar"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    squares = []
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None or not member.name.lower().endswith((".jpg", ".jpeg", ".png")):
                continue
            photo = Image.open(BytesIO(content.read())).convert("RGB")
            side = min(photo.size)
            left, top = (photo.width - side) // 2, (photo.height - side) // 2
            square = photo.crop((left, top, left + side, top + side))
            squares.append(np.asarray(square.resize((32, 32), Image.Resampling.BICUBIC)))
    photos = np.stack(squares)
    assert accuracy(photos[200:], photos[:200], tmp_path, epochs=30) > 0.45


def test_the_classifier_is_linear_in_the_representation(crops) -> None:
    method = fresh(RotationSettings(), TINY, PLAIN).eval()
    views = method.views(batch(torch.from_numpy(crops(2, 16)), 16))
    logits = method.embed(views)["logits"]
    assert isinstance(method.classifier, nn.Linear)
    torch.testing.assert_close(logits, method.classifier(method.encoder(views["pictures"])))
