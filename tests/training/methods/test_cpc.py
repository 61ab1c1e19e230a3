"""CPC: what predicts what, that no target is seen beforehand, and every rung of v2's ladder."""

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tests.training.batches import batch, fresh
from training.augment import Augmentation, PatchAugmentation, share_generator
from training.methods.context import ContextNetwork
from training.methods.cpc import CPC, CPCSettings
from training.recipe import Phase, Recipe
from zoo.architectures import CPCArchitecture, ResNetArchitecture, Stack

V1 = CPCArchitecture(
    family="cpc",
    patch=8,
    stride=4,
    stem_channels=4,
    stacks=(
        Stack(blocks=1, channels=4),
        Stack(blocks=1, channels=8),
        Stack(blocks=1, channels=12, bottleneck=4),
    ),
    norm="none",
)
V2 = V1.model_copy(update={"patch": 12, "norm": "layer"})
PLAIN = Augmentation(size=32, area=(1, 1), aspect=(1, 1), flip=0, jitter=0, grey=0, blur=0)
SMALL = {"context_width": 8, "context_blocks": 2, "target_dim": 6}
STEPS = {"down": (1, 0), "up": (-1, 0), "left": (0, -1), "right": (0, 1)}


def cpc(architecture: CPCArchitecture = V2, **settings) -> CPC:
    method = fresh(CPCSettings(**(SMALL | settings)), architecture, PLAIN)
    assert isinstance(method, CPC)
    return method


def awake(method: CPC) -> CPC:
    """In float64, with weights that are nowhere zero."""
    for parameter in method.parameters():
        nn.init.normal_(parameter, std=0.3)
    return method.double()


@pytest.mark.parametrize("direction", STEPS)
@pytest.mark.parametrize(
    ("architecture", "offsets"), [(V2, (3,)), (V1, (2, 4, 6))], ids=["v2", "v1"]
)
def test_a_targets_pixels_do_not_reach_its_prediction(architecture, offsets, direction) -> None:
    method = awake(cpc(architecture, offsets=offsets, directions=(direction,)))
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64).requires_grad_()
    cells = architecture.cells(32)
    grid = method.encoder.grid(image)
    for predicted, labels in method.pairs(method.compared(grid)):
        for row in range(0, len(labels), 3):
            (gradient,) = torch.autograd.grad(predicted[row].sum(), image, retain_graph=True)
            y, x = (architecture.stride * place for place in divmod(int(labels[row]), cells))
            target = gradient[0, :, y : y + architecture.patch, x : x + architecture.patch]
            assert target.abs().max() == 0
            assert gradient.abs().max() > 1e-6


def test_an_offset_too_small_would_let_them_through() -> None:
    """The check above can fail: with offset 2, patches of 12 px every 4 px overlap."""
    method = awake(cpc(V2, offsets=(3,), directions=("down",)))
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64).requires_grad_()
    predictions: Any = method.directions["down"]
    predictions.offsets = (2,)
    (predicted,) = predictions(method.encoder.grid(image))
    (gradient,) = torch.autograd.grad(predicted[0, :, 0, 0].sum(), image)
    assert gradient[0, :, 8:20, 0:12].abs().max() > 1e-6


@pytest.mark.parametrize("direction", STEPS)
@pytest.mark.parametrize("offset", [3, 5])
def test_labels_equal_a_brute_force_search(direction, offset) -> None:
    method = cpc(V2, offsets=(offset,), directions=(direction,), target_dim=12)
    network: Any = method.directions[direction]
    network.context = nn.Identity()  # a prediction is then the features of the cell it comes from
    nn.init.dirac_(network.predictors[0].weight)
    nn.init.zeros_(network.predictors[0].bias)
    n, rows, columns = 2, 6, 7
    grid = torch.zeros(n, 12, rows, columns)
    for image in range(n):
        for row in range(rows):
            for column in range(columns):
                grid[image, :3, row, column] = torch.tensor([image, row, column])
    ((predicted, labels),) = method.pairs(method.compared(grid))
    down, right = STEPS[direction]
    found = set()
    sources = (predicted * 10).round().long().tolist()
    for source, label in zip(sources, labels.tolist(), strict=True):
        image, row, column = source[:3]
        target = (image, row + offset * down, column + offset * right)
        assert label == target[0] * rows * columns + target[1] * columns + target[2]
        found.add(target)
    along = rows if down else columns
    across = columns if down else rows
    assert len(found) == len(labels) == n * (along - offset) * across


def test_context_sees_its_own_row_and_those_above() -> None:
    torch.manual_seed(0)
    network = ContextNetwork(4, 6, 5).double()
    grid = torch.randn(1, 4, 7, 7, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(grid)[0, :, 3].sum(), grid)
    seen = gradient.abs().amax((0, 1, 3)) > 0
    assert seen.tolist() == [True] * 4 + [False] * 3


@pytest.mark.parametrize("policies", [False, True])
def test_no_patch_is_augmented_with_anothers_pixels(policies, crops) -> None:
    method = cpc(patches=PatchAugmentation(margin=2, drop=0.5, grey=0.2, policies=policies))
    images = torch.from_numpy(crops(4, 32))
    other = images.clone()
    other[:, :4, 28:] = 255 - other[:, :4, 28:]  # of the last patch of the first row alone
    mosaics = [method.views(batch(x, 32, 3)) for x in (images, other)]
    assert mosaics[0].shape == (4, 3, 72, 72)
    moved = (mosaics[0] != mosaics[1]).view(4, 3, 6, 12, 6, 12).any(1).any(2).any(3)
    assert moved[:, 0, 5].any()
    moved[:, 0, 5] = False
    assert not moved.any()


def test_views_are_the_patches_side_by_side(crops) -> None:
    images = torch.from_numpy(crops(2, 32))
    mosaic = cpc().views(batch(images, 32))
    want = images[1, 8:20, 16:28].permute(2, 0, 1) / 255
    torch.testing.assert_close(mosaic[1, :, 24:36, 48:60], want, atol=1e-5, rtol=0)


def test_the_loss_sees_the_patches_of_the_views(crops) -> None:
    """The loss of mosaics is that of the grid which the encoder makes of the images."""
    method = awake(cpc())
    images = torch.from_numpy(crops(2, 32))
    mosaic = method.views(batch(images, 32)).double()
    grid = method.encoder.grid(images.permute(0, 3, 1, 2).double() / 255)
    assert torch.allclose(method.embed(mosaic), method.compared(grid), rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_every_prediction_among_all_targets() -> None:
    """Against a plain computation of the downward and the rightward loss, without turns."""
    method = awake(cpc(directions=("down", "right")))
    grid = torch.randn(2, 12, 6, 6, dtype=torch.float64)
    targets = method.targets(grid).permute(0, 2, 3, 1).reshape(72, 6)
    down = method.directions["down"](grid)[0]
    right = method.directions["right"](grid.transpose(2, 3).flip(3))[0].flip(3).transpose(2, 3)
    losses = []
    for predicted, (y, x) in ((down, (3, 0)), (right, (0, 3))):
        for image in range(2):
            for row in range(y, 6):
                for column in range(x, 6):
                    scores = targets @ predicted[image, :, row - y, column - x]
                    label = torch.tensor(image * 36 + row * 6 + column)
                    losses.append(nn.functional.cross_entropy(scores, label))
    want = torch.stack(losses).mean()
    torch.testing.assert_close(method.loss(method.compared(grid)), want)


MORE = (*V1.stacks[:2], Stack(blocks=2, channels=24, bottleneck=6))
LADDER: dict[str, dict[str, Any]] = {
    "v1": {"architecture": V1, "offsets": (2, 3, 4, 5, 6), "directions": ("down",)},
    "MC": {"architecture": V1.model_copy(update={"stacks": MORE})},
    "BU": {"directions": ("down", "up")},
    "LN": {"architecture": V1.model_copy(update={"stacks": MORE, "norm": "layer"})},
    "RC": {"patches": PatchAugmentation(margin=1, grey=1, drop=1)},
    "HP": {"directions": ("down", "up", "left", "right")},
    "LP": {"architecture": V2.model_copy(update={"stacks": MORE}), "offsets": (3,)},
    "PA": {"patches": PatchAugmentation(policies=True, drop=0.5)},
}


@pytest.mark.parametrize("rung", LADDER)
def test_every_rung_of_the_ladder_starts_at_chance_and_learns(rung, crops) -> None:
    """v2's additions one after the other (arXiv:1905.09272, Figure 3)."""
    settings: dict = {}
    for name, change in LADDER.items():
        settings |= change
        if name == rung:
            break
    architecture = settings.pop("architecture")
    method = cpc(architecture, **settings)
    images = torch.from_numpy(crops(4, 32))
    views = method.views(batch(images, 32))
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-2, betas=(0.8, 0.999))
    losses = []
    for _ in range(30):
        loss = method(views)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    chance = math.log(4 * architecture.cells(32) ** 2)
    assert losses[0] == pytest.approx(chance, abs=0.15)
    assert losses[-1] < losses[0] - 0.2


def recipe(**changes) -> Recipe:
    fields = {"method": CPCSettings(**SMALL), "architecture": V2, "augmentation": PLAIN}
    return Recipe(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"method": CPCSettings(offsets=(2, 3))},
            "offset 2 with patches of 12 px every 4 px.*the least offset is 3",
        ),
        ({"augmentation": PLAIN.model_copy(update={"size": 20})}, "3 x 3 patches, too few for"),
        (
            {"phases": (Phase(until=0.5, size=32), Phase(until=1, size=22))},
            "views of 22 px have 3 x 3 patches",
        ),
        ({"augmentation": PLAIN.model_copy(update={"jitter": 0.8})}, r"each patch on its own"),
        ({"architecture": ResNetArchitecture()}, "family 'cpc', not 'resnet'"),
    ],
)
def test_what_does_not_fit_is_refused_when_the_recipe_is_made(changes, match) -> None:
    assert recipe().method.name == "cpc"
    with pytest.raises(ValidationError, match=match):
        recipe(**changes)


def test_one_seed_gives_one_set_of_views_and_shares_are_its_rows(crops) -> None:
    method = cpc(patches=PatchAugmentation(margin=2, drop=0.5, policies=True))
    images = torch.from_numpy(crops(4, 32))
    whole = method.views(batch(images, 32, share_generator(7)))
    parts: list[Tensor] = [
        method.views(batch(half, 32, share_generator(7, index, 2)))
        for index, half in enumerate(images.chunk(2))
    ]
    torch.testing.assert_close(torch.cat(parts), whole, atol=2e-6, rtol=0)
    assert not torch.equal(whole, method.views(batch(images, 32, share_generator(8))))
