"""`zoo export run`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import answer, known_errors, need, tell
from cli.export.options import KINDS, Version

_CALIBRATION = 4096
"""Images that the statistics of centre and whiten come from."""


def run(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="what zoo train wrote")
    ],
    name: Annotated[str, typer.Option(help="Of the model: lower-case letters, digits, . _ -")],
    version: Version = None,
    size: Annotated[
        int | None, typer.Option(min=8, max=1024, help="Side of the input; without it, the run's.")
    ] = None,
    crop: Annotated[float, typer.Option(min=0.1, max=1, help="Share of the short side.")] = 1.0,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="layer1 to layer4, repeated for several; without it, the last."),
    ] = None,
    grid: Annotated[
        int, typer.Option(min=1, max=8, help="Cells on a side that stages are averaged over.")
    ] = 1,
    step: Annotated[
        list[str] | None, typer.Option(help="sqrt, unit, centre or whiten, repeated in order.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help=f"For centre and whiten, images such as the training data: {KINDS}"),
    ] = None,
    dim: Annotated[
        int | None, typer.Option(min=1, help="Directions that whiten keeps; without it, all.")
    ] = None,
    weights_licence: Annotated[
        str, typer.Option(help="Of the weights.")
    ] = "the terms of the training images apply",
    terms: Annotated[str, typer.Option(help="Of the training images.")] = "unstated",
) -> None:
    """Make a package of a training run, prove it against PyTorch, and install it.

    Example: [bold]zoo export run runs/first --name my-photos[/bold]
    """
    need("export")
    from pydantic import ValidationError  # noqa: PLC0415

    import training.data  # noqa: F401, PLC0415 - torchvision's sets are sources too
    from export.package import Serving, export_run  # noqa: PLC0415
    from sources import DataError, sample_squares  # noqa: PLC0415
    from zoo.encoders import last_stage, trained_size  # noqa: PLC0415
    from zoo.images import InputBlock  # noqa: PLC0415
    from zoo.manifest import Layer  # noqa: PLC0415
    from zoo.store import next_version  # noqa: PLC0415
    from zoo.validation import first_error  # noqa: PLC0415

    try:
        block = InputBlock(size=size or trained_size(folder), crop=crop)
        layer = Layer.model_validate(
            {"stages": stage or [last_stage(folder)], "grid": grid, "steps": step or []}
        )
    except ValidationError as error:
        raise typer.BadParameter(first_error(error)) from None
    with known_errors(DataError):
        calibration = sample_squares(data, block, _CALIBRATION) if data else None
    package = export_run(
        folder,
        name,
        version or next_version(name),
        Serving(block, layer, calibration=calibration, whitened_dim=dim),
        weights_licence=weights_licence,
        terms=terms,
    )
    for variant, parity in package.manifest.parity.items():
        tell(f"{variant}: least cosine with PyTorch {parity.cosine_min:.7f}")
    answer(f"{package.manifest.reference} {package.path}")
