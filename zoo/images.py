"""Bytes of an image -> the uint8 square an encoder reads.

The one definition that the gateway, export and evaluation share: what happens here is part of the
embedding space, so it is driven by the `input` block of a package's `model.json` alone.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, model_validator

from zoo.arrays import Pixels
from zoo.sampling import resample

MAX_PIXELS = 50_000_000
"""Pixels an image may have (a WebP half of them), checked before it is decoded."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""Pillow's names of the formats that are read; of an animation or a sequence, the first frame.

JPEG includes MPO. Icons are left out: Pillow decodes them while opening, before any limit.
"""

_MAX_SCANS = 50  # progressive JPEGs have about 10; each one more costs a pass over all pixels
_BAND = 1 << 20  # pixels converted at a time, so that a conversion needs little memory of its own

# Pillow warns of large images and odd metadata; limits are ours, and the metadata is not used.
warnings.filterwarnings("ignore", module=r"PIL\b")


class InputBlock(BaseModel):
    """How an image becomes the input of an encoder; the `input` block of `model.json`.

    The centre square of side `crop * short side` is resampled to `size` x `size`, with
    antialiasing; with `squash`, the centre `crop` of both sides, whatever its shape. Without
    `antialias` (`zoo.sampling`), the square is one of whole pixels, and of each of its values only
    the nearest pixels count, as TensorFlow 1's `resize_bicubic` and `resize_bilinear` had it. The
    graph maps uint8 to `(value / 255 - mean) / std` by itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=8, le=1024, description="side of the square input, in pixels")
    crop: float = Field(
        1.0, gt=0, le=1, description="side of the square, as a share of the short side"
    )
    # Written only where it is set, so that the spaces of encoders without it stay what they were.
    squash: bool = Field(
        False,
        exclude_if=lambda value: value is False,
        description="take the share of both sides, and squeeze it into the square",
    )
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    # Written only where it is set, so that the spaces of encoders without it stay what they were.
    antialias: bool = Field(
        True,
        exclude_if=lambda value: value is True,
        description="false: the square has whole pixels, and is sampled as TensorFlow 1 did",
    )
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if self.squash and not self.antialias:
            raise ValueError("what is squeezed is sampled with antialiasing: leave out one")
        return self

    @property
    def part(self) -> str:
        """How much of a photo it shows, for people."""
        sides = "both sides, squeezed into a square" if self.squash else "the short side"
        return f"{self.crop:.1%} of {sides}"


class ImageError(ValueError):
    """An image that cannot be read; the message says what is wrong with it and what to do.

    `kind` is a stable word for programs: `empty`, `format`, `corrupt` or `too-large`.
    """

    def __init__(
        self, kind: Literal["empty", "format", "corrupt", "too-large"], message: str
    ) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Photo:
    """A decoded image: `pixels` in RGB as stored, not yet turned by its `orientation` (1-8)."""

    pixels: Image.Image
    orientation: int


def read_square(data: bytes, block: InputBlock, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The encoder's input for one image file: uint8 (size, size, 3), RGB, upright.

    Raises:
        ImageError: the bytes are not an image that can be read whole.
    """
    return square(decode(data, max_pixels), block)


def square(photo: Photo, block: InputBlock) -> Pixels:
    """The centre of a decoded image at the encoder's size, uint8 (size, size, 3).

    It is cut before the image is turned: the centre turns into itself, so the eight orientations of
    one photo agree and nothing large is copied.
    """
    if not block.antialias:
        return _sampled(photo, block)
    width, height = photo.pixels.size
    sides = (width, height) if block.squash else (min(width, height),) * 2
    w, h = block.crop * sides[0], block.crop * sides[1]
    box = ((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)
    resample = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    small = photo.pixels.resize((block.size, block.size), resample[block.interpolation], box)
    return np.asarray(_upright(small, photo.orientation))


def thumbnail(photo: Photo, side: int = 256) -> bytes:
    """A JPEG of the whole image, upright, its sides from 1 to `side` pixels."""
    width, height = photo.pixels.size
    share = min(1.0, side / max(width, height))
    # The short side of a thin image would round to nothing.
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = photo.pixels.resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    _upright(small, photo.orientation).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode the first frame of an image file to 8-bit RGB.

    Transparency is laid over white; 16-bit samples are scaled, not clipped; CMYK and Lab are
    converted. The pixel count is checked against `max_pixels` before anything is decoded.

    Raises:
        ImageError: empty, not an image, of a format that is not read, damaged, or too large.
    """
    if not data:
        raise ImageError("empty", "the file is empty (0 bytes): send the image again")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_cost(image, data, max_pixels)
            image.load()
            # After loading: a PNG may carry it at its end, and Pillow turns a TIFF by itself.
            return Photo(_to_rgb(image), _orientation(image))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            "format",
            "not an image in a format that is read: send JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP "
            "or PPM",
        ) from None
    except Image.DecompressionBombError:
        raise ImageError("too-large", _too_large(max_pixels)) from None
    except MemoryError:
        raise ImageError("too-large", "too large to decode in this machine's memory") from None
    except Exception as error:  # decoders raise whatever they meet in damaged bytes
        raise ImageError("corrupt", f"the image is damaged or incomplete ({error})") from error


def _sampled(photo: Photo, block: InputBlock) -> Pixels:
    """As Google's evaluation cuts and samples, of the photo as it is seen.

    What is left over of an odd number of pixels stays at the right and the bottom. So a little more
    than the square is cut first, evenly, which turns into itself.
    """
    width, height = photo.pixels.size
    # As NumPy and TensorFlow round, half to even, and in float32.
    side = max(1, int(np.rint(np.float32(block.crop) * np.float32(min(width, height)))))
    left, top = (width - side) // 2, (height - side) // 2
    cut = _upright(photo.pixels.crop((left, top, width - left, height - top)), photo.orientation)
    left, top = cut.width - side, cut.height - side
    return resample(np.asarray(cut)[top:, left:], block.size, block.interpolation)


def _check_cost(image: Image.Image, data: bytes, max_pixels: int) -> None:
    width, height = image.size
    if image.format == "WEBP":  # its decoder holds four copies of the frame
        max_pixels //= 2
    if width * height > max_pixels:
        raise ImageError("too-large", f"{width} x {height} pixels; {_too_large(max_pixels)}")
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > _MAX_SCANS:
        raise ImageError(
            "too-large", f"a JPEG of more than {_MAX_SCANS} scans: save it as baseline JPEG"
        )


def _too_large(max_pixels: int) -> str:
    return f"at most {max_pixels / 1e6:g} million pixels are read: scale the image down first"


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or where the metadata cannot be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    convert = _converter(image)
    flat = Image.new("RGB", image.size)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        flat.paste(convert(band), (0, top))
    return flat


def _converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _scaled_to_8_bits
    if image.mode == "LAB":
        return _lab_to_rgb()
    if image.has_transparency_data:
        return _over_white
    return lambda band: band.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """Samples of 16 bits (also where Pillow holds them in 32) scaled to 0-255; floats from 0-1."""
    samples = np.asarray(image)
    scaled = np.nan_to_num(samples) * 255.0 if image.mode == "F" else samples / 257.0
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8), "L").convert("RGB")


def _lab_to_rgb() -> Callable[[Image.Image], Image.Image]:
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    return lambda band: ImageCms.applyTransform(band, transform) or band.convert("RGB")


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
