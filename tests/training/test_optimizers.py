import math
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from training.optimizers import LARS, build_optimizer, cosine_with_warmup, parameter_groups
from training.recipe import Recipe
from zoo.architectures import ResNetArchitecture
from zoo.encoders import build_resnet

LR, MOMENTUM, DECAY, TRUST = 0.3, 0.9, 1e-2, 1e-3


def reference_step(weight: Tensor, gradient: Tensor, buffer: Tensor, adapt: bool) -> None:
    """One parameter, as google-research/simclr's lars_optimizer.py with classic momentum."""
    rate = 1.0
    if adapt:
        gradient = gradient + DECAY * weight
        w, g = float(weight.norm()), float(gradient.norm())
        rate = TRUST * w / g if w > 0 and g > 0 else 1.0
    buffer.mul_(MOMENTUM).add_(LR * rate * gradient)
    weight.sub_(buffer)


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2))
    nn.init.zeros_(net.get_parameter("3.weight"))  # norm 0: the rate must fall back to 1
    return net.double()


def test_steps_equal_a_plain_reference() -> None:
    net = network()
    optimizer = LARS(
        parameter_groups(net), lr=LR, momentum=MOMENTUM, weight_decay=DECAY, trust=TRUST
    )
    weights = [p.detach().clone() for p in net.parameters()]
    buffers = [torch.zeros_like(p) for p in weights]
    for step in range(5):
        images = torch.randn(8, 3, 5, 5, dtype=torch.float64)
        optimizer.zero_grad()
        net(images).square().mean().add(net.get_parameter("3.weight").sum() * (step % 2)).backward()
        for weight, buffer, p in zip(weights, buffers, net.parameters(), strict=True):
            assert p.grad is not None
            reference_step(weight, p.grad, buffer, adapt=p.ndim > 1)
        optimizer.step()
        for weight, p in zip(weights, net.parameters(), strict=True):
            torch.testing.assert_close(p.detach(), weight, atol=1e-13, rtol=1e-11)


def test_a_parameter_without_gradient_stays() -> None:
    used, unused = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    optimizer = LARS([{"params": [used, unused]}], lr=1.0)
    used.square().sum().backward()
    optimizer.step()
    assert torch.equal(unused, torch.ones(2, 2))
    assert not torch.equal(used, torch.ones(2, 2))


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="closure"):
        LARS([{"params": [nn.Parameter(torch.ones(2))]}], lr=1.0).step(lambda: 0.0)


def test_normalisation_and_biases_are_never_adapted() -> None:
    net = nn.Sequential(build_resnet(ResNetArchitecture(depth=50)), nn.Linear(4, 4))
    groups = [cast(list[nn.Parameter], group["params"]) for group in parameter_groups(net)]
    adapted, plain = map(set, groups)
    assert adapted | plain == set(net.parameters())
    for module in net.modules():
        own = set(module.parameters(recurse=False))
        if isinstance(module, nn.BatchNorm2d):
            assert own <= plain
        elif isinstance(module, nn.Conv2d):
            assert own <= adapted
    assert net[1].bias in plain
    assert net[1].weight in adapted


def test_the_schedule_warms_up_linearly_and_ends_at_zero() -> None:
    shares = [cosine_with_warmup(step, 10, 110) for step in range(111)]
    assert shares[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert shares[10] == 1
    assert shares[60] == pytest.approx(0.5)
    assert shares[35] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert shares[110] == pytest.approx(0)
    assert cosine_with_warmup(0, 0, 1) == 1


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_the_chosen_optimizer_decays_matrices_alone(name) -> None:
    net = network()
    changes = {"optimizer": name, "learning_rate": 0.1, "lr_scaling": "none", "betas": (0.8, 0.99)}
    optimizer = build_optimizer(Recipe(weight_decay=0.5, **changes), net)
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, parameter in net.named_parameters():
        shrunk = parameter.ndim > 1 and bool(before[key].any())
        assert torch.equal(parameter, before[key]) != shrunk, key
    if name == "adamw":
        assert all(group["betas"] == (0.8, 0.99) for group in optimizer.param_groups)
    if name == "sgd":
        assert all(group["nesterov"] for group in optimizer.param_groups)
