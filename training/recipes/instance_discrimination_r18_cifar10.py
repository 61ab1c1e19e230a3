"""Instance discrimination, ResNet-18 with the CIFAR stem, on CIFAR-10 at 32 px.

The exact softmax over all images, as CIFAR-10 is small, at the temperature, batch and crops of the
authors' configuration (zhirongw/lemniscate.pytorch, cifar.py), with a cosine rate and flips.
Expected: the paper reaches 80.8% kNN accuracy on the test images (arXiv:1805.01978, table 1, 200
neighbours, a ResNet-18). Not run here: at 3.4 GFLOP an image, six minutes of an A100 at 30% of its
peak (reckoned).

    zoo train instance-discrimination-r18-cifar10 --data cifar10.tar --out runs/npid-r18-cifar10
"""

from training.augment import Augmentation
from training.methods.instance_discrimination import InstanceDiscriminationSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=InstanceDiscriminationSettings(temperature=0.1, negatives=None),
    architecture=ResNetArchitecture(depth=18, stem="cifar"),
    augmentation=Augmentation(size=32, area=(0.2, 1), jitter=1, strength=0.5, blur=0),
    stored_side=32,
    batch=128,
    epochs=200,
    warmup_epochs=0,
    optimizer="sgd",
    learning_rate=0.03,
    lr_scaling="none",
    weight_decay=5e-4,
    precision="bf16-mixed",
    compile=True,
)
