"""`zoo rm`."""

from typing import Annotated

import typer

from cli import complete
from cli.console import answer, tell
from zoo.errors import ZooError


def rm(
    names: Annotated[
        list[str],
        typer.Argument(
            help="name@version, or the name where it has one version",
            autocompletion=complete.models,
        ),
    ],
) -> None:
    """Remove installed models, damaged ones too.

    Example: [bold]zoo rm my-photos@3[/bold]
    """
    from zoo.store import remove_package  # noqa: PLC0415

    for name, version in [_one_version(name) for name in names]:
        for tag in remove_package(name, version):
            tell(f"the tag {name}@{tag} is gone with it")
        answer(f"{name}@{version} removed")


def _one_version(reference: str) -> tuple[str, str]:
    """Never a guess which of several versions goes."""
    from zoo.manifest import split_reference  # noqa: PLC0415
    from zoo.store import installed_versions, package_folder, version_key  # noqa: PLC0415

    try:
        name, version = split_reference(reference)
    except ValueError as error:
        raise ZooError(str(error)) from None
    versions = sorted(installed_versions(name), key=version_key)
    if version is None and len(versions) > 1:
        known = ", ".join(f"{name}@{v}" for v in versions)
        raise ZooError(f"which of {known}?")
    return name, package_folder(name, version).name
