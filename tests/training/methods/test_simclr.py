"""SimCLR's head: v1's, v2's, linear or none; and its loss over any encoder."""

import pytest
import torch
from torch import nn

from tests.training.batches import batch, fresh
from training.augment import Augmentation
from training.losses import nt_xent
from training.methods.simclr import SimCLR, SimCLRSettings, projection_head
from zoo.architectures import CPCArchitecture, ResNetArchitecture, Stack

SMALL = Augmentation(size=16, strength=0.5, blur=0)


@pytest.mark.parametrize(("layers", "hidden"), [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_heads_have_a_norm_after_each_layer_and_a_bare_end(layers, hidden) -> None:
    head = projection_head(12, 5, layers)
    assert sum(isinstance(m, nn.ReLU) for m in head) == hidden
    linear = [m for m in head if isinstance(m, nn.Linear)]
    norms = [m for m in head if isinstance(m, nn.BatchNorm1d)]
    assert len(linear) == len(norms) == layers
    assert all(m.bias is None for m in linear)
    if layers:
        assert [m.out_features for m in linear] == [12] * hidden + [5]
        assert not norms[-1].bias.requires_grad
        assert all(m.bias.requires_grad for m in norms[:-1])
        assert isinstance(head[-1], nn.BatchNorm1d)


def test_without_a_head_the_loss_compares_representations(crops) -> None:
    architecture = ResNetArchitecture(depth=18, stem="stride2-pool")
    method = fresh(SimCLRSettings(head_layers=0), architecture, SMALL).eval()
    views = method.views(batch(torch.from_numpy(crops(4, 20)), 16))
    first, second = method.encoder(views).chunk(2)
    want = nt_xent(first, second, 0.1)
    torch.testing.assert_close(method(views), want)


def test_any_encoder_will_do(crops) -> None:
    architecture = CPCArchitecture(
        family="cpc",
        patch=8,
        stride=4,
        stem_channels=4,
        stacks=(
            Stack(blocks=1, channels=4),
            Stack(blocks=1, channels=4),
            Stack(blocks=1, channels=6),
        ),
    )
    method = fresh(SimCLRSettings(), architecture, SMALL)
    assert isinstance(method, SimCLR)
    views = method.views(batch(torch.from_numpy(crops(4, 20)), 16))
    method(views).backward()
    assert method.encoder.conv1.weight.grad is not None
