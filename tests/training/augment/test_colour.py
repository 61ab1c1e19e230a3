from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from training.augment import colour

CASES = [
    (colour.brightness, "adjust_brightness", [0.0, 0.3, 1.0, 1.7]),
    (colour.contrast, "adjust_contrast", [0.0, 0.4, 1.0, 1.8]),
    (colour.saturation, "adjust_saturation", [0.0, 0.2, 1.0, 1.8]),
    (colour.hue, "adjust_hue", [-0.5, -0.13, 0.0, 0.2]),
]


@pytest.fixture
def images(crops) -> Tensor:
    photos = torch.from_numpy(crops(3, 24, 20)).permute(0, 3, 1, 2).float() / 255
    # The corners of the colour cube, and greys: where a hue is undefined or changes sextant.
    flat = torch.tensor([[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    corners = flat.repeat(80, 1).T.reshape(1, 3, 24, 20)
    return torch.cat([photos, corners])


@pytest.mark.parametrize(("ours", "name", "factors"), CASES, ids=[case[1] for case in CASES])
def test_equals_torchvision_image_by_image(
    ours: Callable[[Tensor, Tensor], Tensor],
    name: str,
    factors: list[float],
    images: Tensor,
    torchvision,
) -> None:
    theirs = getattr(torchvision.transforms.functional, name)
    before = images.clone()
    got = ours(images, torch.tensor(factors))
    want = torch.stack([theirs(i, f) for i, f in zip(images, factors, strict=True)])
    torch.testing.assert_close(got, want, atol=2e-6, rtol=0)
    assert torch.equal(images, before), "the operator changed its input"


def test_grey_equals_torchvision(images: Tensor, torchvision) -> None:
    want = torchvision.transforms.functional.rgb_to_grayscale(images)
    torch.testing.assert_close(colour.grey(images), want, atol=1e-6, rtol=0)
