"""Self-supervised methods, one file each, and the table that builds them from their settings."""

from typing import Annotated

from pydantic import Field

from training.augment import Augmentation
from training.methods.cpc import CPC, CPCSettings, check_cpc
from training.methods.method import Method
from training.methods.simclr import SimCLR, SimCLRSettings
from zoo.architectures import Architecture
from zoo.encoders import CPCEncoder, build_encoder

__all__ = [
    "CPC",
    "CPCSettings",
    "Method",
    "MethodSettings",
    "SimCLR",
    "SimCLRSettings",
    "build_method",
    "check_method",
]

MethodSettings = Annotated[SimCLRSettings | CPCSettings, Field(discriminator="name")]


def build_method(
    settings: MethodSettings, architecture: Architecture, augmentation: Augmentation
) -> Method:
    """A method with fresh weights, drawn from torch's global generator.

    Raises:
        ValueError: the parts do not fit one another.
    """
    check_method(settings, architecture, augmentation, [augmentation.size])
    encoder = build_encoder(architecture)
    if isinstance(settings, CPCSettings):
        assert isinstance(encoder, CPCEncoder)
        return CPC(encoder, settings, augmentation)
    return SimCLR(encoder, settings, augmentation)


def check_method(
    settings: MethodSettings,
    architecture: Architecture,
    augmentation: Augmentation,
    sizes: list[int],
) -> None:
    """Refuse a method, an architecture and views that do not fit, before anything is trained.

    Raises:
        ValueError: says what does not fit and what would.
    """
    if isinstance(settings, CPCSettings):
        check_cpc(settings, architecture, augmentation, sizes)
