"""JPEG files decoded and scaled by the GPU, as large sets are, against `zoo.images`."""

import io
import time

import numpy as np
import torch
from PIL import Image

from benchmarks.gpu.work import SkippedError, Work
from benchmarks.peers import photo_crops
from training.data.gpu_jpeg import Decoder, gpu_decoder, squares
from zoo.images import InputBlock, decode, read_square

_SIDE, _SIZE = 256, 64


def run(work: Work) -> None:
    """Levels apart, and images a second of both, the CPU on one core."""
    decoder = gpu_decoder() if work.device == "cuda" else _cpu_decoder()
    if decoder is None:
        raise SkippedError("torchvision is not installed, or was built without nvJPEG")
    files = [_jpeg(pixels) for pixels in photo_crops(8 if work.toy else 1024, _SIDE)]
    block, settings = InputBlock(size=_SIZE, interpolation="bicubic"), {"side": _SIDE}
    squares(files[:8], _SIZE, decoder)  # starts the decoder
    began = time.perf_counter()
    found = squares(files, _SIZE, decoder)
    speed = len(files) / (time.perf_counter() - began)
    left = sum(square is None for square in found)
    work.record("files that the decoder left", left, "", began, settings, most=0)
    work.record("GPU", speed, "images/s", began, settings)
    began = time.perf_counter()
    expected = np.stack([read_square(data, block) for data in files]).astype(int)
    speed = len(files) / (time.perf_counter() - began)
    work.record("CPU", speed, "images/s", began, settings)
    decoded = np.stack([s for s in found if s is not None]) if left < len(files) else expected[:0]
    kept = np.array([square is not None for square in found])
    apart = np.abs(decoded.astype(int) - expected[kept])
    if apart.size:
        work.record("apart, mean", float(apart.mean()), "levels", began, settings, most=1.0)
        work.record("apart, most", float(apart.max()), "levels", began, settings, most=32)


def _cpu_decoder() -> Decoder:
    """Pillow in the place of the GPU's decoder."""

    def read(data: bytes) -> torch.Tensor:
        return torch.from_numpy(np.array(decode(data).pixels)).permute(2, 0, 1)

    return lambda files: [read(data) for data in files]


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
