"""Self-supervised methods: every module of this package that defines `METHOD` is one."""

import pkgutil
from functools import reduce
from importlib import import_module
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from training.methods.method import AnyMethod, Batch, Definition, Method, MethodSettings, Setup
from training.start import begin_with
from zoo.encoders import build_encoder
from zoo.package import Package

__all__ = [
    "METHODS",
    "AnyMethod",
    "Batch",
    "Method",
    "MethodSettings",
    "SettingsOfAMethod",
    "Setup",
    "build_method",
    "check_method",
]


def _found() -> dict[str, Definition[Any]]:
    """The methods of this package's modules, by the name that recipes call them."""
    methods: dict[str, Definition[Any]] = {}
    for module in pkgutil.iter_modules(__path__):
        path = f"{__name__}.{module.name}"
        definition = getattr(import_module(path), "METHOD", None)
        if definition is None:
            continue
        name = definition.settings.model_fields["name"].default
        if name in methods:
            raise ImportError(f"{path}: another method is called {name!r} already")
        methods[name] = definition
    return methods


METHODS = _found()

if TYPE_CHECKING:
    SettingsOfAMethod = MethodSettings
else:
    SettingsOfAMethod = Annotated[
        reduce(or_, (method.settings for method in METHODS.values())), Field(discriminator="name")
    ]
"""What a recipe may hold: the settings of any method, told apart by their name."""


def build_method(settings: MethodSettings, setup: Setup, start: Package | None = None) -> AnyMethod:
    """A method with fresh weights, or with the encoder of the package `start`.

    Raises:
        ValueError: the parts do not fit one another.
        TrainingError: `start` is of another architecture.
    """
    check_method(settings, setup)
    encoder = build_encoder(setup.architecture)
    if start is not None:
        begin_with(encoder, start)
    return METHODS[settings.name].build(encoder, settings, setup)


def check_method(settings: MethodSettings, setup: Setup) -> None:
    """Refuse a method that does not fit what it is to be built for, before anything is trained.

    Raises:
        ValueError: says what does not fit and what would.
    """
    METHODS[settings.name].check(settings, setup)
