import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from training.augment import Augmentation, random_views
from training.augment.boxes import random_crops

PLAIN = Augmentation(
    size=32, area=(1, 1), aspect=(1, 1), flip=0, jitter=0, grey=0, blur=0, low_resolution=0
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(48, 64), (90, 32)])
def test_crops_are_distributed_as_torchvisions(size, torchvision) -> None:
    height, width = size
    n = 4000
    top, left, h, w = random_crops(n, height, width, (0.08, 1), (3 / 4, 4 / 3), seeded())
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + h <= height).all()
    assert (left + w <= width).all()
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    draw = torchvision.transforms.RandomResizedCrop.get_params
    theirs = torch.tensor([draw(image, [0.08, 1], [3 / 4, 4 / 3]) for _ in range(n)]).T
    ours = torch.stack([top, left, h, w])
    for got, want in zip(ours, theirs, strict=True):
        assert ks_2samp(got, want).pvalue > 0.001
    assert ks_2samp(h * w, theirs[2] * theirs[3]).pvalue > 0.001


@pytest.mark.parametrize("size", [(100, 10), (10, 100), (20, 20)])
def test_where_no_box_fits_the_largest_is_centred_as_torchvisions(size, torchvision) -> None:
    area, aspect = [1.5, 2.0], [3 / 4, 4 / 3]  # an area beyond the image never fits
    height, width = size
    boxes = random_crops(2, height, width, (1.5, 2.0), (3 / 4, 4 / 3), seeded())
    draw = torchvision.transforms.RandomResizedCrop.get_params
    want = draw(torch.zeros(3, *size), area, aspect)
    assert torch.stack(boxes).T.tolist() == [list(want)] * 2


def test_one_seed_gives_one_batch_of_views(crops) -> None:
    images = torch.from_numpy(crops(16, 48))
    augmentation = Augmentation(size=32, low_resolution=0.5)
    first = random_views(images, augmentation, seeded(1))
    assert first.shape == (16, 3, 32, 32)
    assert first.dtype == torch.float32
    assert first.min() >= 0
    assert first.max() <= 1 + 1e-6  # sums of weights round
    assert torch.equal(first, random_views(images, augmentation, seeded(1)))
    assert not torch.equal(first, random_views(images, augmentation, seeded(2)))


@pytest.mark.parametrize(
    "change",
    [
        {"area": (0.08, 1.0)},
        {"jitter": 1.0},
        {"blur": 1.0},
        {"low_resolution": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_parameters_are_drawn_for_each_image(change, crops) -> None:
    same = torch.from_numpy(crops(1, 40)).repeat(12, 1, 1, 1)
    views = random_views(same, PLAIN.model_copy(update=change), seeded())
    assert len({view.numpy().tobytes() for view in views}) >= 8


@pytest.mark.parametrize("chance", ["flip", "grey"])
def test_an_operator_meets_the_share_of_images_it_should(chance, crops) -> None:
    same = torch.from_numpy(crops(1, 32)).repeat(400, 1, 1, 1)
    plain = random_views(same[:1], PLAIN, seeded())[0]
    views = random_views(same, PLAIN.model_copy(update={chance: 0.3}), seeded())
    changed = [not torch.equal(view, plain) for view in views]
    assert 0.22 < np.mean(changed) < 0.38
    effect = plain.flip(2) if chance == "flip" else None
    for view in views[torch.tensor(changed)]:
        if effect is not None:
            assert torch.equal(view, effect)
        else:
            assert torch.equal(view[0], view[1])
            assert torch.equal(view[0], view[2])


def test_without_randomness_a_view_is_the_resized_image(crops, torchvision) -> None:
    images = torch.from_numpy(crops(3, 48))
    want = torchvision.transforms.functional.resize(
        images.permute(0, 3, 1, 2).float() / 255,
        [32, 32],
        interpolation=torchvision.transforms.InterpolationMode.BICUBIC,
        antialias=True,
    ).clamp(0, 1)
    got = random_views(images, PLAIN, seeded())
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_lost_resolution_blurs_and_keeps_the_mean(crops) -> None:
    images = torch.from_numpy(crops(20, 32))
    sharp = random_views(images, PLAIN, seeded())
    lossy = random_views(images, PLAIN.model_copy(update={"low_resolution": 1.0}), seeded())

    def detail(x: torch.Tensor) -> torch.Tensor:
        return x.diff(dim=3).abs().mean(dim=(1, 2, 3))

    assert (detail(lossy) <= detail(sharp) + 1e-6).all()
    assert (detail(lossy) < 0.9 * detail(sharp)).any()
    torch.testing.assert_close(
        lossy.mean(dim=(1, 2, 3)), sharp.mean(dim=(1, 2, 3)), atol=0.02, rtol=0
    )
