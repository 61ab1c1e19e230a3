"""Batches larger than a device's memory: a loss over embeddings that are computed in parts."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor

from training.methods.method import Tensors, named, unnamed


def cached_backward(
    fabric: Fabric,
    embed: _FabricModule,
    loss: Callable[[Any], Tensor],
    parts: Sequence[Callable[[], Any]],
    images: int,
) -> tuple[Tensor, Any]:
    """The loss of a whole batch, and its gradient, with the activations of one part at a time.

    GradCache (Gao et al. 2021, arXiv:2101.06983, section 3): all outputs without a graph, the loss
    and its gradient with respect to them, and then part by part the forward pass again, and the
    backward pass from the part's share of that gradient. It is exact for a network that treats
    images one by one. Batch normalisation sees one part at a time: this is ghost batch
    normalisation (Hoffer et al. 2017, arXiv:1705.08741), not that of the whole batch. Its running
    statistics move once a part.

    Args:
        embed: set up by `fabric`; views of m images -> outputs, each a tensor or a dict of them
            with k * m rows, where the first views of all images come first.
        loss: the outputs of all parts, in the same order -> a scalar.
        parts: each makes the views of `images` images and seeds the global generators, so that what
            `embed` draws is the same at every call.

    Returns:
        The loss and the outputs, detached. The gradients are added to the parameters'.
    """
    statistics = [buffer.clone() for buffer in embed.buffers()]
    with torch.no_grad():
        pieces = [named(embed(part())) for part in parts]
        for buffer, before in zip(embed.buffers(), statistics, strict=True):
            buffer.copy_(before)
    outputs = {
        name: torch.cat([_by_view(piece[name], images) for piece in pieces], dim=1)
        for name in pieces[0]
    }
    for tensor in outputs.values():
        tensor.requires_grad_(tensor.is_floating_point())
    value = loss(unnamed(_flat(outputs)))
    sought = {name: tensor for name, tensor in outputs.items() if tensor.requires_grad}
    found = torch.autograd.grad(value, list(sought.values()), allow_unused=True)
    gradients = {n: g for n, g in zip(sought, found, strict=True) if g is not None}
    last = len(parts) - 1
    for number, part in enumerate(parts):
        rows = slice(number * images, (number + 1) * images)
        with fabric.no_backward_sync(embed, enabled=number < last):
            again = named(embed(part()))
            # The gradient of this sum with respect to each output is the one that was found.
            products = [
                (again[name] * gradient[:, rows].flatten(0, 1)).sum()
                for name, gradient in gradients.items()
                if again[name].requires_grad
            ]
            fabric.backward(torch.stack(products).sum())
    return value.detach(), unnamed(_flat({n: t.detach() for n, t in outputs.items()}))


def _by_view(rows: Tensor, images: int) -> Tensor:
    """(k * images, ...) -> (k, images, ...)."""
    return rows.view(-1, images, *rows.shape[1:])


def _flat(outputs: Tensors) -> Tensors:
    """(k, n, ...) -> (k * n, ...)."""
    return {name: tensor.flatten(0, 1) for name, tensor in outputs.items()}
