"""SimCLR, ResNet-18 with the CIFAR stem, on CIFAR-10 at 32 px.

Expected: about 91% linear accuracy on the test images after 1,000 epochs on one GPU (README of
google-research/simclr, with these settings). Not run here: at 6.7 GFLOP an image, an hour of an
A100 at 30% of its peak (reckoned). A public PyTorch run of 1,000 epochs at this batch, with SGD,
took 38 seconds an epoch on a GTX 1080 Ti and reached 92.06% (p3i0t/SimCLR-CIFAR10). The figures are
of the original files, not of recompressed ones.

    zoo train simclr-r18-cifar10 --data cifar10.tar --out runs/simclr-r18-cifar10
"""

from training.augment import Augmentation
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=SimCLRSettings(temperature=0.5),
    architecture=ResNetArchitecture(depth=18, stem="cifar"),
    augmentation=Augmentation(size=32, strength=0.5, blur=0),
    stored_side=32,
    batch=512,
    epochs=1000,
    warmup_epochs=10,
    learning_rate=1.0,
    lr_scaling="linear",
    weight_decay=1e-4,
    precision="bf16-mixed",
    compile=True,
)
