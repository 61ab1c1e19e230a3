"""x"""

from training.augment import Augmentation
from training.methods.distil import DistilSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=DistilSettings(teacher="efficientnet-lite0"),
    architecture=ResNetArchitecture(depth=18, width=0.5, stem="stride2-pool"),
    augmentation=Augmentation(size=64, area=(0.3, 1), jitter=0.0, grey=0.0, blur=0.0),
    batch=128,
    epochs=8,
    warmup_epochs=0.5,
    optimizer="adamw",
    learning_rate=2e-3,
    lr_scaling="none",
    weight_decay=0.02,
    precision="bf16-mixed",
)
