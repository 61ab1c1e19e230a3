"""`zoo import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.console import AsJson, answer, need, print_json, tell
from cli.export.options import Version

if TYPE_CHECKING:
    from zoo.package import Package


def import_model(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="an ONNX file")],
    name: Annotated[str, typer.Option(help="Of the model: lower-case letters, digits, . _ -")],
    version: Version = None,
    size: Annotated[
        int | None, typer.Option(min=8, max=1024, help="Side of the square that it takes.")
    ] = None,
    range_: Annotated[
        Literal["0-1", "0-255", "-1-1"] | None,
        typer.Option("--range", help="Of the values that it takes, before mean, std."),
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="R,G,B in units of the range, or one number.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(help="R,G,B in units of the range, or one number.")
    ] = None,
    layout: Annotated[
        Literal["nchw", "nhwc"] | None,
        typer.Option(help="Of its input: colours before or behind the pixels."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="The embedding: an output, or a value inside the graph.")
    ] = None,
    pool: Annotated[
        Literal["cls", "mean", "none"] | None,
        typer.Option(help="The first token (cls), the mean of tokens or cells, or none of both."),
    ] = None,
    crop: Annotated[
        float | None, typer.Option(min=0.1, max=1, help="Centre square, share of the short side.")
    ] = None,
    resize: Annotated[
        int | None, typer.Option(min=8, help="The same: short side that the size is cut out of.")
    ] = None,
    squash: Annotated[
        bool, typer.Option(help="The share is one of both sides, squeezed into the square.")
    ] = False,
    interpolation: Annotated[
        Literal["bilinear", "bicubic"] | None,
        typer.Option(help="How photos are scaled; without it, bicubic."),
    ] = None,
    method: Annotated[str, typer.Option(help="By which it was trained.")] = "imported",
    trained_on: Annotated[str, typer.Option(help="Name of the training images.")] = "unstated",
    terms: Annotated[str, typer.Option(help="Of the training images.")] = "unstated",
    weights_licence: Annotated[str, typer.Option(help="Of the weights.")] = "unstated",
    code_licence: Annotated[str, typer.Option(help="Of the code that made it.")] = "unstated",
    citation: Annotated[str, typer.Option(help="Of the paper.")] = "unstated",
    as_json: AsJson = False,
) -> None:
    """Make a model of any ONNX image encoder, prove it against the file, and install it.

    Size, layout and type come from the graph; the rest from preprocessor_config.json beside the
    file, where there is one. What neither says is asked for, and options come before both. The
    normalisation becomes part of the graph. Needs no PyTorch.

    Example: [bold]zoo import vit.onnx --name vit --pool cls --range -1-1[/bold]
    """
    need("cpu", "onnxruntime")
    from zoo.importing import Origin, Said, import_onnx  # noqa: PLC0415
    from zoo.store import next_version  # noqa: PLC0415

    if crop is not None and resize is not None:
        raise typer.BadParameter("--crop and --resize say the same: give one")
    said = Said(
        size=size,
        range=range_,
        mean=_triple(mean, "--mean"),
        std=_triple(std, "--std"),
        layout=layout,
        output=output,
        pool=pool,
        crop=crop,
        resize=resize,
        squash=squash or None,
        interpolation=interpolation,
    )
    origin = Origin(method, trained_on, terms, code_licence, weights_licence, citation)
    package = import_onnx(file, name, version or next_version(name), said, origin)
    if as_json:
        print_json({"model": package.manifest.reference, "path": str(package.path)})
        return
    describe(package)
    if "unstated" in package.manifest.provenance.weights_licence:
        tell("its licence is unstated: --weights-licence and --terms write it into its card")
    answer(f"{package.manifest.reference} {package.path}")


def describe(package: "Package") -> None:
    """What was understood, so that a wrong guess is seen."""
    manifest, block = package.manifest, package.manifest.input
    tell(
        f"{manifest.dim} values, {manifest.layer.summary}; the centre, {block.part}, at "
        f"{block.size} px, {block.interpolation}; (value / 255 - mean) / std with mean "
        f"{', '.join(f'{v:.4g}' for v in block.mean)} and std "
        f"{', '.join(f'{v:.4g}' for v in block.std)}"
    )
    for variant, parity in manifest.parity.items():
        tell(f"{variant}: least cosine with the file {parity.cosine_min:.7f}")


def _triple(text: str | None, option: str) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3):
        raise typer.BadParameter(f"{text!r} is neither one number nor three", param_hint=option)
    first, second, third = values * (3 // len(values))
    return first, second, third
