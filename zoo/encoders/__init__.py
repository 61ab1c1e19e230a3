"""Network definitions (PyTorch). Importing this package needs the `export` or `train` extra."""

from zoo.encoders.build import Encoder, build_encoder
from zoo.encoders.cpc import CPCEncoder
from zoo.encoders.efficientnet import EfficientNetLite
from zoo.encoders.google import SameMaxPool
from zoo.encoders.representation import fit_representation
from zoo.encoders.resnet import STAGES, ResNet, build_resnet
from zoo.encoders.run import Run, encoder_from_run, is_run, last_stage, read_run, trained_size
from zoo.encoders.served import ServedEncoder, load_served, load_weights

__all__ = [
    "STAGES",
    "CPCEncoder",
    "EfficientNetLite",
    "Encoder",
    "ResNet",
    "Run",
    "SameMaxPool",
    "ServedEncoder",
    "build_encoder",
    "build_resnet",
    "encoder_from_run",
    "fit_representation",
    "is_run",
    "last_stage",
    "load_served",
    "load_weights",
    "read_run",
    "trained_size",
]
