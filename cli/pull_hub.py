"""`zoo pull hf/ORG/REPO` and `zoo pull timm/NAME`."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.console import EXTRAS, need, tell
from cli.import_model import describe
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.download import TransferProgress
    from zoo.package import Package

NameAs = Annotated[
    str | None,
    typer.Option("--name", help="Of the model, in place of the repository's (hf/, timm/)."),
]
Version = Annotated[str | None, typer.Option(help="Of the model; without it, 1 (hf/, timm/).")]
File = Annotated[str | None, typer.Option(help="The ONNX file, a path in the repository (hf/).")]
Output = Annotated[str | None, typer.Option(help="The embedding, a value in the graph (hf/).")]
Pool = Annotated[
    Literal["cls", "mean", "none"] | None,
    typer.Option(help="Of tokens or cells: the first token, the mean, or neither (hf/)."),
]


@dataclass(frozen=True)
class Choice:
    """What the options say."""

    name: str | None
    version: str | None
    file: str | None
    output: str | None
    pool: Literal["cls", "mean", "none"] | None
    accept_licence: bool
    offline: bool

    def options(self) -> list[str]:
        """Those given that no other source takes."""
        names = ("name", "version", "file", "output", "pool")
        return [f"--{name}" for name in names if getattr(self, name) is not None]


def pull(address: str, choice: Choice, progress: "TransferProgress") -> "Package":
    """Make the package of `hf/ORG/REPO[@REVISION]` or `timm/NAME[@REVISION]`."""
    package = (_from_timm if address.startswith("timm/") else _from_hub)(address, choice, progress)
    provenance = package.manifest.provenance
    describe(package)
    tell(f"licence: {provenance.weights_licence}; see {provenance.citation}")
    return package


def _from_hub(address: str, choice: Choice, progress: "TransferProgress") -> "Package":
    need("cpu", "onnxruntime")
    from zoo.hub.download import Wanted  # noqa: PLC0415
    from zoo.hub.pull import pull_onnx  # noqa: PLC0415
    from zoo.hub.repository import parse_address  # noqa: PLC0415

    wanted = Wanted(
        *parse_address(address),
        choice.name,
        choice.version or "1",
        choice.file,
        choice.output,
        choice.pool,
        choice.accept_licence,
        choice.offline,
    )
    return pull_onnx(wanted, progress)


def _from_timm(address: str, choice: Choice, progress: "TransferProgress") -> "Package":
    missing = [module for module in (*EXTRAS["export"], "timm") if find_spec(module) is None]
    if missing:
        raise ZooError(
            f"{address} is a network of timm's; to convert it, {', '.join(missing)} must be "
            "installed: pip install 'encoder-zoo[cpu,export]'. Nothing was downloaded. (An ONNX "
            "file of a repository, hf/ORG/REPO, needs none of it.)"
        )
    if unused := {"--file", "--output", "--pool"}.intersection(choice.options()):
        raise ZooError(f"{address}: {', '.join(sorted(unused))} are for hf/ORG/REPO alone")
    try:
        from export.timm_model import pull_timm  # noqa: PLC0415
    except RuntimeError as error:  # torchvision's, which timm imports
        raise ZooError(
            f"timm cannot be imported ({error}): torch and torchvision must be of one build: "
            "pip install --force-reinstall torch torchvision"
        ) from None

    return pull_timm(
        address, choice.name, choice.version or "1", choice.accept_licence, choice.offline, progress
    )
