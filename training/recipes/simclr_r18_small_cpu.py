"""SimCLR, ResNet-18 for small photos, on two CPU cores; the built-in encoder's recipe.

On 40,000 tiny-ImageNet and 50,000 CIFAR-10 training images the built-in encoder took 2,457 steps in
71 minutes of two cores (AMD EPYC with bfloat16; 170 to 205 source images a second at 40 px and 100
at 64 px), seed 0, while other work took a tenth of them. It began not with random weights but with
`--start` at its first version: 1,755 steps of the same method, five epochs in float32. What it
reaches is in its card (`zoo show simclr-r18-small`). From random weights the recipe was not run.
"""

from training.augment import Augmentation
from training.methods.simclr import SimCLRSettings
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
