"""Normalised temperature-scaled cross entropy (SimCLR, arXiv:2002.05709, section 2.1, eq. 1).

The 2n x 2n similarities are never held at once: they are made a few rows at a time, once for the
loss and once more for its gradient, which has a closed form. Memory grows with n * d.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

# Similarities held at a time. A CPU is fastest where they stay in its cache; a GPU needs wide
# products to be busy.
_TILE_CPU, _TILE_GPU = 1 << 19, 1 << 26
_LEAST_SINGLE, _LEAST = 0.025, 0.005


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Mean NT-Xent over all 2n views: row i of one view has row i of the other as its positive.

    Args:
        first, second: projections of the two views, (n, d); they need not be unit length.
        temperature: at least 0.005; similarities are cosines divided by it.

    Returns:
        A scalar in nats; log(2n - 1) for projections that tell nothing.

    Raises:
        ValueError: shapes differ, n < 2 (there is no negative), or temperature < 0.005.

    >>> round(float(nt_xent(torch.eye(2), torch.eye(2), 0.5)), 4)
    0.2395
    """
    return _loss(first, second, temperature, None)


def nt_xent_global(
    first: Tensor, second: Tensor, temperature: float, group: dist.ProcessGroup | None = None
) -> Tensor:
    """`nt_xent` over the views of all ranks of a process group, the default one where None.

    Every rank gives n pairs, the same number, and gets the loss of all of them. Its gradient is
    the number of ranks times that loss's, so that the mean over ranks which data-parallel training
    takes is the gradient a single process would have. Ranks exchange embeddings and two numbers a
    view in the forward pass, nothing in the backward pass.
    """
    return _loss(first, second, temperature, group or dist.group.WORLD)


def _loss(
    first: Tensor, second: Tensor, temperature: float, group: dist.ProcessGroup | None
) -> Tensor:
    pairs = len(first) * (dist.get_world_size(group) if group else 1)
    if first.shape != second.shape or first.ndim != 2 or pairs < 2:
        raise ValueError(
            f"two (n, d) views with n >= 2 are needed, not {(*first.shape,)} and {(*second.shape,)}"
        )
    if temperature < _LEAST:
        raise ValueError(f"temperature must be at least {_LEAST}, not {temperature}")
    # Autocast off: in bf16 the cosines of near neighbours would be equal.
    with torch.autocast(first.device.type, enabled=False):
        # exp((cosine - 1) / temperature) and its inverse must not leave the type's range.
        range_ = torch.float32 if temperature >= _LEAST_SINGLE else torch.float64
        wide = torch.promote_types(first.dtype, range_)
        views = F.normalize(torch.cat([first, second]).to(wide), dim=1)
        loss: Tensor = _NTXent.apply(views, temperature, group)  # type: ignore[no-untyped-call]
        return loss


class _NTXent(torch.autograd.Function):
    """Rows: this rank's 2n unit-length views. Columns: those of all ranks, in rank order.

    With e_ij = exp((cosine_ij - 1) / temperature) for j != i, e_ii = 0, and S_i the sum of row i,
    the loss is the mean of log S_i - log e_i,pos(i). As e is symmetric, the gradient with respect
    to view i is the sum over j of e_ij (1 / S_i + 1 / S_j) view_j, less 2 view_pos(i), over
    temperature and count.
    """

    @staticmethod
    def forward(
        ctx: Any, views: Tensor, temperature: float, group: dist.ProcessGroup | None
    ) -> Tensor:
        columns = _gathered(views, group)
        ctx.temperature = temperature
        ctx.offset = len(views) * (dist.get_rank(group) if group else 0)
        sums = views.new_empty(len(views))
        for rows, tile in _tiles(views, columns, temperature, ctx.offset):
            torch.sum(tile, dim=1, out=sums[rows])
        positives = ((views * _partners(views)).sum(dim=1) - 1) / temperature
        losses = _gathered(sums.log() - positives, group)
        ctx.save_for_backward(views, columns, _gathered(sums, group))
        return losses.mean()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        views, columns, sums = ctx.saved_tensors
        inverse = 1 / sums
        own = inverse[ctx.offset : ctx.offset + len(views), None]
        gradient = -2 * _partners(views)
        for rows, tile in _tiles(views, columns, ctx.temperature, ctx.offset):
            weights = (tile * inverse).addcmul_(tile, own[rows])
            gradient[rows].addmm_(weights, columns)
        gradient *= upstream / (len(views) * ctx.temperature)
        return gradient, None, None


def _tiles(
    views: Tensor, columns: Tensor, temperature: float, offset: int
) -> Iterator[tuple[slice, Tensor]]:
    """(rows, their e with all columns), a few rows at a time."""
    budget = _TILE_CPU if views.device.type == "cpu" else _TILE_GPU
    height = max(1, budget // len(columns))
    shift = views.new_tensor(-1 / temperature)
    for start in range(0, len(views), height):
        rows = slice(start, min(start + height, len(views)))
        tile = torch.addmm(shift, views[rows], columns.T, alpha=1 / temperature).exp_()
        tile.diagonal(offset + start).zero_()
        yield rows, tile


def _partners(views: Tensor) -> Tensor:
    """The positive of each view: the halves change places."""
    return views.roll(len(views) // 2, dims=0)


def _gathered(rows: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The rows of all ranks, in rank order."""
    if group is None:
        return rows
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, rows.contiguous(), group)
    return torch.cat(parts)
