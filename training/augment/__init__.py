"""Augmentations batched on the device, with parameters drawn per image."""

from training.augment.draws import share_generator
from training.augment.operators import OPERATORS, Operator, apply_operators
from training.augment.patches import PatchAugmentation, augment_patches
from training.augment.settings import Augmentation, OperatorName
from training.augment.views import random_pair, random_views

__all__ = [
    "OPERATORS",
    "Augmentation",
    "Operator",
    "OperatorName",
    "PatchAugmentation",
    "apply_operators",
    "augment_patches",
    "random_pair",
    "random_views",
    "share_generator",
]
