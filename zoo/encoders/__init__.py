"""Network definitions (PyTorch). Importing this package needs the `export` or `train` extra."""

from zoo.encoders.representation import fit_representation
from zoo.encoders.resnet import STAGES, ResNet, build_resnet
from zoo.encoders.served import ServedEncoder, load_served, load_weights

__all__ = [
    "STAGES",
    "ResNet",
    "ServedEncoder",
    "build_resnet",
    "fit_representation",
    "load_served",
    "load_weights",
]
