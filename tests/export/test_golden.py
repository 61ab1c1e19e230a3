"""Which images prove a converted encoder: those whose embedding is not a matter of rounding."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.golden import golden_images, rounding, stem_chart
from zoo.architectures import ResNetArchitecture
from zoo.arrays import Pixels
from zoo.encoders import ServedEncoder
from zoo.images import InputBlock
from zoo.manifest import Layer

BLOCK = InputBlock(size=32)


class Chaotic(ServedEncoder):
    """An encoder that magnifies the last digits of what it computes of some images."""

    def __init__(self, which: Callable[[Tensor], Tensor]) -> None:
        super().__init__(ResNetArchitecture(), Layer(stages=("layer4",)), BLOCK, 512)
        self.which = which
        nn.init.uniform_(self.encoder.get_parameter("conv1.weight"), -1, 1)

    def forward(self, images: Tensor) -> Tensor:
        rows = super().forward(images)
        wild = torch.sin(1e9 * rows)
        return torch.where(self.which(images)[:, None], wild, rows)


def served(which: Callable[[Tensor], Tensor]) -> ServedEncoder:
    torch.manual_seed(0)
    return Chaotic(which).eval()


@pytest.fixture(scope="module")
def photos() -> Pixels:
    return np.random.default_rng(0).integers(1, 256, (6, 32, 32, 3), np.uint8)


def nothing(images: Tensor) -> Tensor:
    return torch.zeros(len(images), dtype=torch.bool)


def test_the_first_photos_and_the_first_chart_are_taken(photos: Pixels) -> None:
    network = served(nothing)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = golden_images(network, photos, 2)
    np.testing.assert_array_equal(found, [*photos[:2], stem_chart(BLOCK)])
    for name, value in network.state_dict().items():  # the weights stay, in float32
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])


def test_images_whose_embedding_is_rounding_are_passed_over(photos: Pixels) -> None:
    bad = {int(photos[1].sum()), int(stem_chart(BLOCK).sum())}

    def which(images: Tensor) -> Tensor:
        return torch.tensor([int(image.sum()) in bad for image in images])

    network = served(which)
    assert rounding(network, photos[:2])[1] > 0.01
    found = golden_images(network, photos, 3)
    np.testing.assert_array_equal(found[:3], photos[[0, 2, 3]])
    np.testing.assert_array_equal(found[3], stem_chart(BLOCK, (255, 128, 0), (64, 64, 64)))


def test_no_chart_is_better_than_one_that_refuses_sound_weights(photos: Pixels) -> None:
    network = served(lambda images: (images[:, 0] == images[:, 16]).all(dim=(1, 2)))
    np.testing.assert_array_equal(golden_images(network, photos, 2), photos[:2])
