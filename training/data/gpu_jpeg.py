"""JPEG files decoded and scaled by the GPU, for large sets: nvJPEG, through torchvision.

Its pixels differ by a level or two from those of `zoo.images`, which a GPU may do in training data
alone. Never run on a GPU: none was at hand; with torchvision's decoder on a CPU it was.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from training.augment.geometry import cubic
from zoo.images import MAX_PIXELS

Decoder = Callable[[Sequence[bytes]], list[Tensor]]
"""JPEG files -> uint8 (3, height, width) each; raises RuntimeError where one is damaged."""

_ORIENTATION = 0x0112


def gpu_decoder() -> Decoder | None:
    """The GPU's decoder; None where there is no GPU, or torchvision was built without it."""
    if not torch.cuda.is_available():
        return None
    try:
        from torchvision.io import ImageReadMode, decode_jpeg  # noqa: PLC0415 - an extra of its own
    except (ImportError, RuntimeError):
        return None

    def decode(files: Sequence[bytes]) -> list[Tensor]:
        encoded = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files]
        decoded: list[Tensor] = decode_jpeg(encoded, mode=ImageReadMode.RGB, device="cuda")
        return decoded

    return decode


def squares(
    files: Sequence[bytes], size: int, decoder: Decoder
) -> list[npt.NDArray[np.uint8] | None]:
    """Centre squares of images, uint8 (size, size, 3), or None for what the CPU has to read.

    That is what is no JPEG, is turned by EXIF, has other colours than grey or RGB, or is damaged: a
    damaged file leaves its whole batch to the CPU, which tells which one it is.
    """
    found: list[npt.NDArray[np.uint8] | None] = [None] * len(files)
    rows = [row for row, data in enumerate(files) if _is_plain(data)]
    try:
        images = decoder([files[row] for row in rows]) if rows else []
    except RuntimeError:
        return found
    for row, image in zip(rows, images, strict=True):
        found[row] = _centre_square(image, size)
    return found


def _is_plain(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:  # its header alone
            small = image.width * image.height <= MAX_PIXELS
            upright = image.getexif().get(_ORIENTATION, 1) == 1
            return image.mode in ("RGB", "L") and small and upright
    except Exception:  # Pillow raises many types; the CPU's reader says what is wrong
        return False


def _centre_square(image: Tensor, size: int) -> npt.NDArray[np.uint8]:
    """As `zoo.images.square`, whose box may begin between two pixels."""
    side = min(image.shape[1:])
    rows, columns = (
        _weights(length, (length - side) / 2, side, size, image.device)
        for length in image.shape[1:]
    )
    scaled = rows @ image.float() @ columns.T
    pixels: npt.NDArray[np.uint8] = (
        scaled.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    )
    return pixels


def _weights(inputs: int, start: float, length: int, outputs: int, device: torch.device) -> Tensor:
    """(outputs, inputs): Pillow's bicubic filter over the `length` samples from `start`."""
    scale = length / outputs
    centre = start + (torch.arange(outputs, device=device) + 0.5) * scale
    distance = torch.arange(inputs, device=device) + 0.5 - centre[:, None]
    weights = cubic((distance / max(scale, 1)).abs())
    return weights / weights.sum(dim=1, keepdim=True)
