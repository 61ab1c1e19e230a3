"""How photos are prepared, as it is written down beside a graph or in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.errors import ImportRefusedError
from zoo.graphs.rewrite import INPUT
from zoo.images import InputBlock

CONFIG = "preprocessor_config.json"

_RESAMPLE: Mapping[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
_OTHERS = {0: "nearest", 1: "lanczos", 4: "box", 5: "hamming"}


@dataclass(frozen=True)
class Found:
    """What is written down; None where it is not.

    mean, std: of values between 0 and 1.
    problems: what is asked for and not done here, by `crop`, `interpolation` or `normalisation`.
    """

    origin: str = ""
    size: int | None = None
    crop: float | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


def find_preprocessing(file: Path, metadata: Mapping[str, str]) -> Found:
    """What `preprocessor_config.json` beside the file, else the file's metadata, says.

    Raises:
        ImportRefusedError: it cannot be understood.
    """
    config = file.parent / CONFIG
    if config.is_file():
        return read_config(config)
    if INPUT in metadata:
        try:
            block = InputBlock.model_validate_json(metadata[INPUT])
        except ValidationError as error:
            raise ImportRefusedError(f"its metadata {INPUT!r}: {_first(error)}") from None
        return Found(
            "its metadata", block.size, block.crop, block.interpolation, block.mean, block.std
        )
    return Found()


def read_config(path: Path) -> Found:
    """What Hugging Face's `preprocessor_config.json` says.

    Raises:
        ImportRefusedError: it is no such file, or its sizes are not of squares.
    """
    try:
        config = _Config.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        raise ImportRefusedError(f"{path}: {_first(error)}") from None
    except (ValueError, RecursionError) as error:
        raise ImportRefusedError(f"{path}: not JSON ({error})") from None
    if config.do_flip_channel_order:
        raise ImportRefusedError(f"{path}: the graph wants blue first, and only red first is done")
    problems: dict[str, str] = {}
    size, crop = _square(config, problems, path)
    mean, std = _normalisation(config, problems)
    interpolation = _RESAMPLE.get(config.resample if config.resample is not None else -1)
    if config.do_resize and config.resample is not None and interpolation is None:
        name = _OTHERS.get(config.resample, "unknown")
        problems["interpolation"] = f"{path.name} says {config.resample} ({name}), not done here"
    return Found(path.name, size, crop, interpolation, mean, std, problems)


class _Config(BaseModel):
    model_config = ConfigDict(extra="ignore")

    size: int | dict[str, int] | None = None
    crop_size: int | dict[str, int] | None = None
    crop_pct: float | None = None
    do_resize: bool = True
    do_center_crop: bool | None = None
    resample: int | None = None
    do_rescale: bool = True
    rescale_factor: float = 1 / 255
    rescale_offset: bool | None = None
    do_normalize: bool = True
    image_mean: float | tuple[float, float, float] | None = None
    image_std: float | tuple[float, float, float] | None = None
    do_flip_channel_order: bool | None = None
    do_pad: bool | None = None


def _square(
    config: _Config, problems: dict[str, str], path: Path
) -> tuple[int | None, float | None]:
    """Side of the input, and the share of the short side that it shows."""
    resized, cropped = _side(config.size, path), _side(config.crop_size, path)
    centre = config.do_center_crop
    if centre is None:  # written by classes that know no other way
        centre = config.crop_size is not None or config.crop_pct is not None
    if config.do_pad:
        problems["crop"] = f"{path.name} pads photos, which is not done here"
        return (cropped if centre else resized), None
    if not config.do_resize:
        problems["crop"] = f"{path.name} takes photos at the size they have, not done here"
        return (cropped if centre else resized), None
    # Of its class: below 384 pixels, `size` are cut out of `size / crop_pct`; else all is squeezed.
    if config.crop_pct is not None and (resized or 0) < 384:
        return resized, config.crop_pct
    if not centre or config.crop_pct is not None:
        if resized:
            problems["crop"] = (
                f"{path.name} squeezes the whole photo into {resized} x {resized} pixels whatever "
                "its shape, which is not done here"
            )
        return resized, None
    if resized and cropped and cropped > resized:
        problems["crop"] = f"{path.name} cuts {cropped} pixels out of {resized}, with a border"
        return cropped, None
    return cropped or resized, cropped / resized if cropped and resized else None


def _side(size: int | dict[str, int] | None, path: Path) -> int | None:
    if size is None or isinstance(size, int):
        return size
    if "shortest_edge" in size:
        return size["shortest_edge"]
    if size.get("height") is not None and size.get("height") == size.get("width"):
        return size["height"]
    raise ImportRefusedError(f"{path}: the size {size} is no square, and only squares are made")


def _normalisation(config: _Config, problems: dict[str, str]) -> tuple[Any, Any]:
    if config.rescale_offset:
        problems["normalisation"] = "its config has a rescale_offset; often that is -1-1"
        return None, None
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if config.do_normalize:
        if config.image_mean is None or config.image_std is None:
            return None, None
        mean, std = _triple(config.image_mean), _triple(config.image_std)
    # Of values between 0 and 1, which 1/255 leaves as they are.
    scale = round(255 * config.rescale_factor, 9) if config.do_rescale else 255.0
    return tuple(value / scale for value in mean), tuple(value / scale for value in std)


def _triple(value: float | tuple[float, float, float]) -> tuple[float, float, float]:
    return value if isinstance(value, tuple) else (value, value, value)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
