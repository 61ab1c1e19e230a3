"""`zoo pull`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli import complete, pull_catalog, pull_hub
from cli.console import AsJson, answer, need, print_json, tell, warn
from cli.transfers import Registry, TrustedKey, progress_bar, registry_url
from zoo.errors import UnknownModelError, ZooError

if TYPE_CHECKING:
    import httpx

    from zoo.download import Plan, TransferProgress
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
        typer.Option(
            help="sha256:... that its model.json must have (`zoo push` prints it); from the "
            "catalog, that its space must be (`zoo show` prints it)."
        ),
    ] = None,
    trusted_key: TrustedKey = None,
    accept_licence: Annotated[
        bool, typer.Option(help="Of a model that is not for commercial use.")
    ] = False,
    offline: Annotated[
        bool, typer.Option(envvar="ZOO_OFFLINE", help="Use the network for nothing.")
    ] = False,
    from_: pull_catalog.From = None,
    source: pull_catalog.SourceNumber = None,
    mirror: pull_catalog.Mirror = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say what would be fetched, from where, and the room it takes."
        ),
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
    however, goes on where it stopped. For a machine without a network, --from names a folder that
    holds the publisher's files; ZOO_CATALOG, one of further catalog files of your own.

    Of hf/ORG/REPO, a repository of Hugging Face's hub, the ONNX file is imported as it is, with its
    preprocessor_config.json; needs no PyTorch. timm/NAME is exported from timm's network, which
    needs the export extra. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold.

    Example: [bold]zoo pull hf/onnx-community/dinov2-small[/bold]
    """
    from zoo.download import open_client  # noqa: PLC0415
    from zoo.package import parse_digest  # noqa: PLC0415
    from zoo.registry import Demands  # noqa: PLC0415
    from zoo.signing import trusted_keys  # noqa: PLC0415

    demands = Demands(parse_digest(digest) if digest else None, trusted_keys(trusted_key or ()))
    hub = pull_hub.Choice(name_as, version, file, output, pool, accept_licence, offline)
    if name.startswith(("hf/", "timm/")):
        if registry or demands.digest or demands.trusted or from_ or source or dry_run:
            raise ZooError(
                f"{name} comes from its publisher: leave out --registry, --digest, --trusted-key, "
                "--from, --source and --dry-run"
            )
        with progress_bar() as progress:
            _say(pull_hub.pull(name, hub, progress), as_json)
        return
    if unused := hub.options():
        raise ZooError(f"{name}: {', '.join(unused)} are for hf/ORG/REPO and timm/NAME alone")
    wish = pull_catalog.Wish(from_, source, mirror, accept_licence, offline)
    if registry and (from_ or source):
        raise ZooError("--from and --source are of the catalog: leave out --registry")
    url = None if from_ or source else registry_url(registry)
    with open_client(offline) as client, progress_bar() as progress:
        if dry_run:
            planned = None
            if url is not None:
                planned = _plan(url, name, demands, client, progress, or_none=registry is None)
            _tell_plan(planned or pull_catalog.plan(name, wish), as_json)
            return
        package = None
        if url is not None:
            # A registry of the environment stands before the catalog, a named one stands alone.
            package = _from_registry(url, name, demands, client, progress, or_none=registry is None)
        if package is None:
            package = pull_catalog.pull(name, demands, wish, client, progress)
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
    from zoo.registry import open_place, pull_package  # noqa: PLC0415

    need("cpu", "onnxruntime")  # the golden vectors are run before a package is visible
    try:
        package, new = pull_package(open_place(url, client), name, demands, progress)
    except UnknownModelError as error:
        _leave_to_catalog(name, error, demands, progress, or_none)
        return None
    if not new:
        progress.note(f"{package.manifest.reference} is installed already")
    return package


def _plan(
    url: str,
    name: str,
    demands: "Demands",
    client: "httpx.Client",
    progress: "TransferProgress",
    or_none: bool,
) -> "Plan | None":
    from zoo.registry import open_place, plan_package  # noqa: PLC0415

    try:
        return plan_package(open_place(url, client), name, demands, progress)
    except UnknownModelError as error:
        _leave_to_catalog(name, error, demands, progress, or_none)
        return None


def _leave_to_catalog(
    name: str,
    error: UnknownModelError,
    demands: "Demands",
    progress: "TransferProgress",
    allowed: bool,
) -> None:
    """Go on with the catalog where the registry has no such model, or raise."""
    from zoo.catalog import find  # noqa: PLC0415

    if not allowed or demands.digest or demands.trusted:
        raise error
    with _naming_both(error):
        find(name)
    progress.note(f"{error}; the catalog has it")


def _tell_plan(plan: "Plan", as_json: bool) -> None:
    if as_json:
        files = [{"address": file.address, "bytes": file.bytes} for file in plan.files]
        about = {"model": plan.model, "files": files, "bytes": plan.bytes}
        print_json(about | {"needed": plan.needed, "free": plan.free, "store": str(plan.store)})
        return
    for file in plan.files:
        answer(f"{_size(file.bytes)}  {file.address}")
    least = "" if plan.bytes is not None else "at least "
    tell(
        f"{plan.model}: {_size(plan.bytes)} to fetch; with what is made of it {least}"
        f"{_size(plan.needed)} in {plan.store}, where {_size(plan.free)} are free. Nothing was "
        "fetched"
    )
    if plan.free < plan.needed:
        warn("the disk has no room for it: `zoo prune`, or let ZOO_HOME name another")


def _size(count: int | None) -> str:
    return "size unknown" if count is None else f"{count / 1e6:,.1f} MB"


@contextmanager
def _naming_both(first: ZooError) -> Iterator[None]:
    """Say of two places that neither has the model."""
    try:
        yield
    except UnknownModelError as second:
        raise UnknownModelError(f"{first}; {second}") from None
