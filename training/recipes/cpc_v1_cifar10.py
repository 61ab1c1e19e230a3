"""CPC v1 at the size of CIFAR-10: patches of 8 px every 4 px of 32, rows predicted from above.

The paper's method (arXiv:1807.03748, section 3.2: no norms, five offsets without overlap, sub-crops
of patches, grey) with the first three stacks of a ResNet-18. Grey meets half of the patches, not
all, as colours are served. Expected: no published figure is of this size; a public CPC v2 reached
84.52% linear accuracy in up to 24 hours on a V100 (Lightning Bolts), and v1 is expected below it.
Not run here: at 8.4 GFLOP an image, a quarter of an hour of an A100 at 30% of its peak (reckoned).

    zoo train cpc-v1-cifar10 --data cifar10.tar --out runs/cpc-v1-cifar10
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
    architecture=CPCArchitecture(family="cpc", patch=8, stride=4, stacks=RESNET_18, norm="none"),
    augmentation=Augmentation(size=32, area=(0.75, 1), aspect=(1, 1), jitter=0, grey=0, blur=0),
    stored_side=32,
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
