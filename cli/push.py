"""`zoo push`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import complete
from cli.console import AsJson, answer, escaped, print_json
from cli.transfers import Registry, need_registry
from zoo.errors import ZooError

_PASSWORD = "ZOO_SIGNING_PASSWORD"  # noqa: S105


def push(
    name: Annotated[
        str, typer.Argument(help="name or name@version", autocompletion=complete.models)
    ],
    registry: Registry = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="minisign secret key to sign with (`minisign -G` makes one); its password is "
            f"asked for, or is in {_PASSWORD}.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put an installed model into a registry, checked and, on request, signed.

    A version never changes there: pushing another one under the same number is refused. The digest
    that is printed pins it: zoo pull NAME@VERSION --digest sha256:...

    Example: [bold]zoo push my-photos --registry s3://models/zoo[/bold]
    """
    from zoo.download import open_client  # noqa: PLC0415
    from zoo.package import MANIFEST, verify  # noqa: PLC0415
    from zoo.registry import open_place, push_package  # noqa: PLC0415
    from zoo.signing import read_secret_key  # noqa: PLC0415
    from zoo.signing import sign as sign_manifest  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    url = need_registry(registry)
    package = find_package(name)
    verify(package)
    reference = package.manifest.reference
    signature = None
    if sign is not None:
        with read_secret_key(sign, _password(sign)) as key:
            signature = sign_manifest(reference, (package.path / MANIFEST).read_bytes(), key)
    with open_client() as client:
        place = open_place(url, client)
        digest = push_package(package, place, signature)
    if as_json:
        print_json({"model": reference, "registry": place.address, "digest": f"sha256:{digest}"})
    else:
        answer(f"{reference} sha256:{digest}")


def _password(key: Path) -> str | None:
    from zoo.signing import needs_password  # noqa: PLC0415

    if not needs_password(key):
        return None
    if password := os.environ.get(_PASSWORD):
        return password
    if not sys.stdin.isatty():
        raise ZooError(f"{key} is encrypted: set {_PASSWORD}")
    return str(typer.prompt(f"password of {escaped(str(key))}", hide_input=True, err=True))
