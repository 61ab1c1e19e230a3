import pytest
import torch
from torch import nn

from training.diagnosis import first_not_finite


class Root(nn.Module):
    def forward(self, x):
        return (x - x.detach().amin(dim=0)).sqrt()  # of infinite slope at the least


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), Root())


def test_the_first_tensor_that_is_not_finite_is_named() -> None:
    views = torch.rand(4, 3)
    assert "every tensor of this process is finite" in first_not_finite(network(), views)
    assert "the views are not finite" in first_not_finite(network(), views / 0)
    large = network()
    large.get_parameter("0.weight").data.mul_(1e38)
    assert first_not_finite(large, 1e3 * views) == "the output of 0 is the first that is not finite"
    broken = network()
    broken.get_parameter("1.weight").data[1] = float("inf")
    assert "the weight 1.weight is not finite: the update" in first_not_finite(broken, views)


def test_gradients_are_looked_at_from_the_loss_backwards() -> None:
    net, views = network(), torch.rand(4, 3)
    net(views).sum().backward()
    found = first_not_finite(net, views)
    assert "the gradient of 1.bias is not finite (nor are 3 more)" in found


@pytest.mark.parametrize("training", [True, False])
def test_the_network_keeps_its_mode_and_loses_its_hooks(training) -> None:
    net = network().train(training)
    first_not_finite(net, torch.rand(4, 3))
    assert net.training is training
    assert not any(module._forward_hooks for module in net.modules())
