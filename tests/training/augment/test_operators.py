"""Each operator by name against torchvision's (Sobel: scikit-image's) on one image at a time."""

import importlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from skimage import filters
from torch import Tensor

from training.augment import OPERATORS, Augmentation, apply_operators, random_pair, random_views
from training.augment.operators import Batch
from training.augment.pixels import HOLE

SIDE, N = 30, 6
CERTAIN = Augmentation(size=SIDE, flip=1, jitter=1, grey=1, blur=1, strength=0.5)
JITTERS = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue")


@pytest.fixture(scope="session")
def photos(crops) -> Tensor:
    return (torch.from_numpy(crops(N, SIDE)).permute(0, 3, 1, 2).float() / 255).contiguous()


@pytest.fixture(scope="session")
def one_by_one(torchvision):
    """one_by_one[name](image, parameters of this image) with torchvision, image (3, h, w)."""
    functional = torchvision.transforms.functional
    v2 = importlib.import_module("torchvision.transforms.v2.functional")
    bicubic = torchvision.transforms.InterpolationMode.BICUBIC

    def crop(image: Tensor, top: int, left: int, h: int, w: int) -> Tensor:
        side = list(image.shape[1:])
        box = (int(top), int(left), int(h), int(w))
        return functional.resized_crop(image, *box, side, bicubic, antialias=True).clamp(0, 1)

    def cutout(image: Tensor, top: int, left: int, h: int, w: int) -> Tensor:
        y, x = max(0, int(top)), max(0, int(left))
        height, width = int(top + h) - y, int(left + w) - x
        return functional.erase(image, y, x, height, width, torch.tensor(HOLE))

    def jitter(image: Tensor, order: Tensor, factors: Tensor) -> Tensor:
        for number in order.tolist():
            image = getattr(functional, JITTERS[number])(image, float(factors[number]))
        return image

    def sobel(image: Tensor) -> Tensor:
        return torch.stack([torch.from_numpy(filters.sobel(c.numpy())) for c in image])

    def drop_channels(image: Tensor, kept: Tensor) -> Tensor:
        dropped = torch.zeros_like(image)
        dropped[int(kept)] = image[int(kept)]
        return dropped

    return {
        "crop": crop,
        "flip": functional.hflip,
        "grey": lambda image: functional.rgb_to_grayscale(image, 3),
        "jitter": jitter,
        "rotate": lambda image, quarters: functional.rotate(image, 90.0 * int(quarters)),
        "cutout": cutout,
        "blur": lambda image, sigma, kernel: functional.gaussian_blur(image, kernel, [sigma]),
        "sobel": sobel,
        "drop_channels": drop_channels,
        "noise": lambda image, sigma: v2.gaussian_noise(image, 0.0, float(sigma)),
    }


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"noise"}))
@settings(max_examples=8)
@given(seed=st.integers(0, 2**31))
def test_equals_the_operator_of_one_image(name, seed, photos, one_by_one) -> None:
    batch = Batch(N, SIDE, CERTAIN, torch.Generator().manual_seed(seed))
    chosen, parameters = OPERATORS[name].draw(batch)
    assert chosen is None or chosen.tolist() == list(range(N))
    before = photos.clone()
    got = OPERATORS[name].apply(photos, **parameters)
    for i, image in enumerate(photos):
        own = {k: v[i] if isinstance(v, Tensor) else v for k, v in parameters.items()}
        want = one_by_one[name](image, **own)
        torch.testing.assert_close(got[i], want, atol=2e-5, rtol=0)
    assert torch.equal(photos, before), "the operator changed its input"


def test_noise_of_one_image_equals_torchvisions(photos, one_by_one) -> None:
    torch.manual_seed(5)
    want = one_by_one["noise"](photos[0], torch.tensor(0.3))
    got = OPERATORS["noise"].apply(photos[:1], sigma=torch.tensor([0.3]), seeds=[5])
    torch.testing.assert_close(got[0], want, atol=1e-6, rtol=0)


def test_noise_is_independent_between_images_with_each_ones_deviation() -> None:
    flat = torch.full((3, 3, 64, 64), 0.5)
    sigma = torch.tensor([0.0, 0.05, 0.1])
    got = OPERATORS["noise"].apply(flat, sigma=sigma, seeds=[1, 2, 3]) - 0.5
    torch.testing.assert_close(
        got.std(dim=(1, 2, 3)), torch.tensor([0, 0.05, 0.1]), atol=3e-3, rtol=0
    )
    assert abs(np.corrcoef(got[1].flatten(), got[2].flatten())[0, 1]) < 0.05


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"sobel", "flip", "grey"}))
def test_parameters_are_drawn_for_each_image(name, photos) -> None:
    same = photos[:1].repeat(16, 1, 1, 1)
    got = apply_operators(same, [name], CERTAIN, torch.Generator().manual_seed(0))
    least = 3 if name in ("rotate", "drop_channels") else 12
    assert len({image.numpy().tobytes() for image in got}) >= least


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_a_batch_of_one_works(name, photos) -> None:
    got = apply_operators(photos[:1].clone(), [name], CERTAIN, torch.Generator().manual_seed(0))
    assert got.shape == (1, 3, SIDE, SIDE)
    assert got.min() >= 0
    assert got.max() <= 1 + 1e-6


def test_named_operators_follow_one_another(crops, photos) -> None:
    images = torch.from_numpy(crops(N, SIDE))
    both = CERTAIN.model_copy(update={"operators": ("grey", "sobel")})
    got = random_views(images, both, torch.Generator().manual_seed(0))
    want = OPERATORS["sobel"].apply(OPERATORS["grey"].apply(photos))
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["rotate", "cutout", "noise", "sobel", "drop_channels"])
def test_some_of_the_images_are_met_with_parameters_of_their_own(name, photos) -> None:
    images = photos[:1].repeat(200, 1, 1, 1)
    some = CERTAIN.model_copy(update={"rest": 0.3})
    got = apply_operators(images.clone(), [name], some, torch.Generator().manual_seed(0))
    left = torch.tensor([torch.equal(a, b) for a, b in zip(got, images, strict=True)])
    assert 0.6 < left.float().mean() < 0.8
    if name in ("cutout", "noise"):
        assert len({image.numpy().tobytes() for image in got[~left]}) > 40


def test_on_one_branch_the_other_view_is_the_crop_that_both_began_as(crops) -> None:
    images = torch.from_numpy(crops(N, 40))
    augmentation = CERTAIN.model_copy(update={"operators": ("flip",), "branches": "one"})
    first, second = random_pair(images, augmentation, torch.Generator().manual_seed(0)).chunk(2)
    assert torch.equal(second, first.flip(3))
    whole = random_views(images, CERTAIN.model_copy(update={"operators": ()}), torch.Generator())
    assert not torch.equal(first, whole), "the shared beginning must be a random crop"


def test_on_both_branches_each_view_draws_its_own(crops) -> None:
    images = torch.from_numpy(crops(N, SIDE))
    augmentation = CERTAIN.model_copy(update={"operators": ("crop", "cutout")})
    first, second = random_pair(images, augmentation, torch.Generator().manual_seed(0)).chunk(2)
    assert not torch.equal(first, second)


def test_one_branch_without_operators_and_names_that_are_none_are_refused() -> None:
    with pytest.raises(ValidationError, match="branches='one' needs `operators`"):
        Augmentation(branches="one")
    with pytest.raises(ValidationError, match="'jitter'"):
        Augmentation(operators=("jiter",))
