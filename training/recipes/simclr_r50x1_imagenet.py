"""SimCLR, ResNet-50 of width 1, on ImageNet at 224 px, as the paper.

Expected: 69.3% linear top-1 accuracy after 1,000 epochs at batch 4,096 (arXiv:2002.05709, table 6).
Not run here: at 49 GFLOP an image, 185 hours of an A100 at 30% of its peak (reckoned), so work
for several. The paper trained width 1 for 100 epochs in about 1.5 hours on 128 TPU v3 cores. Views
are cut from images stored at 256 px, where the paper cut them from the original files.

    torchrun --nproc-per-node 8 -m cli train simclr-r50x1-imagenet --data train/ --out runs/r50x1
"""

from training.augment import Augmentation
from training.methods.simclr import SimCLRSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=SimCLRSettings(temperature=0.1),
    architecture=ResNetArchitecture(depth=50, width=1, stem="imagenet"),
    augmentation=Augmentation(size=224),
    stored_side=256,
    batch=4096,
    epochs=1000,
    warmup_epochs=10,
    learning_rate=0.3,
    lr_scaling="linear",
    weight_decay=1e-6,
    precision="bf16-mixed",
    compile=True,
)
