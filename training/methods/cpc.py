"""Contrastive predictive coding: the features of patches, predicted from those of far patches.

v1: van den Oord et al. 2018, arXiv:1807.03748. v2: Henaff et al. 2019, arXiv:1905.09272. One
method: v2's additions (its Figure 3) are settings. MC, model capacity: `stacks` of the
architecture; LN, layer norm: its `norm`; LP, larger patches: its `patch`; BU, bottom-up, and HP,
horizontal predictions: `directions`; RC, random colour dropping, and PA, patch augmentation:
`patches`.
"""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from training.augment import PatchAugmentation, augment_patches, random_views
from training.losses import info_nce, info_nce_global
from training.methods.context import ContextNetwork
from training.methods.method import Batch, Definition, Method, MethodSettings, Setup
from zoo.architectures import CPCArchitecture
from zoo.encoders import CPCEncoder, Encoder

Direction = Literal["down", "up", "left", "right"]

_TURNS: dict[Direction, int] = {"down": 0, "left": 1, "up": 2, "right": 3}
"""Quarter turns, counter-clockwise, after which a direction points down."""

_SCALE = 0.1  # of predictions (arXiv:1905.09272, appendix A.1)


class CPCSettings(MethodSettings):
    """The method's part of a recipe; the defaults are v2's."""

    name: Literal["cpc"] = "cpc"
    offsets: tuple[int, ...] = Field(
        (3,), min_length=1, description="cells from the last one seen to the one predicted"
    )
    directions: tuple[Direction, ...] = Field(
        ("down", "up", "left", "right"), min_length=1, description="each with its own networks"
    )
    target_dim: int = Field(64, ge=2)
    context_width: int = Field(256, ge=1)
    context_blocks: int = Field(5, ge=1)
    patches: PatchAugmentation = PatchAugmentation()


def check(settings: CPCSettings, setup: Setup) -> None:
    """Refuse what does not hold together, before anything is trained.

    Raises:
        ValueError: the encoder is not of patches; a target's pixels are among those it is predicted
            from; the grid is too small; or colours are changed before there are patches.
    """
    architecture = setup.architecture
    if not isinstance(architecture, CPCArchitecture):
        raise ValueError(
            f"cpc trains an encoder of patches: give an architecture of family 'cpc', not "
            f"{architecture.family!r}"
        )
    patch, stride = architecture.patch, architecture.stride
    for offset in settings.offsets:
        if offset * stride < patch:
            raise ValueError(
                f"offset {offset} with patches of {patch} px every {stride} px: a target would "
                f"share pixels with what predicts it; the least offset is {-(-patch // stride)}"
            )
    for size in setup.sizes:
        if architecture.cells(size) <= max(settings.offsets):
            cells = architecture.cells(size)
            raise ValueError(
                f"views of {size} px have {cells} x {cells} patches, too few for the offset "
                f"{max(settings.offsets)}: enlarge the views or lower the offset"
            )
    a = setup.augmentation
    if a.jitter or a.grey or a.blur or a.low_resolution or a.operators is not None:
        raise ValueError(
            "cpc changes the colours of each patch on its own (`method.patches`), as those of the "
            "whole image tell a patch of its neighbours: set jitter, grey, blur and low_resolution "
            "of `augmentation` to 0, and name no operators"
        )


class CPC(Method[Tensor, Tensor]):
    """An encoder of patches, and a context network with its predictors for each direction."""

    encoder: CPCEncoder

    def __init__(self, encoder: Encoder, settings: CPCSettings, setup: Setup) -> None:
        super().__init__()
        assert isinstance(encoder, CPCEncoder)  # as `check` has found
        self.encoder = encoder
        self.settings, self.augmentation = settings, setup.augmentation
        self.targets = nn.Conv2d(encoder.dim, settings.target_dim, 1)
        self.directions = nn.ModuleDict(
            {name: _Predictions(encoder.dim, settings) for name in settings.directions}
        )

    def views(self, batch: Batch) -> Tensor:
        """The patches of a random crop, side by side: (n, 3, cells * patch, cells * patch)."""
        augmentation = self.augmentation.model_copy(update={"size": batch.size})
        crops = random_views(batch.images, augmentation, batch.generator)
        patches = self.encoder.patches(crops)
        n, rows, columns, _, side, _ = patches.shape
        patches = augment_patches(patches.flatten(0, 2), self.settings.patches, batch.generator)
        patches = patches.view(n, rows, columns, 3, side, side).permute(0, 3, 1, 4, 2, 5)
        return patches.reshape(n, 3, rows * side, columns * side)

    def embed(self, views: Tensor) -> Tensor:
        """Each patch's target and what was predicted of it, as `compared` gives them."""
        side = self.encoder.architecture.patch
        n, rows, columns = len(views), views.shape[2] // side, views.shape[3] // side
        patches = views.reshape(n, 3, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
        patches = patches.reshape(-1, 3, side, side).contiguous(memory_format=torch.channels_last)
        grid = self.encoder.encode(patches).view(n, rows, columns, -1).permute(0, 3, 1, 2)
        return self.compared(grid)

    def compared(self, grid: Tensor) -> Tensor:
        """Targets and, in the place of what it predicts, each prediction.

        Args:
            grid: the patches' features, (n, dim, rows, columns).

        Returns:
            (n, (1 + directions * offsets) * target_dim, rows, columns); zero where there is no
            prediction.
        """
        maps = [self.targets(grid)]
        for name in self.settings.directions:
            turns = _TURNS[name]
            found = self.directions[name](grid.rot90(turns, (2, 3)))
            for offset, predicted in zip(self.settings.offsets, found, strict=True):
                placed = F.pad(predicted, (0, 0, offset, 0))
                maps.append(placed.rot90(-turns, (2, 3)))
        return torch.cat(maps, dim=1)

    def loss(self, outputs: Tensor) -> Tensor:
        """InfoNCE in nats, averaged over directions and offsets; log(patches) at chance.

        Among the patches of all processes where training is distributed.
        """
        targets = _rows(outputs[:, : self.settings.target_dim])
        over = info_nce_global if dist.is_initialized() else info_nce
        losses = [over(found, targets, labels) for found, labels in self.pairs(outputs)]
        return torch.stack(losses).mean()

    def pairs(self, embeddings: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """What each direction and offset predicts: (m, target_dim), and the cells meant, (m,).

        A cell's number counts columns, then rows, then images.
        """
        n, _, rows, columns = embeddings.shape
        cells = torch.arange(n * rows * columns, device=embeddings.device).view(n, rows, columns)
        maps = iter(torch.split(embeddings, self.settings.target_dim, dim=1)[1:])
        for name in self.settings.directions:
            turns = _TURNS[name]
            numbers = cells.rot90(turns, (1, 2))
            for offset in self.settings.offsets:
                predicted = next(maps).rot90(turns, (2, 3))[:, :, offset:]
                yield _rows(predicted), numbers[:, offset:].flatten()


class _Predictions(nn.Module):
    """Downwards: a context network, and a linear predictor for each offset."""

    def __init__(self, dim: int, settings: CPCSettings) -> None:
        super().__init__()
        self.offsets = settings.offsets
        self.context = ContextNetwork(dim, settings.context_width, settings.context_blocks)
        self.predictors = nn.ModuleList(
            nn.Conv2d(dim, settings.target_dim, 1) for _ in settings.offsets
        )

    def forward(self, grid: Tensor) -> list[Tensor]:
        """(n, dim, rows, columns) -> for each offset (n, target_dim, rows - offset, columns)."""
        context = self.context(grid)
        return [
            predictor(context[:, :, :-offset]) * _SCALE
            for offset, predictor in zip(self.offsets, self.predictors, strict=True)
        ]


def _rows(grid: Tensor) -> Tensor:
    """(n, d, rows, columns) -> (n * rows * columns, d)."""
    return grid.permute(0, 2, 3, 1).flatten(0, 2)


METHOD = Definition(
    settings=CPCSettings,
    build=CPC,
    citation="van den Oord, Li, Vinyals: Representation Learning with Contrastive Predictive "
    "Coding, 2018, arXiv:1807.03748; Henaff et al.: Data-Efficient Image Recognition with "
    "Contrastive Predictive Coding, ICML 2020, arXiv:1905.09272",
    check=check,
)
