"""The images of each step on the device, read ahead or resident."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.data.packed import Packed

Batches = Callable[[int], tuple[int, npt.NDArray[np.int64]]]
"""step -> the number of a source and the rows to take from it."""

_LEFT_FREE = 16 << 30  # bytes of a GPU's memory that the network and its activations may need


class Feed:
    """Batches of pixels by step, for `steps` steps, and which of the sources' images they are.

    Sources that fit in the memory of a GPU, with 16 GiB to spare, are copied there once. Otherwise
    a thread reads the next step's images while the device works on this one's.
    `waited`: seconds that `images` has kept its caller waiting since `waited` was last set to 0.
    """

    def __init__(
        self, sources: list[Packed], batches: Batches, steps: int, device: torch.device
    ) -> None:
        self._sources, self._batches, self._steps, self._device = sources, batches, steps, device
        self._resident = _resident(sources, device)
        self._first = np.cumsum([0, *map(len, sources)])  # image of each source, among all
        self._reader = ThreadPoolExecutor(1, "feed")
        self._ahead: tuple[int, Future[tuple[Tensor, Tensor]]] | None = None
        self.waited = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.shutdown(cancel_futures=True)

    @property
    def resident(self) -> bool:
        """Whether the sources are in the device's memory."""
        return self._resident is not None

    def images(self, step: int) -> tuple[Tensor, Tensor]:
        """uint8 (n, side, side, 3) and the place of each image among those of all sources, int64
        (n,); both on the device.
        """
        began = time.perf_counter()
        if self._resident is not None:
            number, rows = self._batches(step)
            chosen = torch.from_numpy(rows).to(self._device, non_blocking=True)
            images, index = self._resident[number][chosen], chosen + int(self._first[number])
        else:
            images, index = (x.to(self._device, non_blocking=True) for x in self._next(step))
        self.waited += time.perf_counter() - began
        return images, index

    def _next(self, step: int) -> tuple[Tensor, Tensor]:
        """What `images` gives, in the host's memory, while the reader turns to the next step."""
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = step, self._reader.submit(self._read, step)
        found = self._ahead[1].result()
        following = step + 1
        self._ahead = (
            (following, self._reader.submit(self._read, following))
            if following < self._steps
            else None
        )
        return found

    def _read(self, step: int) -> tuple[Tensor, Tensor]:
        number, rows = self._batches(step)
        images = torch.from_numpy(self._sources[number].pixels[rows])
        index = torch.from_numpy(rows + self._first[number])
        on_gpu = self._device.type == "cuda"
        return (images.pin_memory(), index.pin_memory()) if on_gpu else (images, index)


def _resident(sources: list[Packed], device: torch.device) -> list[Tensor] | None:
    """The sources on the device, or None where they stay in files."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if sum(source.pixels.nbytes for source in sources) > free - _LEFT_FREE:
        return None
    return [torch.from_numpy(np.array(source.pixels)).to(device) for source in sources]
