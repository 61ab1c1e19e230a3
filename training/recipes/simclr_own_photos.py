"""SimCLR, ResNet-50, on a folder of one's own photos, on one GPU.

A start for some 10,000 images and more. Expected: nothing can be promised of images that nobody has
seen; compare the result with the built-in encoder by `zoo evaluate` on a few labels. Not run here:
at 24.8 GFLOP an image, ten minutes of an A100 at 30% of its peak for 10,000 images (reckoned). With
fewer images raise `epochs`; with a smaller GPU lower `batch`, and the rate follows it. The
square-root scaling and the temperature are the paper's for batches of this size (arXiv:2002.05709,
appendix B.1); the size is small, as photos of one kind need less than ImageNet's.

    zoo train simclr-own-photos --data photos/ --out runs/own
"""

from training.augment import Augmentation
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=SimCLRSettings(temperature=0.1),
    architecture=ResNetArchitecture(depth=50, stem="imagenet"),
    augmentation=Augmentation(size=160, low_resolution=0.1),
    stored_side=224,
    batch=512,
    epochs=200,
    warmup_epochs=10,
    learning_rate=0.075,
    lr_scaling="sqrt",
    weight_decay=1e-6,
    precision="bf16-mixed",
    compile=True,
)
