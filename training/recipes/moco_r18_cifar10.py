"""MoCo, ResNet-18 with the CIFAR stem, on CIFAR-10 at 32 px.

The settings are those of the authors' demonstration (facebookresearch/moco, colab), which has v1's
linear head, a queue of 4,096 keys and batch normalisation in 8 groups; `head_layers=2` makes it v2.
Expected: 82.6% kNN accuracy on the test images after 200 epochs, 88.7% after 800 (that notebook,
asymmetric loss, 200 neighbours); with v2's head and longer training, 92.9% linear accuracy after
1,000 (solo-learn, MoCo v2+). Not run here: at 4.5 GFLOP an image, eight minutes of an A100 at 30%
of its peak (reckoned); the notebook ran on a V100.

    zoo train moco-r18-cifar10 --data cifar10.tar --out runs/moco-r18-cifar10
"""

from training.augment import Augmentation
from training.methods.moco import MoCoSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=MoCoSettings(head_layers=1, temperature=0.1, momentum=0.99, queue=4096),
    architecture=ResNetArchitecture(depth=18, stem="cifar"),
    augmentation=Augmentation(size=32, strength=0.5, blur=0),
    stored_side=32,
    batch=512,
    epochs=200,
    warmup_epochs=0,
    optimizer="sgd",
    learning_rate=0.06,
    lr_scaling="none",
    weight_decay=5e-4,
    precision="bf16-mixed",
    compile=True,
)
