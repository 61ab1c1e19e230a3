"""Packages that come from elsewhere are proven before they are visible."""

from collections.abc import Callable
from pathlib import Path

from zoo.package import Package, read_package, verify
from zoo.runtimes import open_runtime
from zoo.store import find_package, new_package


def install(name: str, version: str, fill: Callable[[Path], None]) -> Package:
    """Let `fill` put a package's files in a private folder, prove them, and make it visible.

    Raises:
        PackageError: a digest or the space differs, or that version is installed already.
        GoldenMismatchError: the encoder gives other embeddings than the package attests.
        RuntimeUnavailableError: there is no runtime to see that with.
    """
    with new_package(name, version) as folder:
        fill(folder)
        package = read_package(folder)
        verify(package)
        open_runtime(package)
    return find_package(f"{name}@{version}")
