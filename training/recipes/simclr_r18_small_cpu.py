"""SimCLR, ResNet-18 for small photos, on two CPU cores; the built-in encoder's recipe.

On 40,000 tiny-ImageNet and 50,000 CIFAR-10 training images: 1,755 steps in 92 minutes of two cores
that did other work too (about 105 source images a second at 40 px). Served at 80 px from layer3 and
layer4 with sqrt, unit and centre, seed 0, last epoch, measured by `zoo evaluate`: kNN 56.6% and
linear 63.8% on CIFAR-10 (stored as JPEG); 12.6% and 21.9% on tiny-ImageNet's `val` images of 200
classes. `compile` needs a C++ compiler.
"""

from training.augment import Augmentation
from training.methods import SimCLRSettings
from training.recipe import Phase, Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=SimCLRSettings(temperature=0.2),
    architecture=ResNetArchitecture(depth=18, stem="stride2-pool"),
    augmentation=Augmentation(size=64, strength=0.5, low_resolution=0.3),
    phases=(Phase(until=0.8, size=40), Phase(until=1.0, size=64)),
    batch=256,
    epochs=7,
    warmup_epochs=0.25,
    learning_rate=0.06,
    lr_scaling="sqrt",
    precision="bf16-mixed",
)
