"""Encoded images -> batches of the squares that an encoder reads, decoded in threads."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from zoo.arrays import Pixels
from zoo.images import ImageError, InputBlock, read_square

Square = tuple[int, Pixels | ImageError]
"""The number of an image, and its square uint8 (size, size, 3) or why there is none."""


def read_squares(
    images: Iterable[tuple[int, bytes]], block: InputBlock, batch: int
) -> Iterator[list[Square]]:
    """The images, each a number and the bytes of a file, in their order, up to `batch` at a time.

    The next batch is decoded while one is in use.
    """

    def read(item: tuple[int, bytes]) -> Square:
        number, data = item
        try:
            return number, read_square(data, block)
        except ImageError as error:
            return number, error

    rest = iter(images)
    with ThreadPoolExecutor() as pool:
        ahead = pool.map(read, list(islice(rest, batch)))
        while current := list(ahead):
            ahead = pool.map(read, list(islice(rest, batch)))
            yield current
