import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.augment import Augmentation
from training.monitor import alignment, embedding_geometry, uniformity
from zoo.architectures import ResNetArchitecture
from zoo.encoders import build_resnet


def unit(n: int, d: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)


def test_alignment_and_uniformity_equal_their_sums_pair_by_pair() -> None:
    first, second = unit(5, 3, 0), unit(5, 3, 1)
    distances = [float((a - b) @ (a - b)) for a, b in zip(first, second, strict=True)]
    assert float(alignment(first, second)) == pytest.approx(np.mean(distances))
    potentials = [
        math.exp(-2 * float((first[i] - first[j]) @ (first[i] - first[j])))
        for i in range(5)
        for j in range(i)
    ]
    assert float(uniformity(first)) == pytest.approx(math.log(np.mean(potentials)))
    assert float(uniformity(first[:1].repeat(4, 1))) == pytest.approx(0)


def test_a_network_is_left_as_it_was(crops) -> None:
    encoder = build_resnet(ResNetArchitecture(stem="stride2-pool")).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    pixels = torch.from_numpy(crops(6, 20))
    whole = Augmentation(size=16, area=(1, 1), aspect=(1, 1), flip=0, jitter=0, grey=0, blur=0)
    same = embedding_geometry(encoder, pixels, whole, 0)
    assert same["alignment"] == pytest.approx(0, abs=1e-6)
    assert embedding_geometry(encoder, pixels, Augmentation(size=16), 0)["alignment"] > 1e-4
    assert -8 < same["uniformity"] < 0
    assert encoder.training
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
