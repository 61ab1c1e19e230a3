"""How photos are prepared, as it is written down beside a graph or in it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.errors import ImportRefusedError
from zoo.graphs.rewrite import INPUT
from zoo.images import InputBlock

CONFIGS = ("preprocessor_config.json", "processor_config.json")
"""The second, of newer releases, has the same inside `image_processor`."""

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
    squash: bool = False
    interpolation: Literal["bilinear", "bicubic"] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


def find_preprocessing(file: Path, metadata: Mapping[str, str]) -> Found:
    """What `preprocessor_config.json` beside the file, else the file's metadata, says.

    Of a file in a folder `onnx`, as Hugging Face's hub has them, also what lies beside that folder.

    Raises:
        ImportRefusedError: it cannot be understood.
    """
    parents = file.absolute().parents
    for folder in parents[:2] if parents[0].name == "onnx" else parents[:1]:
        for name in CONFIGS:
            if (folder / name).is_file():
                return read_config(folder / name)
    if INPUT in metadata:
        try:
            block = InputBlock.model_validate_json(metadata[INPUT])
        except ValidationError as error:
            raise ImportRefusedError(f"its metadata {INPUT!r}: {_first(error)}") from None
        return Found(
            "its metadata",
            block.size,
            block.crop,
            block.squash,
            block.interpolation,
            block.mean,
            block.std,
        )
    return Found()


def read_config(path: Path) -> Found:
    """What Hugging Face's `preprocessor_config.json` says, as its classes read it.

    Of CLIP, SigLIP, ViT, DeiT, BEiT, BiT (DINOv2) and ConvNeXt; others by the same names.

    Raises:
        ImportRefusedError: it is no such file, or its sizes are not of squares.
    """
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            content = content.get("image_processor", content)
        config = _Config.model_validate(content)
    except ValidationError as error:
        raise ImportRefusedError(f"{path}: {_first(error)}") from None
    except (ValueError, RecursionError) as error:
        raise ImportRefusedError(f"{path}: not JSON ({error})") from None
    if config.do_flip_channel_order:
        raise ImportRefusedError(f"{path}: the graph wants blue first, and only red first is done")
    problems: dict[str, str] = {}
    size, crop, squash = _square(config, problems, path)
    mean, std = _normalisation(config, problems)
    resample = config.resample
    if resample is None and config.kind is not None:
        resample = _DEFAULT_RESAMPLE.get(config.kind)
    interpolation = _RESAMPLE.get(resample if resample is not None else -1)
    if config.do_resize and resample is not None and interpolation is None:
        name = _OTHERS.get(resample, "unknown")
        problems["interpolation"] = f"{path.name} says {resample} ({name}), not done here"
    return Found(path.name, size, crop, squash, interpolation, mean, std, problems)


class _Config(BaseModel):
    model_config = ConfigDict(extra="ignore")

    image_processor_type: str | None = None
    feature_extractor_type: str | None = None
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

    @property
    def kind(self) -> str | None:
        """`CLIP` of CLIPImageProcessor, CLIPImageProcessorFast and CLIPFeatureExtractor."""
        name = self.image_processor_type or self.feature_extractor_type or ""
        found = re.fullmatch(r"(\w+?)(ImageProcessor(Fast|Pil)?|FeatureExtractor)", name)
        return found[1] if found else None


def _square(
    config: _Config, problems: dict[str, str], path: Path
) -> tuple[int | None, float | None, bool]:
    """Side of the input, the share of a photo that it shows, and whether of both sides."""
    resized, cropped = _side(config.size, path), _side(config.crop_size, path)
    centre = config.do_center_crop
    if centre is None:  # written by classes that know no other way
        centre = config.crop_size is not None
    if config.do_pad:
        problems["crop"] = f"{path.name} pads photos, which is not done here"
        return (cropped if centre else resized), None, False
    if not config.do_resize:
        problems["crop"] = f"{path.name} takes photos at the size they have, not done here"
        return (cropped if centre else resized), None, False
    if config.kind == "ConvNext" or config.crop_pct is not None:
        # Below 384 pixels, `size` are cut out of `size / crop_pct`; else all is squeezed.
        whole = (resized or 0) >= _CONVNEXT_WHOLE
        return resized, 1.0 if whole else config.crop_pct or _CONVNEXT_CROP, whole
    squash = _is_of_both_sides(config, centre)
    if not centre:
        if not squash:
            problems["crop"] = f"{path.name} keeps the shape of photos, and only squares are made"
        return resized, 1.0 if squash else None, squash
    if resized and cropped and cropped > resized:
        problems["crop"] = f"{path.name} cuts {cropped} pixels out of {resized}, with a border"
        return cropped, None, squash
    return cropped or resized, cropped / resized if cropped and resized else None, squash


def _is_of_both_sides(config: _Config, centre: bool) -> bool:
    """Whether `size` is that of both sides, into which a photo is squeezed, or of the short one."""
    if isinstance(config.size, dict):
        return "shortest_edge" not in config.size
    if config.size is None:
        return False
    if config.kind in _SHORT_SIDE | _BOTH_SIDES:
        return config.kind in _BOTH_SIDES
    return not centre


_SHORT_SIDE = {"CLIP", "ChineseCLIP", "Bit"}
_BOTH_SIDES = {"ViT", "DeiT", "Beit", "Siglip"}
"""What `size` as one number means to a class."""

_DEFAULT_RESAMPLE = {"ViT": 2, "ConvNext": 2}
"""Of classes whose default is not bicubic."""

_CONVNEXT_WHOLE, _CONVNEXT_CROP = 384, 224 / 256


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
