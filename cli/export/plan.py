"""`zoo export plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.console import answer, known_errors
from cli.export.options import KINDS, Model

if TYPE_CHECKING:
    from zoo.arrays import Pixels
    from zoo.package import Package

_CALIBRATION = 512
"""Images that int8 takes its ranges from."""


def plan(
    model: Model,
    out: Annotated[Path, typer.Option(help="Folder of the plans; this one is added to it.")],
    precision: Annotated[
        Literal["fp32", "fp16", "bf16", "int8"], typer.Option(help="Of the plan.")
    ] = "fp32",
    data: Annotated[
        list[Path] | None,
        typer.Option(help=f"Images that int8 takes its ranges from: {KINDS}"),
    ] = None,
) -> None:
    """Build a TensorRT plan of an installed model, for this machine's GPU.

    `zoo export triton --backend tensorrt --plans FOLDER` serves it.

    Example: [bold]zoo export plan my-photos --out plans/ --precision fp16[/bold]
    """
    if (precision == "int8") != bool(data):
        raise typer.BadParameter("int8 takes its ranges from images, and only int8: give --data")
    from export.tensorrt import build_plan, check_tensorrt  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    package = find_package(model)
    check_tensorrt()  # before images are read
    images = _calibration(data, package) if data else None
    answer(f"{build_plan(package, out, precision, images)}")


def _calibration(data: list[Path], package: "Package") -> "Pixels":
    from sources import DataError, sample_squares  # noqa: PLC0415

    with known_errors(DataError):
        return sample_squares(data, package.manifest.input, _CALIBRATION)
