"""What a graph takes, and how a photo becomes that: read where it is written down, else asked for.

The graph's input says size, layout and type; `preprocessor_config.json` beside it, or the metadata
of an exported package, the rest; what the user says comes before both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import onnx
from onnx import TensorProto
from pydantic import ValidationError

from zoo.errors import ImportRefusedError
from zoo.graphs.serve import Layout
from zoo.images import InputBlock
from zoo.importing.preprocessor import Found
from zoo.manifest import Pool

Range = Literal["0-1", "0-255", "-1-1"]
Triple = tuple[float, float, float]

_SCALES: Mapping[Range, tuple[float, float]] = {"0-1": (1, 0), "0-255": (255, 0), "-1-1": (2, -1)}
"""What a value between 0 and 1 is multiplied by, and what is added."""

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True)
class Said:
    """What the user says of an encoder; None where the file is to say it.

    range: what the graph takes, before `mean` is subtracted and it is divided by `std`.
    crop: side of the centre square, as a share of the short side.
    squash: it is a share of both sides, squeezed into a square.
    """

    size: int | None = None
    range: Range | None = None
    mean: Triple | None = None
    std: Triple | None = None
    layout: Layout | None = None
    output: str | None = None
    pool: Pool | None = None
    crop: float | None = None
    resize: int | None = None
    squash: bool | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None


@dataclass(frozen=True)
class Rule:
    """What the graph's input is, and the input block of the package."""

    block: InputBlock
    input: str
    kind: int
    layout: Layout
    batch: int | None


def settle(model: onnx.ModelProto, said: Said, found: Found, missing: list[str]) -> Rule:
    """The rule of a graph that is pruned to its output.

    Args:
        found: what is written down beside the graph.
        missing: what else is not known, one line each.

    Raises:
        ImportRefusedError: it takes no images, or not one image as such; or something is not
            known: a line each, with the option that says it.
    """
    missing = list(missing)
    value = _image_input(model.graph, missing)
    kind = value.type.tensor_type.elem_type
    shape = [d.dim_value or None for d in value.type.tensor_type.shape.dim]
    layout = _layout(value, shape, said.layout)
    if layout is None:
        missing.append("--layout nchw|nhwc: whether the colours come before or behind the pixels")
    size = _size(value, shape, layout, said, found)
    if size is None:
        missing.append("--size PIXELS: the side of the square that it takes")
    crop = _crop(said, found, size, missing)
    interpolation = said.interpolation or found.interpolation
    if interpolation is None and "interpolation" in found.problems:
        missing.append(f"--interpolation bilinear|bicubic: {found.problems['interpolation']}")
    mean, std = _normalisation(value.name, kind, said, found, missing)
    if missing or layout is None:
        lines = "\n".join(f"  {line}" for line in missing)
        raise ImportRefusedError(f"the file does not say how it is used; give\n{lines}")
    try:
        block = InputBlock.model_validate(
            {
                "size": size,
                "crop": crop,
                "squash": _squash(said, found),
                "interpolation": interpolation or "bicubic",
                "mean": mean,
                "std": std,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ImportRefusedError(f"{where}: {first['msg']} (it is {first['input']})") from None
    return Rule(block, value.name, kind, layout, shape[0])


def extents(value: onnx.ValueInfoProto) -> str:
    """The shape that a graph declares, such as `n x 197 x 768`."""
    dims = value.type.tensor_type.shape.dim
    return " x ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims) or "no shape"


def _image_input(graph: onnx.GraphProto, missing: list[str]) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    described = ", ".join(f"{v.name} ({extents(v)})" for v in inputs)
    if len(inputs) != 1:
        choice = missing[0] if missing else "--output may name a value that needs the image alone"
        raise ImportRefusedError(
            f"its output depends on {len(inputs)} inputs, an image encoder's on one: "
            f"{described or 'none'}; {choice}"
        )
    value: onnx.ValueInfoProto = inputs[0]
    if len(value.type.tensor_type.shape.dim) != 4:
        raise ImportRefusedError(f"no image encoder: its input is {described}, an image has 4 axes")
    kind = value.type.tensor_type.elem_type
    if kind not in (*_FLOATS, TensorProto.UINT8):
        raise ImportRefusedError(
            f"its input {value.name} is of {TensorProto.DataType.Name(kind).lower()}; images are "
            "given as uint8 or floats"
        )
    return value


def _layout(
    value: onnx.ValueInfoProto, shape: list[int | None], said: Layout | None
) -> Layout | None:
    channels: dict[Layout, int | None] = {"nchw": shape[1], "nhwc": shape[3]}
    if said is not None:
        if channels[said] not in (3, None):
            raise ImportRefusedError(f"its input {value.name} is {extents(value)}, not {said}")
        return said
    if not {3, None}.intersection(channels.values()):
        raise ImportRefusedError(
            f"its input {value.name} is {extents(value)}: neither the second nor the last axis has "
            "the 3 colours of an image"
        )
    fitting: list[Layout] = [layout for layout, count in channels.items() if count == 3]
    return fitting[0] if len(fitting) == 1 else None


def _size(
    value: onnx.ValueInfoProto,
    shape: list[int | None],
    layout: Layout | None,
    said: Said,
    found: Found,
) -> int | None:
    # The third axis is one of pixels in either layout.
    axes = {"nchw": (2, 3), "nhwc": (1, 2), None: (2,)}[layout]
    sides = {shape[axis] for axis in axes} - {None}
    wanted = said.size or found.size
    if len(sides) > 1:
        raise ImportRefusedError(
            f"its input {value.name} is {extents(value)}, no square, and only squares are made"
        )
    if not sides:
        return wanted
    (size,) = sides
    if wanted not in (size, None):
        origin = "--size says" if said.size else f"{found.origin} says"
        raise ImportRefusedError(
            f"its input {value.name} is {extents(value)}, and {origin} {wanted}"
            + ("" if said.size else f": if the file is right, give --size {size}")
        )
    return size


def _crop(said: Said, found: Found, size: int | None, missing: list[str]) -> float:
    if said.crop is not None:
        return said.crop
    if said.resize is not None:
        if size and said.resize < size:
            raise ImportRefusedError(
                f"--resize {said.resize} is less than the {size} pixels that are cut out of it"
            )
        return (size or 0) / said.resize
    if found.crop is None and "crop" in found.problems:
        missing.append(
            f"--crop SHARE: {found.problems['crop']}; a share of the short side (1 for all of it) "
            "takes the centre square instead, which gives other embeddings than its publisher's "
            "where a photo is no square"
        )
    return found.crop or 1.0


def _squash(said: Said, found: Found) -> bool:
    if said.squash is None and (said.crop, said.resize) == (None, None):
        return found.squash
    return bool(said.squash)


def _normalisation(
    name: str, kind: int, said: Said, found: Found, missing: list[str]
) -> tuple[Triple, Triple]:
    """Mean and standard deviation of values between 0 and 1."""
    options = (said.range, said.mean, said.std)
    if kind == TensorProto.UINT8:
        if options != (None, None, None):
            raise ImportRefusedError(
                f"its input {name} is uint8, values as they are decoded: leave out --range, --mean "
                "and --std"
            )
        return (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)
    if options == (None, None, None) and found.mean and found.std:
        return found.mean, found.std
    if said.range is None:
        reason = found.problems.get("normalisation", "what values it takes, before mean and std")
        missing.append(f"--range 0-1|0-255|-1-1: {reason}")
    # Between -1 and 1 nothing is left to be normalised.
    if said.range != "-1-1":
        for option, value, neutral in (("mean", said.mean, 0), ("std", said.std, 1)):
            if value is None:
                missing.append(f"--{option} R,G,B: in the units of the range ({neutral} for none)")
    mean, std = said.mean or (0.0, 0.0, 0.0), said.std or (1.0, 1.0, 1.0)
    if min(std) <= 0:
        raise ImportRefusedError("--std must be above 0: values are divided by it")
    scale, shift = _SCALES[said.range or "0-1"]
    return (
        ((mean[0] - shift) / scale, (mean[1] - shift) / scale, (mean[2] - shift) / scale),
        (std[0] / scale, std[1] / scale, std[2] / scale),
    )
