"""The real loop over a network that treats images one by one, so that no division of a batch shows.

Under torchrun, `without_batch_norm.py FOLDER` trains by the folder's recipe.json on its pixels.npy:
the first process is asked to stop after step 2, and then all go on.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
from torch import nn

from sources import Entry
from training import loop
from training.data import Packed
from training.journal import Step
from training.methods import Setup
from training.recipe import Recipe
from zoo.package import Package

_build = loop.build


def train(folder: Path, recipe: Recipe, run: Path, stop: int = 0) -> bool:
    """Train on the folder's pixels with group norm in place of batch norm."""
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    source = Packed("pixels", pixels, [Entry(f"{i}.png", "", "") for i in range(len(pixels))], {})

    def report(step: Step) -> None:
        if step.step == stop:
            signal.raise_signal(signal.SIGTERM)

    loop.build = build
    try:
        return loop.train(recipe, [source], run, report)
    finally:
        loop.build = _build


def build(recipe: Recipe, setup: Setup, start: Package | None = None):
    method, _ = _build(recipe, setup, start)
    for module in list(method.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                _replace(module, name, child, nn.GroupNorm(8, child.num_features))
            elif isinstance(child, nn.BatchNorm1d):
                _replace(module, name, child, nn.LayerNorm(child.num_features))
    return method, method.optimizers(recipe)


def _replace(
    module: nn.Module, name: str, old: nn.BatchNorm1d | nn.BatchNorm2d, new: nn.Module
) -> None:
    setattr(module, name, new.requires_grad_(old.weight.requires_grad))


if __name__ == "__main__":
    given = Path(sys.argv[1])
    settings = Recipe.model_validate_json((given / "recipe.json").read_text())
    assert not train(given, settings, given / "ranks", stop=2)
    if os.environ["RANK"] == "0":
        shutil.copy(given / "ranks" / "checkpoint.pt", given / "stopped.pt")
    assert train(given, settings, given / "ranks")
