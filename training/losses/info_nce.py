"""InfoNCE (van den Oord et al. 2018, arXiv:1807.03748, section 2.3): find the target among many."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.nn import functional as collectives


def info_nce(predictions: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the inner products of each prediction with all targets.

    Args:
        predictions: (m, d). targets: (n, d); every one but its own is a negative of a prediction.
        labels: int64 (m,), the row of each prediction's target.

    Returns:
        A scalar in nats; log(n) for predictions that tell nothing.

    Raises:
        ValueError: the shapes do not fit, or n < 2 (there is no negative).

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), torch.arange(2))), 4)
    0.3133
    """
    if predictions.ndim != 2 or targets.ndim != 2 or predictions.shape[1] != targets.shape[1]:
        raise ValueError(
            "(m, d) predictions and (n, d) targets are needed, not "
            f"{(*predictions.shape,)} and {(*targets.shape,)}"
        )
    if len(targets) < 2 or labels.shape != predictions.shape[:1] or not len(predictions):
        raise ValueError(
            f"a label for each of {len(predictions)} predictions and two targets or more are "
            f"needed, not {(*labels.shape,)} and {len(targets)}"
        )
    # Autocast off: in bf16 the products of near neighbours would be equal.
    with torch.autocast(predictions.device.type, enabled=False):
        wide = torch.promote_types(predictions.dtype, torch.float32)
        return F.cross_entropy(predictions.to(wide) @ targets.to(wide).T, labels)


def info_nce_global(
    predictions: Tensor, targets: Tensor, labels: Tensor, group: dist.ProcessGroup | None = None
) -> Tensor:
    """`info_nce` of this process's predictions among the targets of all ranks of a process group.

    Every rank gives as many of each. The mean over ranks of the loss and of its gradient are those
    of one process that holds everything: a target's gradient is the sum over the ranks.
    """
    gathered = torch.cat(collectives.all_gather(targets, group))  # type: ignore[no-untyped-call]
    return info_nce(predictions, gathered, labels + dist.get_rank(group) * len(targets))
