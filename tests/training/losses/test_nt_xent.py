import math
import sys
import tempfile
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from training.losses import nt_xent, nt_xent_global


def brute_force(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Equation 1 of arXiv:2002.05709, pair by pair."""
    views = [*first, *second]
    n = len(first)

    def similarity(i: int, j: int) -> Tensor:
        a, b = views[i], views[j]
        return a @ b / (a.norm() * b.norm())

    losses = []
    for i in range(2 * n):
        positive = (i + n) % (2 * n)
        others = [torch.exp(similarity(i, k) / temperature) for k in range(2 * n) if k != i]
        losses.append(-torch.log(torch.exp(similarity(i, positive) / temperature) / sum(others)))
    return torch.stack(losses).mean()


def views(n: int, d: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n * 100 + d)
    first, second = torch.randn(2, n, d, dtype=torch.float64, generator=generator)
    return first.requires_grad_(), second.requires_grad_()


@pytest.mark.parametrize("temperature", [0.01, 0.05, 0.5, 2.0])
@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 4), (8, 16)])
def test_value_and_gradient_equal_the_double_loop(n: int, d: int, temperature: float) -> None:
    pair = views(n, d)
    got, want = nt_xent(*pair, temperature), brute_force(*pair, temperature)
    torch.testing.assert_close(got, want, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(got, pair), torch.autograd.grad(want, pair), atol=1e-11, rtol=1e-9
    )


@pytest.mark.parametrize("budget", [1, 40, 48, 10_000])
def test_the_height_of_the_tiles_changes_nothing(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[nt_xent.__module__], "_TILE_CPU", budget)
    pair = views(8, 5)
    got, want = nt_xent(*pair, 0.1), brute_force(*pair, 0.1)
    torch.testing.assert_close(got, want, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(got, pair), torch.autograd.grad(want, pair), atol=1e-11, rtol=1e-9
    )


def test_single_precision_holds_at_a_low_temperature() -> None:
    first, _ = views(300, 16)
    second = first + 0.5 * views(300, 16)[1]
    exact = nt_xent(first, second, 0.025)
    single = nt_xent(first.float(), second.float(), 0.025)
    assert float(single.detach()) == pytest.approx(float(exact.detach()), rel=1e-5)


@pytest.mark.parametrize("ranks", [3])
def test_ranks_together_have_the_loss_and_the_gradient_of_one_process(ranks: int) -> None:
    pair = views(6, 4)
    loss = nt_xent(*pair, 0.2)
    want = torch.autograd.grad(loss, pair)
    with tempfile.TemporaryDirectory() as folder:
        spawn(_rank, (ranks, folder), nprocs=ranks)
        found = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(ranks)]
    for value, _ in found:
        torch.testing.assert_close(value, loss.detach())
    for view in range(2):
        together = torch.cat([gradients[view] for _, gradients in found]) / ranks
        torch.testing.assert_close(together, want[view])


def _rank(rank: int, ranks: int, folder: str) -> None:
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=ranks)
    first, second = (x.chunk(ranks)[rank].detach().requires_grad_() for x in views(6, 4))
    loss = nt_xent_global(first, second, 0.2)
    gradients = torch.autograd.grad(loss, (first, second))
    torch.save((loss.detach(), gradients), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_the_gradient_agrees_with_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.3), views(4, 3))


def test_projections_that_tell_nothing_cost_log_of_the_others() -> None:
    same = torch.ones(6, 4)
    assert float(nt_xent(same, same, 0.1)) == pytest.approx(math.log(11), abs=1e-5)


def test_half_precision_is_computed_in_single() -> None:
    first, second = (x.detach().to(torch.bfloat16) for x in views(8, 16))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = nt_xent(first, second, 0.1)
    assert got.dtype == torch.float32
    want = brute_force(first.double(), second.double(), 0.1)
    assert float(got) == pytest.approx(float(want), rel=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "temperature", "match"),
    [
        (torch.ones(1, 3), torch.ones(1, 3), 0.5, "n >= 2"),
        (torch.ones(4, 3), torch.ones(3, 3), 0.5, r"\(4, 3\) and \(3, 3\)"),
        (torch.ones(4), torch.ones(4), 0.5, "n >= 2"),
        (torch.ones(4, 3), torch.ones(4, 3), 0.0, "temperature"),
    ],
)
def test_wrong_input_is_refused(first, second, temperature, match) -> None:
    with pytest.raises(ValueError, match=match):
        nt_xent(first, second, temperature)
