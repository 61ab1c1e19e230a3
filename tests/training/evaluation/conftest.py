"""A training run of a few steps, and pixels to train and measure on."""

from pathlib import Path

import numpy as np
import pytest

from sources import Entry
from training.augment import Augmentation
from training.data import Packed
from training.loop import train
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture


@pytest.fixture(scope="session")
def run_folder(crops, tmp_path_factory) -> Path:
    """A run of SimCLR at 16 px, four steps of eight crops."""
    pixels = np.concatenate([crops(16, 16, photo=0), crops(16, 16, photo=1)])
    entries = [Entry(f"{i}.png", "", "") for i in range(32)]
    recipe = Recipe(
        method=SimCLRSettings(head_dim=24),
        architecture=ResNetArchitecture(depth=18, width=0.25, stem="stride2-pool"),
        augmentation=Augmentation(size=16),
        stored_side=16,
        batch=8,
        epochs=1,
    )
    folder = tmp_path_factory.mktemp("runs") / "first"
    assert train(recipe, [Packed("crops", pixels, entries, {})], folder, lambda step: None)
    return folder


@pytest.fixture(scope="session")
def shades() -> Packed:
    """48 noisy squares of 16 px, half reddish and half bluish."""
    rng = np.random.default_rng(0)
    colours = np.array([[160, 60, 60], [60, 60, 160]], np.uint8)
    pixels = colours.repeat(24, axis=0)[:, None, None] + rng.integers(0, 60, (48, 16, 16, 3))
    entries = [Entry(f"{i}.png", "red" if i < 24 else "blue", "") for i in range(48)]
    return Packed("shades", pixels.astype(np.uint8), entries, {})
