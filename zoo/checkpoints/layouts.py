"""How each publisher names the tensors of a network, and the map to our names.

Ours are torchvision's for residual networks and timm's for EfficientNet-Lite. A checkpoint fits
whole or not at all: every tensor that the network has is filled, with the shape it wants, and every
tensor of the checkpoint's network is used or stands in the list of what is left out on purpose.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import numpy.typing as npt

from zoo.checkpoints.checkpoint import Checkpoint
from zoo.errors import CheckpointError

MAPPING_VERSION = 1
"""Raised whenever a map below changes what a checkpoint converts to."""


@dataclass(frozen=True)
class Layout:
    """A publisher's names.

    roots: what stands before the name of each tensor; the first that is there is taken. Up to its
    last `/` it is the part of the file that holds the network: what is outside (an optimizer's
    state) is left alone. dropped: patterns of names, in that part, which are left out on purpose.
    names: ours -> theirs. kernels: the order of a convolution's axes.
    """

    roots: tuple[str, ...]
    dropped: tuple[str, ...]
    names: Callable[[Iterable[str]], dict[str, str]]
    kernels: Literal["oihw", "hwio"] = "oihw"


@dataclass(frozen=True)
class Mapped:
    """float32 tensors by our names, and how many were left out under which pattern."""

    tensors: dict[str, npt.NDArray[np.float32]]
    dropped: dict[str, int]


def map_tensors(
    checkpoint: Checkpoint, layout: str, wanted: Mapping[str, tuple[int, ...]]
) -> Mapped:
    """The network's tensors.

    Args:
        layout: a key of `LAYOUTS`.
        wanted: names and shapes of the network's tensors, in the order in which it holds them.

    Raises:
        CheckpointError: names the tensor that is missing, left over, of another shape, not of
            floats, or damaged.
    """
    rules = LAYOUTS[layout]
    names = rules.names(wanted)
    root = _root(checkpoint, layout, rules, next(iter(names.values())))
    theirs = {ours: root + name for ours, name in names.items()}
    if missing := [name for name in theirs.values() if name not in checkpoint.shapes]:
        raise CheckpointError(
            f"{checkpoint.origin}: the tensor {missing[0]!r} is missing ({len(missing)} in all)"
        )
    dropped = _dropped(checkpoint, rules, root, set(theirs.values()))
    for ours, name in theirs.items():
        shape = checkpoint.shapes[name]
        if _turned(shape, rules) != wanted[ours]:
            raise CheckpointError(
                f"{checkpoint.origin}: {name!r} has shape {shape}, which does not fit {ours!r} of "
                f"shape {wanted[ours]}: these are another network's weights"
            )
    if checkpoint.checksums:
        for name in checkpoint.shapes.keys() - set(theirs.values()):
            checkpoint.read(name)  # what is left out must be whole too
    tensors = {ours: _values(checkpoint, name, rules) for ours, name in theirs.items()}
    for ours, values in tensors.items():
        if ours.endswith("running_var") and (values < 0).any():
            raise CheckpointError(
                f"{checkpoint.origin}: {theirs[ours]!r} holds variances below zero"
            )
    return Mapped(tensors, dropped)


def _root(checkpoint: Checkpoint, layout: str, rules: Layout, first: str) -> str:
    for root in rules.roots:
        if root + first in checkpoint.shapes:
            return root
    raise CheckpointError(
        f"{checkpoint.origin}: not laid out as {layout}: it has no tensor "
        f"{rules.roots[0] + first!r}; its first is {next(iter(checkpoint.shapes), None)!r}"
    )


def _dropped(checkpoint: Checkpoint, rules: Layout, root: str, used: set[str]) -> dict[str, int]:
    part = root[: root.rfind("/") + 1]
    counts: dict[str, int] = {}
    for name in checkpoint.shapes:
        if name in used:
            continue
        inner = name.removeprefix(part)
        if not name.startswith(part):
            reason = f"outside {part}"
        else:
            reason = next((p for p in rules.dropped if fnmatchcase(inner, p)), "")
        if not reason:
            raise CheckpointError(
                f"{checkpoint.origin}: the tensor {name!r} belongs to no part of the network and "
                "is not among those left out on purpose"
            )
        counts[reason] = counts.get(reason, 0) + 1
    return counts


def _values(checkpoint: Checkpoint, name: str, rules: Layout) -> npt.NDArray[np.float32]:
    values = checkpoint.read(name)
    if not np.issubdtype(values.dtype, np.floating):
        raise CheckpointError(f"{checkpoint.origin}: {name!r} is of {values.dtype}, not of floats")
    if values.ndim == 4 and rules.kernels == "hwio":
        values = values.transpose(3, 2, 0, 1)
    result: npt.NDArray[np.float32] = np.require(values, np.float32, ("C", "W"))
    if not np.isfinite(result).all():
        raise CheckpointError(f"{checkpoint.origin}: {name!r} holds values that are no numbers")
    return result


def _turned(shape: tuple[int, ...], rules: Layout) -> tuple[int, ...]:
    if len(shape) == 4 and rules.kernels == "hwio":
        height, width, inputs, outputs = shape
        return outputs, inputs, height, width
    return shape


def _same(names: Iterable[str]) -> dict[str, str]:
    return {name: name for name in names}


def _google(names: Iterable[str]) -> dict[str, str]:
    """Google's layers carry the number of their making: a block's shortcut comes before the rest.

    Convolutions and norms are counted apart, the first of each without a number.
    """
    numbers = {"weight": 0, "running_mean": 0}
    found: dict[str, str] = {}
    modules: dict[str, list[str]] = {}
    for name in sorted(names, key=_place):
        module, _, leaf = name.rpartition(".")
        modules.setdefault(module, []).append(leaf)
    for module, leaves in modules.items():
        norm = "running_mean" in leaves
        kind = "running_mean" if norm else "weight"
        number, numbers[kind] = numbers[kind], numbers[kind] + 1
        layer = "batch_normalization" if norm else "conv2d"
        prefix = f"base_model/{layer}_{number}/" if number else f"base_model/{layer}/"
        for leaf in leaves:
            theirs = _NORM[leaf] if norm else "kernel"
            found[f"{module}.{leaf}"] = prefix + theirs
    return found


_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def _place(name: str) -> tuple[int, int, bool]:
    """Stage, block, and within a block the shortcut first; the stem before all."""
    match = re.match(r"layer(\d+)\.(\d+)\.(downsample)?", name)
    if match is None:
        return 0, 0, False
    return int(match[1]), int(match[2]), match[3] is None


def _efficientnet(names: Iterable[str]) -> dict[str, str]:
    """The names of efficientnet-pytorch, which counts blocks through all stages."""
    found, blocks = {}, dict[str, int]()
    for name in names:
        *block, module, leaf = name.rsplit(".", 2)
        if not block:
            found[name] = f"_{_OUTSIDE_BLOCKS[module]}.{leaf}"
            continue
        number = blocks.setdefault(block[0], len(blocks))
        # A block without expansion begins with what is second in the others.
        inside = _IN_FIRST_BLOCK if number == 0 else _IN_BLOCKS
        found[name] = f"_blocks.{number}._{inside[module]}.{leaf}"
    return found


_OUTSIDE_BLOCKS = {"conv_stem": "conv_stem", "bn1": "bn0", "conv_head": "conv_head", "bn2": "bn1"}
_IN_FIRST_BLOCK = {
    "conv_dw": "depthwise_conv", "bn1": "bn1", "conv_pw": "project_conv", "bn2": "bn2",
}  # fmt: skip
_IN_BLOCKS = {
    "conv_pw": "expand_conv", "bn1": "bn0", "conv_dw": "depthwise_conv", "bn2": "bn1",
    "conv_pwl": "project_conv", "bn3": "bn2",
}  # fmt: skip

_COUNTERS = "*.num_batches_tracked"

LAYOUTS: dict[str, Layout] = {
    "google-simclr": Layout(
        roots=("",),
        dropped=(
            "global_step",
            "*/Momentum",
            "ema_model/*",
            "head_supervised/*",
            "head_contrastive/*",
        ),
        names=_google,
        kernels="hwio",
    ),
    "torchvision": Layout(
        roots=("state_dict/", ""), dropped=("fc.weight", "fc.bias", _COUNTERS), names=_same
    ),
    "moco": Layout(
        roots=("state_dict/module.encoder_q.",),
        dropped=(
            "module.encoder_q.fc.*",
            "module.encoder_k.*",
            "module.queue",
            "module.queue_ptr",
            _COUNTERS,
        ),
        names=_same,
    ),
    "vissl": Layout(
        roots=(
            "classy_state_dict/base_model/model/trunk/_feature_blocks.",
            "model_state_dict/_feature_blocks.",
            "_feature_blocks.",
        ),
        dropped=(_COUNTERS,),
        names=_same,
    ),
    "swav": Layout(
        roots=("state_dict/module.", "module."),
        dropped=("module.projection_head.*", "module.prototypes*", _COUNTERS),
        names=_same,
    ),
    "mmselfsup": Layout(
        roots=("state_dict/backbone.",),
        dropped=("neck.*", "head.*", "data_preprocessor.*", _COUNTERS),
        names=_same,
    ),
    "bolts-cpc": Layout(
        roots=("state_dict/encoder.",),
        dropped=(
            "encoder.fc.weight",
            "encoder.fc.bias",
            "contrastive_task.*",
            "info_nce.*",  # its name in earlier releases
            "non_linear_evaluator.*",
            _COUNTERS,
        ),
        names=_same,
    ),
    "efficientnet-pytorch": Layout(
        roots=("",), dropped=("_fc.weight", "_fc.bias", _COUNTERS), names=_efficientnet
    ),
}
"""By the catalog's `layout`."""
