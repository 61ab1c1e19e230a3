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
from training.optimizers import build_optimizer
from training.recipe import Recipe

_build = loop._build


def train(folder: Path, recipe: Recipe, run: Path, stop: int = 0) -> bool:
    """Train on the folder's pixels with group norm in place of batch norm."""
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    source = Packed("pixels", pixels, [Entry(f"{i}.png", "", "") for i in range(len(pixels))], {})

    def report(step: Step) -> None:
        if step.step == stop:
            signal.raise_signal(signal.SIGTERM)

    loop._build = build
    try:
        return loop.train(recipe, [source], run, report)
    finally:
        loop._build = _build


def build(recipe: Recipe):
    method, _ = _build(recipe)
    for module in list(method.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.GroupNorm(8, child.num_features))
            elif isinstance(child, nn.BatchNorm1d):
                setattr(module, name, nn.LayerNorm(child.num_features))
    return method, build_optimizer(recipe, method)


if __name__ == "__main__":
    given = Path(sys.argv[1])
    settings = Recipe.model_validate_json((given / "recipe.json").read_text())
    assert not train(given, settings, given / "ranks", stop=2)
    if os.environ["RANK"] == "0":
        shutil.copy(given / "ranks" / "checkpoint.pt", given / "stopped.pt")
    assert train(given, settings, given / "ranks")
