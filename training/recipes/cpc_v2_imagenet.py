"""CPC v2 on ImageNet, as the paper: ResNet-161, patches of 80 px every 36 px of 260, four sides.

Expected: 71.5% linear top-1 accuracy (arXiv:1905.09272, table 1). Not run here: at 1.7 TFLOP an
image, 1,300 hours of an A100 at 30% of its peak (reckoned), so work for many. The paper spread 512
images over 32 workers for 200 epochs, and averaged the weights over steps, which is not done here.

    torchrun --nproc-per-node 8 -m cli train cpc-v2-imagenet --data train/ --out runs/cpc-v2
"""

from training.augment import Augmentation, PatchAugmentation
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from zoo.architectures import RESNET_161, CPCArchitecture

_CROP = (260 / 300) ** 2  # any 260 px of the 300

recipe = Recipe(
    method=CPCSettings(
        offsets=(3,),
        patches=PatchAugmentation(margin=5, drop=0.5, policies=True),
    ),
    architecture=CPCArchitecture(
        family="cpc", patch=80, stride=36, stem="imagenet", stacks=RESNET_161, norm="layer"
    ),
    augmentation=Augmentation(
        size=260, area=(_CROP, _CROP), aspect=(1, 1), jitter=0, grey=0, blur=0
    ),
    stored_side=300,
    batch=512,
    epochs=200,
    warmup_epochs=0,
    optimizer="adamw",
    learning_rate=4e-4,
    lr_scaling="none",
    weight_decay=0,
    betas=(0.8, 0.999),
    clip=0.01,
    precision="bf16-mixed",
    compile=True,
)
