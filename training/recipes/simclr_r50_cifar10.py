"""SimCLR, ResNet-50 with the CIFAR stem, on CIFAR-10 at 32 px, as the paper.

Expected: 94.0% linear accuracy on the test images after 1,000 epochs (arXiv:2002.05709, appendix
B.9, which searched the base learning rate in 0.5, 1 and 1.5). Not run here: at 15.6 GFLOP an image,
2.3 hours of an A100 at 30% of its peak (reckoned). A public PyTorch run with these settings reached
93.44% in 13 hours on two V100 (AndrewAtanov/simclr-pytorch). The figures are of the original files,
not of recompressed ones.

    zoo train simclr-r50-cifar10 --data cifar10.tar --out runs/simclr-r50-cifar10
"""

from training.augment import Augmentation
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=SimCLRSettings(temperature=0.5),
    architecture=ResNetArchitecture(depth=50, stem="cifar"),
    augmentation=Augmentation(size=32, strength=0.5, blur=0),
    stored_side=32,
    batch=1024,
    epochs=1000,
    warmup_epochs=10,
    learning_rate=1.0,
    lr_scaling="linear",
    weight_decay=1e-6,
    precision="bf16-mixed",
    compile=True,
)
