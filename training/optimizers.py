"""The optimizers of a recipe, LARS among them, and the learning-rate schedule of SimCLR."""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:  # a recipe holds the settings of a method, and a method makes its optimizers
    from training.recipe import Recipe


def build_optimizer(recipe: "Recipe", module: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer over all parameters; those of one dimension never decay."""
    groups = parameter_groups(module)
    lr, decay = recipe.peak_lr, recipe.weight_decay
    if recipe.optimizer == "lars":
        return LARS(groups, lr=lr, weight_decay=decay)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=0.9, weight_decay=decay, nesterov=True)
    return torch.optim.AdamW(groups, lr=lr, betas=recipe.betas, weight_decay=decay)


def parameter_groups(module: nn.Module) -> list[dict[str, object]]:
    """Tensors of one dimension (biases, normalisation) neither decay nor are adapted by LARS.

    By dimension and not by name: `downsample.1` is a normalisation too.
    """
    parameters = list(module.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "adapt": False},
    ]


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling (You et al. 2017, arXiv:1708.03888), as SimCLR uses it.

    The learning rate stands inside the momentum ("classic" momentum). Groups with `adapt=False`
    (biases and normalisation) get plain momentum SGD without weight decay. Norms stay on the
    device: no tensor waits for the host.
    """

    def __init__(
        self,
        parameters: Iterable[dict[str, object]],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 1e-6,
        trust: float = 1e-3,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust": trust,
            "adapt": True,
        }
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient. A closure is not supported."""
        if closure is not None:
            raise ValueError("LARS takes no closure: call backward() before step()")
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients: list[Tensor] = [p.grad for p in parameters]
            if group["adapt"]:
                gradients = _adapted(parameters, gradients, group["weight_decay"], group["trust"])
            for p in parameters:
                if "momentum" not in self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            buffers = [self.state[p]["momentum"] for p in parameters]
            torch._foreach_mul_(buffers, group["momentum"])
            torch._foreach_add_(buffers, gradients, alpha=group["lr"])
            torch._foreach_sub_(parameters, buffers)


def _adapted(
    parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, trust: float
) -> list[Tensor]:
    """Decayed gradients, each scaled by trust * |w| / |g|; by 1 where either norm is 0."""
    decayed = torch._foreach_add(gradients, parameters, alpha=weight_decay)
    weights = torch.stack(torch._foreach_norm(parameters))
    norms = torch.stack(torch._foreach_norm(decayed))
    usable = (weights > 0) & (norms > 0)
    ratios = torch.where(usable, trust * weights / norms, torch.ones_like(norms))
    return list(torch._foreach_mul(decayed, list(ratios.unbind())))


def cosine_with_warmup(step: int, warmup: int, total: int) -> float:
    """The share of the base rate at `step` (from 0): linear up, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
