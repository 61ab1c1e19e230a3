"""Augmentations batched on the device, with parameters drawn per image."""

from training.augment.views import Augmentation, random_views

__all__ = ["Augmentation", "random_views"]
