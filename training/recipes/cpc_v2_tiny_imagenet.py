"""CPC v2 at 64 px: crops of 60 px, patches of 20 px every 8 px, predicted from four sides.

As `cpc-v2-cifar10`, at nearly twice the size. Expected: no published figure is known at this size.
Not run here: at 37.5 GFLOP an image, 2 hours of an A100 at 30% of its peak (reckoned).

    zoo train cpc-v2-tiny-imagenet --data tiny-imagenet-200.tar --out runs/cpc-v2-tiny
"""

from training.augment import Augmentation, PatchAugmentation
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from zoo.architectures import RESNET_18, CPCArchitecture

_CROP = (60 / 64) ** 2  # any 60 px of the 64

recipe = Recipe(
    method=CPCSettings(
        offsets=(3,),
        patches=PatchAugmentation(margin=1, drop=0.5, policies=True),
    ),
    architecture=CPCArchitecture(family="cpc", patch=20, stride=8, stacks=RESNET_18, norm="layer"),
    augmentation=Augmentation(
        size=60, area=(_CROP, _CROP), aspect=(1, 1), jitter=0, grey=0, blur=0
    ),
    stored_side=64,
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
