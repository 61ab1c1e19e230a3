"""CPC's encoder: what it is made of, and that no patch knows of another."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from zoo.architectures import RESNET_101, RESNET_161, CPCArchitecture, Stack
from zoo.encoders import CPCEncoder, build_encoder
from zoo.errors import PackageError

TINY = CPCArchitecture(
    family="cpc",
    patch=12,
    stride=4,
    stem_channels=4,
    stacks=(
        Stack(blocks=1, channels=4),
        Stack(blocks=2, channels=8),
        Stack(blocks=2, channels=16, bottleneck=4),
    ),
)


def encoder(architecture: CPCArchitecture = TINY) -> CPCEncoder:
    """In float64, with weights that are nowhere zero."""
    torch.manual_seed(0)
    network = build_encoder(architecture)
    assert isinstance(network, CPCEncoder)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network.double().eval()


def images(n: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(
        n, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(n)
    )


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def paper(stacks: tuple[Stack, Stack, Stack], norm: str) -> CPCEncoder:
    with torch.device("meta"):
        network = build_encoder(
            CPCArchitecture.model_validate(
                {
                    "family": "cpc",
                    "patch": 80,
                    "stride": 36,
                    "stem": "imagenet",
                    "stacks": [s.model_dump() for s in stacks],
                    "norm": norm,
                }
            )
        )
    assert isinstance(network, CPCEncoder)
    return network


def test_v2s_network_has_the_papers_parameters() -> None:
    """Kernels of the stem and the stacks; a scale and an offset for the inputs of each kernel but
    the stem's and the shortcuts', and for the output. The paper's 305 million are those and the
    linear maps that the loss adds: targets of 64 values and a predictor for each direction.
    """
    network = paper(RESNET_161, "layer")
    stem = 3 * 64 * 7 * 7
    first = (64 * 256) + (64 * 64 + 9 * 64 * 64 + 64 * 256) + 2 * (2 * 256 * 64 + 9 * 64 * 64)
    second = (256 * 512) + (256 * 128 + 9 * 128 * 128 + 128 * 512)
    second += 3 * (2 * 512 * 128 + 9 * 128 * 128)
    third = (512 * 4096) + (512 * 512 + 9 * 512 * 512 + 512 * 4096)
    third += 45 * (2 * 4096 * 512 + 9 * 512 * 512)
    assert stem + first + second + third == 303_162_560
    norms = (64 + 2 * 64) + 2 * (256 + 2 * 64) + (256 + 2 * 128) + 3 * (512 + 2 * 128)
    norms += (512 + 2 * 512) + 45 * (4096 + 2 * 512) + 4096
    assert count(network) == 303_162_560 + 2 * norms == 303_642_176
    assert network.dim == 4096
    loss = (1 + 4) * (4096 * 64 + 64)
    assert round((count(network) + loss) / 1e6) == 305
    depth = sum(isinstance(m, nn.Conv2d) for m in network.modules()) - 3  # without shortcuts
    assert depth + 1 == 161  # the name counts a classifier too


def test_v1s_network_has_the_papers_size() -> None:
    network = paper(RESNET_101, "none")
    assert (network.dim, count(network)) == (1024, 27_452_608)
    assert all(parameter.ndim == 4 for parameter in network.parameters())


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_a_patch_alone_equals_the_same_patch_in_a_batch(norm) -> None:
    network = encoder(TINY.model_copy(update={"norm": norm}))
    batch = images(3, 32, 32)
    grid = network.grid(batch)
    assert grid.shape == (3, 16, 6, 6)
    for image, row, column in [(0, 0, 0), (1, 5, 2), (2, 3, 5)]:
        y, x = 4 * row, 4 * column
        alone = network.encode(batch[image : image + 1, :, y : y + 12, x : x + 12])
        torch.testing.assert_close(alone[0], grid[image, :, row, column], atol=1e-12, rtol=1e-10)


def test_a_pixel_moves_the_patches_that_hold_it_alone() -> None:
    network, image = encoder(), images(1, 32, 32)
    other = image.clone()
    other[0, :, 13, 22] = 1 - other[0, :, 13, 22]
    moved = (network.grid(other) - network.grid(image)).abs().amax(1)[0] > 1e-9
    rows = [4 * row <= 13 < 4 * row + 12 for row in range(6)]
    columns = [4 * column <= 22 < 4 * column + 12 for column in range(6)]
    assert moved.tolist() == [[r and c for c in columns] for r in rows]


def test_the_embedding_is_the_mean_over_patches_at_any_size() -> None:
    network = encoder()
    batch = images(2, 41, 30)  # what does not fill a patch is left out
    grid = network.grid(batch)
    assert grid.shape == (2, 16, 8, 5)
    torch.testing.assert_close(network(batch), grid.flatten(2).mean(2))
    torch.testing.assert_close(network(batch[:, :, :40, :28]), network(batch))
    assert torch.equal(network.pooled(batch, ("layer3",))[0], network(batch))
    assert network.pooled_dim(("layer3",)) == network.dim == 16
    quarters = network.pooled(images(2, 32, 32), ("layer3",), grid=2)[0].view(2, 16, 2, 2)
    cells = network.grid(images(2, 32, 32))
    torch.testing.assert_close(quarters[:, :, 1, 0], cells[:, :, 3:, :3].mean((2, 3)))
    assert network.pooled_dim(("layer3",), 2) == 64


def test_a_deep_network_without_norms_starts_with_features_of_its_inputs_size() -> None:
    stacks = (TINY.stacks[0], TINY.stacks[1], Stack(blocks=40, channels=16, bottleneck=4))
    torch.manual_seed(0)
    network = build_encoder(TINY.model_copy(update={"stacks": stacks, "norm": "none"}))
    features = network(images(4, 32, 32).float())
    assert 0.01 < float(features.detach().std()) < 10


def test_another_stage_is_refused() -> None:
    with pytest.raises(PackageError, match=r"from layer3 alone, not from \['layer4'\]"):
        encoder().pooled_dim(("layer4",))


def test_an_architecture_that_is_none_is_named() -> None:
    with pytest.raises(ValidationError, match="stacks"):
        CPCArchitecture.model_validate({"family": "cpc", "patch": 12, "stride": 4, "stacks": []})
