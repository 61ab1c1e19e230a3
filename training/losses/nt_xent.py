"""Normalised temperature-scaled cross entropy (SimCLR, arXiv:2002.05709, section 2.1, eq. 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Mean NT-Xent over all 2n views: row i of one view has row i of the other as its positive.

    Args:
        first, second: projections of the two views, (n, d); they need not be unit length.
        temperature: > 0; similarities are cosines divided by it.

    Returns:
        A scalar in nats; log(2n - 1) for projections that tell nothing.

    Raises:
        ValueError: shapes differ, n < 2 (there is no negative), or temperature <= 0.

    >>> round(float(nt_xent(torch.eye(2), torch.eye(2), 0.5)), 4)
    0.2395
    """
    if first.shape != second.shape or first.ndim != 2 or len(first) < 2:
        raise ValueError(
            f"two (n, d) views with n >= 2 are needed, not {(*first.shape,)} and {(*second.shape,)}"
        )
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    n = len(first)
    # Autocast off: in bf16 the cosines of near neighbours would be equal.
    with torch.autocast(first.device.type, enabled=False):
        wide = torch.promote_types(first.dtype, torch.float32)
        views = F.normalize(torch.cat([first, second]).to(wide), dim=1)
        logits = views @ views.T / temperature
        logits.fill_diagonal_(float("-inf"))
        positives = torch.arange(2 * n, device=first.device).roll(n)
        return F.cross_entropy(logits, positives)
