"""Rotation, ResNet-18 with the CIFAR stem, on CIFAR-10 at 32 px.

Optimizer, batch and epochs are those of the authors' CIFAR-10 configuration
(gidariss/FeatureLearningRotNet), with a cosine in place of their three steps. Expected: there is no
published figure of this network. The paper's, a Network in Network of four blocks, reaches 91.16%
with a convolutional classifier trained on its second block (arXiv:1803.07728, table 2); linear
accuracy of a ResNet-18's last stage is expected well below that, and best from layer2 or layer3
(`zoo export run RUN --stage layer3`). Not run here: at 13 GFLOP an image (four turns), half an hour
of an A100 at 30% of its peak (reckoned).

    zoo train rotation-r18-cifar10 --data cifar10.tar --out runs/rotation-r18-cifar10
"""

from training.augment import Augmentation
from training.methods.rotation import RotationSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=RotationSettings(),
    architecture=ResNetArchitecture(depth=18, stem="cifar"),
    augmentation=Augmentation(size=32, area=(0.6, 1), jitter=0, grey=0, blur=0),
    stored_side=32,
    batch=128,
    epochs=200,
    warmup_epochs=5,
    optimizer="sgd",
    learning_rate=0.1,
    lr_scaling="none",
    weight_decay=5e-4,
    precision="bf16-mixed",
    compile=True,
)
