"""Where numbers stopped being finite."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from training.methods.method import named


@torch.no_grad()
def first_not_finite(network: nn.Module, views: Tensor | dict[str, Tensor]) -> str:
    """What to tell of a step whose loss or gradient is not finite: its first such tensor.

    Weights come first, then the views, the output of each module in the order they run, and the
    gradients from the loss backwards. The network runs once more, in the mode it is in.
    """
    if bad := [name for name, weight in network.named_parameters() if not _finite(weight)]:
        return f"the weight {bad[0]} is not finite{_more(bad)}: the update before was too large"
    if not all(map(_finite, named(views).values())):
        return "the views are not finite: the fault is in the augmentation"
    if name := next(_modules_not_finite(network, views), None):
        return f"the output of {name} is the first that is not finite"
    gradients = [(n, p.grad) for n, p in network.named_parameters() if p.grad is not None]
    if bad := [name for name, grad in reversed(gradients) if not _finite(grad)]:
        return f"the gradient of {bad[0]} is not finite{_more(bad)}"
    return "every tensor of this process is finite: it is the loss itself, or another process"


def _modules_not_finite(network: nn.Module, views: Tensor | dict[str, Tensor]) -> Iterator[str]:
    """Names of the innermost modules whose output is not finite, in the order they ran."""
    found: list[str] = []

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def look(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not _finite(output):
                found.append(name)

        return network.get_submodule(name).register_forward_hook(look)

    leaves = [name for name, module in network.named_modules() if not list(module.children())]
    handles = [watch(name) for name in leaves]
    try:
        network(views)
    finally:
        for handle in handles:
            handle.remove()
    yield from found


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _more(names: list[str]) -> str:
    return f" (nor are {len(names) - 1} more)" if len(names) > 1 else ""
