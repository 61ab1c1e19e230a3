"""Random draws for a batch of which a process, or a pass, has only a share."""

import torch
from torch import Generator, Tensor


class ShareGenerator(Generator):
    """A CPU generator whose draws are the rows of share `index` of `of` equal shares of a batch.

    The whole batch's parameters are drawn everywhere (a few numbers an image) and the rows of the
    share are kept, so an image meets the same augmentation however its batch is divided.
    """

    index: int
    of: int


def share_generator(seed: int, index: int = 0, of: int = 1) -> ShareGenerator:
    """A generator of one share, begun with `seed`; without a share, of the whole batch."""
    generator = ShareGenerator()
    generator.index, generator.of = index, of
    generator.manual_seed(seed)
    return generator


def uniform(
    n: int, *shape: int, generator: Generator, low: float = 0.0, high: float = 1.0
) -> Tensor:
    """float32 (n, *shape) in [low, high), row i for image i of the generator's share."""
    total, rows = _rows(n, generator)
    return torch.empty(total, *shape).uniform_(low, high, generator=generator)[rows]


def integers(n: int, low: int, high: int, generator: Generator) -> Tensor:
    """int64 (n,) from `low` up to, and without, `high`."""
    total, rows = _rows(n, generator)
    return torch.randint(low, high, (total,), generator=generator)[rows]


def _rows(n: int, generator: Generator) -> tuple[int, slice]:
    if not isinstance(generator, ShareGenerator):
        return n, slice(n)
    return n * generator.of, slice(n * generator.index, n * (generator.index + 1))
