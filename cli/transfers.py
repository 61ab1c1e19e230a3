"""What pull, push and load share: the registry, trusted keys, and a progress bar."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import stderr, tell, warn
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.download import TransferProgress

_SMALL = 10_000_000

Registry = Annotated[
    str | None,
    typer.Option(
        help="A folder, https:// (pull only), s3:// or what else fsspec knows; without it, "
        "ZOO_REGISTRY.",
    ),
]

TrustedKey = Annotated[
    list[str] | None,
    typer.Option(
        help="minisign public key, or its file, repeated for several: what none of them signed is "
        "refused; without it, those of ZOO_TRUSTED_KEYS.",
    ),
]


def registry_url(given: str | None) -> str | None:
    """The address of the registry, if one is named."""
    return given or os.environ.get("ZOO_REGISTRY") or None


def need_registry(given: str | None) -> str:
    """The address of the registry.

    Raises:
        ZooError: none is named.
    """
    url = registry_url(given)
    if url is None:
        raise ZooError("which registry? Give --registry, or set ZOO_REGISTRY")
    return url


@contextmanager
def progress_bar() -> Iterator["TransferProgress"]:
    """Bytes, rate and time left on a terminal; a line a file elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr()) as bar:
        yield _Bar(bar)


class _Bar:
    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._tasks: dict[str, Any] = {}

    def at(self, name: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            # What is here already is not part of the rate.
            self._tasks[name] = self._bar.add_task(name, total=total, completed=done)
        self._bar.update(self._tasks[name], completed=done, total=total)

    def note(self, message: str) -> None:
        self._bar.console.print(message, style="yellow", markup=False)


class _Lines:
    """For logs: a line for every tenth of a file, and none for small ones."""

    def __init__(self) -> None:
        self._printed: dict[str, int] = {}

    def at(self, name: str, done: int, total: int | None) -> None:
        if total is None or total < _SMALL:
            return
        tenth = 10 * done // total
        if tenth > self._printed.get(name, 0):
            self._printed[name] = tenth
            tell(f"{name}: {tenth * 10}% of {total / 1e6:,.0f} MB")

    def note(self, message: str) -> None:
        warn(message)
