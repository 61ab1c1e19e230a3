"""An encoder from its architecture."""

from zoo.architectures import Architecture, CPCArchitecture, EfficientNetLiteArchitecture
from zoo.encoders.cpc import CPCEncoder
from zoo.encoders.efficientnet import EfficientNetLite
from zoo.encoders.resnet import ResNet

Encoder = ResNet | CPCEncoder | EfficientNetLite
"""float32 images (n, 3, h, w) in 0-1 -> features (n, `dim`), and those of its stages."""


def build_encoder(architecture: Architecture) -> Encoder:
    """An encoder with fresh weights, drawn from torch's global generator."""
    if isinstance(architecture, CPCArchitecture):
        return CPCEncoder(architecture)
    if isinstance(architecture, EfficientNetLiteArchitecture):
        return EfficientNetLite(architecture)
    return ResNet(architecture)
