"""CPC's augmentation of patches: each operation against torchvision's on one patch at a time."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from training.augment.patches import PatchAugmentation, augment_patches, sub_crop
from training.augment.pixels import HOLE
from training.augment.policies import OPERATIONS, apply_policies, warp

SIDE, N = 20, 4
VALUES = {
    "shear_x": (-0.3, 0.25),
    "shear_y": (-0.2, 0.3),
    "translate_x": (-0.4, 0.15),
    "translate_y": (0.3, -0.05),
    "rotate": (-30.0, 17.0),
    "solarize": (0.3, 0.8),
    "posterize": (4.2, 8.0),
    "contrast": (0.1, 1.9),
    "colour": (0.1, 1.9),
    "brightness": (0.4, 1.9),
    "sharpness": (0.1, 1.9),
    "autocontrast": (0.0, 0.0),
    "invert": (0.0, 0.0),
}


@pytest.fixture(scope="session")
def patches(crops) -> Tensor:
    return torch.from_numpy(crops(N, SIDE)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="session")
def reference(torchvision):
    """reference(name, patch, value) with torchvision, patch (3, side, side)."""
    f = torchvision.transforms.functional
    bilinear = torchvision.transforms.InterpolationMode.BILINEAR

    def affine(patch: Tensor, **parameters) -> Tensor:
        still = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
        # With its `fill`, torchvision blends the edge twice; zero needs none.
        return HOLE + f.affine(patch - HOLE, **(still | parameters), interpolation=bilinear)

    def degrees(slope: float) -> float:
        return math.degrees(math.atan(slope))

    return {
        "shear_x": lambda x, v: affine(x, shear=[degrees(v), 0.0]),
        "shear_y": lambda x, v: affine(x, shear=[0.0, degrees(v)]),
        "translate_x": lambda x, v: affine(x, translate=[-v * SIDE, 0]),
        "translate_y": lambda x, v: affine(x, translate=[0, -v * SIDE]),
        "rotate": lambda x, v: HOLE + f.rotate(x - HOLE, v, bilinear),
        "solarize": f.solarize,
        "posterize": lambda x, v: (
            torch.floor(x * 2 ** int(v)).clamp(max=2 ** int(v) - 1) / 2 ** int(v)
        ),
        "contrast": f.adjust_contrast,
        "colour": f.adjust_saturation,
        "brightness": f.adjust_brightness,
        "sharpness": f.adjust_sharpness,
        "autocontrast": lambda x, _: f.autocontrast(x),
        "invert": lambda x, _: f.invert(x),
    }


@pytest.mark.parametrize("name", VALUES)
def test_equals_torchvisions_operation(name, patches, reference) -> None:
    values = torch.tensor(VALUES[name] * (N // 2))
    got = OPERATIONS[name].apply(patches.clone(), values, torch.zeros(N, 2))
    for row in range(N):
        want = reference[name](patches[row], float(values[row]))
        torch.testing.assert_close(got[row], want, atol=2e-5, rtol=0)
    assert not torch.allclose(got, patches, atol=1e-3)


def test_equalize_gives_each_value_its_rank(patches) -> None:
    got = OPERATIONS["equalize"].apply(patches, torch.zeros(N), torch.zeros(N, 2))
    channel = patches[1, 2].flatten().numpy()
    want = (channel[None] <= channel[:, None]).mean(axis=1)
    np.testing.assert_allclose(got[1, 2].flatten(), want, atol=1e-6)


def test_a_flat_channel_stays_in_autocontrast() -> None:
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert torch.equal(OPERATIONS["autocontrast"].apply(flat, torch.zeros(1), flat), flat)


def test_cutout_hides_a_square_of_its_share(patches) -> None:
    place = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.0, 0.0], [0.99, 0.5]])
    got = OPERATIONS["cutout"].apply(patches, torch.full((N,), 0.2), place)
    hidden = (got != patches).any(1)
    assert hidden.sum((1, 2)).tolist() == [16, 16, 4, 12]
    assert hidden[1, 13:17, 3:7].all()
    assert (got[1, :, 13:17, 3:7] == HOLE).all()


def test_moves_bend_where_they_are_set() -> None:
    """Equal moves at all points are a translation; none are none."""
    patches = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    still = torch.eye(2, 3).repeat(2, 1, 1)
    moves = torch.zeros(2, 2, 4, 4)
    torch.testing.assert_close(warp(patches, still, moves), patches, atol=1e-5, rtol=0)
    moves[1, 0] = 2 / 16
    moved = warp(patches, still, moves)
    torch.testing.assert_close(moved[0], patches[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1, :, :, :-2], patches[1, :, :, 2:], atol=1e-5, rtol=0)
    assert (moved[1, :, :, -1] - HOLE).abs().max() < 1e-5


def test_every_operation_is_drawn_and_stays_in_range(patches) -> None:
    many = patches.repeat(300, 1, 1, 1)
    out = apply_policies(many.clone(), torch.Generator().manual_seed(0))
    assert torch.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1
    changed = ((out - many).abs().amax((1, 2, 3)) > 1e-3).float().mean()
    assert changed > 0.95
    grey = ((out[:, 0] - out[:, 1]).abs().amax((1, 2)) < 1e-3).float().mean()
    assert 0.2 < grey < 0.4


def test_a_sub_crop_is_framed_in_grey(patches) -> None:
    got = sub_crop(patches, torch.tensor([0, 1, 2, 3]), torch.tensor([3, 0, 1, 2]), 3)
    torch.testing.assert_close(got[2, :, 1:18, 1:18], patches[2, :, 2:19, 1:18])
    frame = torch.ones(SIDE, SIDE, dtype=torch.bool)
    frame[1:18, 1:18] = False
    assert (got[:, :, frame] == HOLE).all()


def test_probabilities_are_shares_of_the_patches(patches) -> None:
    many = patches.repeat(300, 1, 1, 1)
    settings = PatchAugmentation(grey=0.3, drop=0.5)
    out = augment_patches(many.clone(), settings, torch.Generator().manual_seed(1))
    black = (out.amax((2, 3)) == 0).sum(1)
    assert set(black.tolist()) == {0, 2}
    assert (black == 2).float().mean() == pytest.approx(0.5, abs=0.05)
    whole = out[black == 0]
    grey = (whole[:, 0] == whole[:, 1]).flatten(1).all(1)
    assert grey.float().mean() == pytest.approx(0.3, abs=0.06)


def test_nothing_happens_by_default(patches) -> None:
    assert torch.equal(augment_patches(patches, PatchAugmentation(), torch.Generator()), patches)
