"""CPC v1 on ImageNet, as the paper: patches of 64 px every 32 px of 256, rows from above.

Expected: 48.7% linear top-1 accuracy (arXiv:1807.03748, table 3). Not run here: at 168 GFLOP an
image, 130 hours of an A100 at 30% of its peak (reckoned), so work for several. The paper used 32
GPUs of 16 images each. Its patches are all grey, and so should be those it is judged on.

    torchrun --nproc-per-node 8 -m cli train cpc-v1-imagenet --data train/ --out runs/cpc-v1
"""

from training.augment import Augmentation, PatchAugmentation
from training.methods.cpc import CPCSettings
from training.recipe import Recipe
from zoo.architectures import RESNET_101, CPCArchitecture

_CROP = (256 / 300) ** 2  # any 256 px of the 300

recipe = Recipe(
    method=CPCSettings(
        offsets=(2, 3, 4, 5, 6),
        directions=("down",),
        patches=PatchAugmentation(margin=4, grey=1),
    ),
    architecture=CPCArchitecture(
        family="cpc", patch=64, stride=32, stem="imagenet", stacks=RESNET_101, norm="none"
    ),
    augmentation=Augmentation(
        size=256, area=(_CROP, _CROP), aspect=(1, 1), jitter=0, grey=0, blur=0
    ),
    stored_side=300,
    batch=512,
    epochs=200,
    warmup_epochs=0,
    optimizer="adamw",
    learning_rate=2e-4,
    lr_scaling="none",
    weight_decay=0,
    precision="bf16-mixed",
    compile=True,
)
