"""CPC v2 at the size of CIFAR-10: patches of 12 px every 4 px of 32, predicted from four sides.

The paper's method (arXiv:1905.09272: layer norm, four directions, colour dropping, patch
augmentation, Adam) with the first three stacks of a ResNet-18. Colours are dropped from half of the
patches, not all, as whole colours are served. Expected: 84.52% linear accuracy is what a public CPC
v2 reached in up to 24 hours on a V100, with a larger network (Lightning Bolts). Not run here: at
14.8 GFLOP an image, half an hour of an A100 at 30% of its peak (reckoned).

    zoo train cpc-v2-cifar10 --data cifar10.tar --out runs/cpc-v2-cifar10
"""

from training.augment import Augmentation, PatchAugmentation
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from zoo.architectures import RESNET_18, CPCArchitecture

recipe = Recipe(
    method=CPCSettings(
        offsets=(3,),
        patches=PatchAugmentation(margin=1, drop=0.5, policies=True),
    ),
    architecture=CPCArchitecture(family="cpc", patch=12, stride=4, stacks=RESNET_18, norm="layer"),
    augmentation=Augmentation(size=32, area=(0.75, 1), aspect=(1, 1), jitter=0, grey=0, blur=0),
    stored_side=32,
    batch=256,
    epochs=200,
    warmup_epochs=5,
    optimizer="adamw",
    learning_rate=4e-4,
    lr_scaling="none",
    weight_decay=0,
    betas=(0.8, 0.999),
    clip=0.01,
    precision="bf16-mixed",
    compile=True,
)
