"""Network definitions (PyTorch). Importing this package needs the `export` or `train` extra."""

from zoo.encoders.resnet import STAGES, ResNet, build_resnet

__all__ = ["STAGES", "ResNet", "build_resnet"]
