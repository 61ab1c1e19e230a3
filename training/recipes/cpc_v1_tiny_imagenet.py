"""CPC v1 at 64 px: patches of 16 px every 8 px, rows predicted from above.

As `cpc-v1-cifar10`, at twice the size. Expected: no published figure is known. Not run here: at
31.6 GFLOP an image, 2 hours of an A100 at 30% of its peak (reckoned).

    zoo train cpc-v1-tiny-imagenet --data tiny-imagenet-200.tar --out runs/cpc-v1-tiny
"""

from training.augment import Augmentation, PatchAugmentation
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from zoo.architectures import RESNET_18, CPCArchitecture

recipe = Recipe(
    method=CPCSettings(
        offsets=(2, 3, 4, 5, 6),
        directions=("down",),
        patches=PatchAugmentation(margin=1, grey=0.5),
    ),
    architecture=CPCArchitecture(family="cpc", patch=16, stride=8, stacks=RESNET_18, norm="none"),
    augmentation=Augmentation(size=64, area=(0.75, 1), aspect=(1, 1), jitter=0, grey=0, blur=0),
    stored_side=64,
    batch=256,
    epochs=200,
    warmup_epochs=5,
    optimizer="adamw",
    learning_rate=2e-4,
    lr_scaling="none",
    weight_decay=0,
    precision="bf16-mixed",
    compile=True,
)
