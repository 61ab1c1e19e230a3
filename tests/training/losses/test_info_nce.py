import math
import tempfile
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from training.losses import info_nce, info_nce_global


def brute_force(predictions: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    """Equation 4 of arXiv:1807.03748 with f = exp(prediction . target), pair by pair."""
    losses = []
    for prediction, label in zip(predictions, labels.tolist(), strict=True):
        scores = [torch.exp((prediction * target).sum()) for target in targets]
        losses.append(-torch.log(scores[label] / sum(scores)))
    return torch.stack(losses).mean()


def case(m: int, n: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(m * 100 + n)
    predictions = torch.randn(m, d, dtype=torch.float64, generator=generator).requires_grad_()
    targets = torch.randn(n, d, dtype=torch.float64, generator=generator).requires_grad_()
    return predictions, targets, torch.randint(0, n, (m,), generator=generator)


@pytest.mark.parametrize(("m", "n", "d"), [(1, 2, 3), (7, 4, 2), (5, 12, 8)])
def test_value_and_gradient_equal_the_double_loop(m, n, d) -> None:
    predictions, targets, labels = case(m, n, d)
    got, want = info_nce(predictions, targets, labels), brute_force(predictions, targets, labels)
    torch.testing.assert_close(got, want, atol=1e-12, rtol=1e-12)
    both = (predictions, targets)
    torch.testing.assert_close(
        torch.autograd.grad(got, both), torch.autograd.grad(want, both), atol=1e-12, rtol=1e-10
    )


def test_the_gradient_agrees_with_finite_differences() -> None:
    predictions, targets, labels = case(4, 5, 3)
    assert torch.autograd.gradcheck(lambda p, t: info_nce(p, t, labels), (predictions, targets))


def test_ranks_together_have_the_loss_and_the_gradient_of_one_process() -> None:
    predictions, targets, _ = case(6, 8, 3)
    labels = torch.tensor([1, 3, 0, 4, 7, 6])  # each among its own rank's targets
    loss = info_nce(predictions, targets, labels)
    want = torch.autograd.grad(loss, (predictions, targets))
    with tempfile.TemporaryDirectory() as folder:
        spawn(_rank, (labels, folder), nprocs=2)
        found = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]
    torch.testing.assert_close(sum(value for value, _ in found) / 2, loss.detach())
    for position in range(2):
        together = torch.cat([gradients[position] for _, gradients in found]) / 2
        torch.testing.assert_close(together, want[position])


def _rank(rank: int, labels: Tensor, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    first, second = (x.detach().chunk(2)[rank].requires_grad_() for x in case(6, 8, 3)[:2])
    loss = info_nce_global(first, second, labels.chunk(2)[rank] - 4 * rank)
    torch.save((loss.detach(), torch.autograd.grad(loss, (first, second))), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_predictions_that_tell_nothing_cost_log_of_the_targets() -> None:
    loss = info_nce(torch.zeros(6, 4), torch.randn(9, 4), torch.arange(6))
    assert float(loss) == pytest.approx(math.log(9), abs=1e-6)


def test_large_products_do_not_overflow() -> None:
    loss = info_nce(torch.eye(3) * 300, torch.eye(3) * 300, torch.arange(3))
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_half_precision_is_computed_in_single() -> None:
    predictions, targets, labels = case(6, 9, 4)
    half = predictions.detach().bfloat16(), targets.detach().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = info_nce(*half, labels)
    assert got.dtype == torch.float32
    want = brute_force(half[0].double(), half[1].double(), labels)
    assert float(got) == pytest.approx(float(want), rel=1e-5)


@pytest.mark.parametrize(
    ("predictions", "targets", "labels", "match"),
    [
        (torch.ones(2, 3), torch.ones(4, 2), torch.zeros(2).long(), r"\(2, 3\) and \(4, 2\)"),
        (torch.ones(3), torch.ones(4, 3), torch.zeros(1).long(), r"\(3,\) and \(4, 3\)"),
        (torch.ones(2, 3), torch.ones(4, 3), torch.zeros(3).long(), r"not \(3,\) and 4"),
        (torch.ones(2, 3), torch.ones(1, 3), torch.zeros(2).long(), r"not \(2,\) and 1"),
    ],
)
def test_wrong_input_is_refused(predictions, targets, labels, match) -> None:
    with pytest.raises(ValueError, match=match):
        info_nce(predictions, targets, labels)
