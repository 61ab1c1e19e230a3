"""What the tests of variants and plans share."""

from pathlib import Path

import pytest

from zoo.package import Package, read_package


@pytest.fixture
def package(variants_home: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setenv("ZOO_HOME", str(variants_home))
    return read_package(variants_home / "packages" / "tiny" / "2")
