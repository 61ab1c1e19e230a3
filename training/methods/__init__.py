"""Self-supervised methods, one file each."""

from training.methods.simclr import SimCLR, SimCLRSettings

__all__ = ["SimCLR", "SimCLRSettings"]
