"""Whether a file is an image, told by its first bytes."""

from collections.abc import Callable
from functools import cache
from pathlib import PurePosixPath

from PIL import Image

from zoo.images import FORMATS

HEAD = 64
"""Bytes from the start of a file that `is_image` needs."""

NOT_AN_IMAGE = "not an image in a format that is read"

_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".avif", ".ppm", ".heic", ".heif"),
)


def is_image(head: bytes) -> bool:
    """Whether these first bytes are those of a format that `zoo.images` reads."""
    return bool(head) and any(accept(head[:16]) is True for accept in _accepts())


def is_named_as_image(path: str) -> bool:
    """Whether its name says that it is an image.

    Such a file is listed whatever it holds, so that its reader says what is wrong with it: a photo
    that was cut to nothing is a damaged photo and no stray file.
    """
    return PurePosixPath(path).suffix.lower() in _SUFFIXES


@cache
def _accepts() -> list[Callable[[bytes], bool | str]]:
    Image.init()
    return [accept for name in FORMATS if (accept := Image.OPEN[name][1]) is not None]
