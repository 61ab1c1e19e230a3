"""SimCLR, ResNet-18 for small photos, in about two hours of two CPU cores."""

from training.augment import Augmentation
from training.methods import SimCLRSettings
from training.recipe import Phase, Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=SimCLRSettings(temperature=0.2),
    architecture=ResNetArchitecture(depth=18, stem="stride2-pool"),
    augmentation=Augmentation(size=64, strength=0.5, low_resolution=0.3),
    phases=(Phase(until=0.85, size=40), Phase(until=1.0, size=64)),
    batch=256,
    epochs=5,
    warmup_epochs=0.5,
    learning_rate=0.075,
    lr_scaling="sqrt",
    compile=True,
)
