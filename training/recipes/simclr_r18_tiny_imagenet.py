"""SimCLR, ResNet-18 with the CIFAR stem, on tiny-ImageNet at 64 px, on one GPU.

Expected: no published run has exactly these settings. W-MSE (arXiv:2007.06346, table 1) gives 48.8%
linear accuracy for its SimCLR with a ResNet-18, all 100,000 training images, 1,000 epochs and
Adam; recalled, not read again. Not run here: at 26.6 GFLOP an image, 8 hours of an A100 at 30% of
its peak (reckoned).

    zoo train simclr-r18-tiny-imagenet --data tiny-imagenet-200.tar --out runs/simclr-r18-tiny
"""

from training.augment import Augmentation
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=SimCLRSettings(temperature=0.5),
    architecture=ResNetArchitecture(depth=18, stem="cifar"),
    augmentation=Augmentation(size=64, strength=0.5, blur=0),
    stored_side=64,
    batch=512,
    epochs=1000,
    warmup_epochs=10,
    learning_rate=1.0,
    lr_scaling="linear",
    weight_decay=1e-4,
    precision="bf16-mixed",
    compile=True,
)
