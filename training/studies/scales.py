"""How large a study is, as data."""

from dataclasses import dataclass
from enum import StrEnum

from training.augment import Augmentation
from training.methods import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture


class Size(StrEnum):
    """smoke: minutes on two CPU cores, checks the machinery. full: hours on a GPU."""

    smoke = "smoke"
    full = "full"


@dataclass(frozen=True)
class Scale:
    """images, tested: of the train and the test split, at most; None for all of them."""

    images: int | None
    tested: int | None
    seeds: int
    recipe: Recipe


SIMCLR = {
    Size.smoke: Scale(
        images=320,
        tested=160,
        seeds=1,
        recipe=Recipe(
            method=SimCLRSettings(temperature=0.5),
            architecture=ResNetArchitecture(depth=18, stem="stride2-pool"),
            augmentation=Augmentation(size=16, strength=0.5, blur=0),
            stored_side=32,
            batch=64,
            epochs=2,
            warmup_epochs=0.4,
        ),
    ),
    Size.full: Scale(
        images=None,
        tested=None,
        seeds=3,
        recipe=Recipe(
            method=SimCLRSettings(temperature=0.5),
            architecture=ResNetArchitecture(depth=18, stem="cifar"),
            augmentation=Augmentation(size=32, strength=0.5, blur=0),
            stored_side=32,
            batch=512,
            epochs=50,
            warmup_epochs=5,
            learning_rate=1.0,
            lr_scaling="linear",
            weight_decay=1e-4,
            precision="bf16-mixed",
        ),
    ),
}
"""SimCLR on small images; full has the learning rate and the decay of Google's CIFAR-10 recipe."""
