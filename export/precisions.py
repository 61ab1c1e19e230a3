"""Graphs in other precisions, each with its weights inside, made from the reference network."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from export.graph import trace
from zoo.encoders import ServedEncoder
from zoo.graphs.rewrite import write_graph

Half = Literal["fp16", "bf16"]

_DTYPES: dict[Half, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


def write_half(
    served: ServedEncoder, precision: Half, path: Path, metadata: dict[str, str]
) -> None:
    """Write the graph with the network in a 16-bit type; what follows it stays in float32.

    That is the averaging's result onwards: roots, lengths and means need the digits.
    `served` is changed: its network is lowered.
    """
    served.encoder = _Lowered(served.encoder, _DTYPES[precision])  # type: ignore[assignment]
    write_whole(served, path, metadata)


def write_whole(served: ServedEncoder, path: Path, metadata: dict[str, str]) -> None:
    """Write the graph with its weights inside, so that one file is enough to serve it."""
    write_graph(trace(served), path, metadata)


@torch.no_grad()
def fold_norms(served: ServedEncoder) -> None:
    """Multiply batch normalisation into the convolutions before it, in float32.

    Their product is what is rounded later: variances can lie outside of float16's range, and int8
    scales belong to the kernels that are really used.
    """
    outputs: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # holds the tensors, so that ids stay theirs
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def made(convolution: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(convolution, nn.Conv2d)
        outputs[id(output)] = convolution, output

    def used(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        if id(inputs[0]) in outputs:
            pairs.append((outputs[id(inputs[0])][0], norm))

    hooks = []
    for module in served.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(made))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(used))
    side = served.block.size
    served(torch.zeros(1, side, side, 3, dtype=torch.uint8))
    for hook in hooks:
        hook.remove()
    places = {id(child): (m, n) for m in served.modules() for n, child in m.named_children()}
    for convolution, norm in pairs:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var,
            norm.eps, norm.weight, norm.bias,
        )  # fmt: skip
        parent, name = places[id(norm)]
        setattr(parent, name, nn.Identity())


class _Lowered(nn.Module):
    """A network in another type, with float32 in and out."""

    def __init__(self, encoder: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = encoder.to(dtype), dtype

    def pooled(self, images: Tensor, stages: object, grid: int) -> list[Tensor]:
        """As the network's own."""
        pooled: list[Tensor] = self.network.pooled(images.to(self.dtype), stages, grid)  # type: ignore[operator]
        return [part.float() for part in pooled]
