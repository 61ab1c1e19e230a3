"""Batches larger than a device's memory: a loss over embeddings that are computed in parts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor


def cached_backward(
    fabric: Fabric,
    embed: _FabricModule,
    loss: Callable[[Tensor], Tensor],
    parts: Sequence[Callable[[], Tensor]],
    images: int,
) -> Tensor:
    """The loss of a whole batch, and its gradient, with the activations of one part at a time.

    GradCache (Gao et al. 2021, arXiv:2101.06983, section 3): all embeddings without a graph, the
    loss and its gradient with respect to them, and then part by part the forward pass again, with
    the same random numbers, and the backward pass from the part's share of that gradient. It is
    exact for a network that treats images one by one. Batch normalisation sees one part at a time:
    this is ghost batch normalisation (Hoffer et al. 2017, arXiv:1705.08741), not that of the whole
    batch. Its running statistics move once a part.

    Args:
        embed: set up by `fabric`; views of m images (k * m, ...) -> embeddings (k * m, d), where
            the first views of all images come first.
        loss: the embeddings of all parts (k * n, d), in the same order -> a scalar.
        parts: each makes the views of `images` images, the same at every call.

    Returns:
        The loss, detached. The gradients are added to the parameters'.
    """
    statistics = [buffer.clone() for buffer in embed.buffers()]
    states, pieces = [], []
    with torch.no_grad():
        for views in parts:
            states.append(_random_state(fabric.device))
            pieces.append(embed(views()).unflatten(0, (-1, images)))
        for buffer, before in zip(embed.buffers(), statistics, strict=True):
            buffer.copy_(before)
    embeddings = torch.cat(pieces, dim=1).requires_grad_()
    value = loss(embeddings.flatten(0, 1))
    (gradient,) = torch.autograd.grad(value, embeddings)
    last = len(parts) - 1
    for number, (views, state) in enumerate(zip(parts, states, strict=True)):
        rows = slice(number * images, (number + 1) * images)
        with (
            _replayed(state, fabric.device),
            fabric.no_backward_sync(embed, enabled=number < last),
        ):
            fabric.backward(embed(views()), gradient[:, rows].flatten(0, 1))
    return value.detach()


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_gpu


@contextmanager
def _replayed(state: tuple[Tensor, Tensor | None], device: torch.device) -> Iterator[None]:
    """The generators as they were; afterwards, as they are now."""
    on_cpu, on_gpu = state
    with torch.random.fork_rng([device] if on_gpu is not None else []):
        torch.set_rng_state(on_cpu)
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu, device)
        yield
