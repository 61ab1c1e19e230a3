"""Distillation, a ResNet-18 of half width at 48 px, on CPU cores; taught by any installed model.

For unlabelled photos of one's own and a network that is small: 256 values, 6 MB, and 0.8 ms of one
core an image, where its teacher EfficientNet-Lite0 takes 15.2 ms (AMD EPYC without AVX-512). Each
image is embedded by the teacher once, before the first step, at that price.
Expected: a short trial, `--epochs 3` on 9,995 tiny-ImageNet images, reached 30.8% of 20 Caltech
kinds at 5 labels a class, its teacher 95.3% and HOG 46.4% (docs/figures.md). It took 9 minutes of
one thread, 139 images a second in the median, on two cores that other work shared. The 30 epochs
that stand here were not run. Rate, decay and views are not from a paper: AdamW as commonly set, and
crops of moderate size without change of colour, so that a view stays near what the teacher saw.

    zoo train distil-r18-half-cpu --data photos/ --teacher efficientnet-lite0 --out runs/student
"""

from training.augment import Augmentation
from training.methods.distil import DistilSettings
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture

recipe = Recipe(
    method=DistilSettings(teacher="efficientnet-lite0"),
    architecture=ResNetArchitecture(depth=18, width=0.5, stem="stride2-pool"),
    augmentation=Augmentation(size=48, area=(0.3, 1), jitter=0, grey=0, blur=0),
    batch=128,
    epochs=30,
    warmup_epochs=0.5,
    optimizer="adamw",
    learning_rate=2e-3,
    lr_scaling="none",
    weight_decay=0.02,
)
