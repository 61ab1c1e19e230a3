"""How large a study is, as data."""

from dataclasses import dataclass
from enum import StrEnum

from training.augment import Augmentation, PatchAugmentation
from training.methods.cpc import CPCSettings
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import RESNET_18, CPCArchitecture, ResNetArchitecture, Stack


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

_WHOLE = Augmentation(size=32, area=(0.75, 1), aspect=(1, 1), jitter=0, grey=0, blur=0)

CPC = {
    Size.smoke: Scale(
        images=160,
        tested=80,
        seeds=1,
        recipe=Recipe(
            method=CPCSettings(
                offsets=(2, 3, 4, 5, 6),
                directions=("down",),
                target_dim=16,
                context_width=16,
                context_blocks=1,
                patches=PatchAugmentation(margin=1, grey=0.5),
            ),
            architecture=CPCArchitecture(
                family="cpc",
                patch=8,
                stride=4,
                stem_channels=8,
                stacks=(
                    Stack(blocks=1, channels=8),
                    Stack(blocks=1, channels=16),
                    Stack(blocks=1, channels=16),
                ),
                norm="none",
            ),
            augmentation=_WHOLE,
            stored_side=32,
            batch=32,
            epochs=2,
            warmup_epochs=0.4,
            optimizer="adamw",
            learning_rate=2e-4,
            lr_scaling="none",
            weight_decay=0,
        ),
    ),
    Size.full: Scale(
        images=None,
        tested=None,
        seeds=3,
        recipe=Recipe(
            method=CPCSettings(
                offsets=(2, 3, 4, 5, 6),
                directions=("down",),
                patches=PatchAugmentation(margin=1, grey=0.5),
            ),
            architecture=CPCArchitecture(
                family="cpc",
                patch=8,
                stride=4,
                stacks=(*RESNET_18[:2], Stack(blocks=1, channels=128)),
                norm="none",
            ),
            augmentation=_WHOLE,
            stored_side=32,
            batch=256,
            epochs=50,
            warmup_epochs=2,
            optimizer="adamw",
            learning_rate=2e-4,
            lr_scaling="none",
            weight_decay=0,
            precision="bf16-mixed",
        ),
    ),
}
"""CPC v1 on small images, before the additions of v2: the foot of the ladder."""
