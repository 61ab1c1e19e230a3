import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.augment.geometry import apply_separable, blur_taps, resize_taps

BOXES = [  # top, left, height, width: a reduction, an enlargement, the whole, a sliver
    (3, 5, 40, 33),
    (20, 11, 9, 7),
    (0, 0, 48, 56),
    (47, 0, 1, 56),
]


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [16, 32])
def test_a_batch_of_crops_equals_torchvision_one_by_one(kind, size, crops, torchvision) -> None:
    images = torch.from_numpy(crops(len(BOXES), 48, 56)).float() / 255
    top, left, height, width = torch.tensor(BOXES).T
    rows = resize_taps(top, height, size, kind)
    columns = resize_taps(left, width, size, kind)
    got = apply_separable(images, rows, columns)
    want = torch.stack(
        [
            torchvision.transforms.functional.resized_crop(
                image.permute(2, 0, 1),
                *box,
                [size, size],
                interpolation=torchvision.transforms.InterpolationMode(kind),
                antialias=True,
            )
            for image, box in zip(images, BOXES, strict=True)
        ]
    )
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_blur_equals_torchvision(crops, torchvision) -> None:
    images = torch.from_numpy(crops(4, 40)).float() / 255
    sigma = torch.tensor([0.1, 0.7, 1.3, 2.0])
    maps = blur_taps(sigma, 40, 5)
    got = apply_separable(images, maps, maps)
    want = torch.stack(
        [
            torchvision.transforms.functional.gaussian_blur(i.permute(2, 0, 1), 5, [s])
            for i, s in zip(images, sigma.tolist(), strict=True)
        ]
    )
    torch.testing.assert_close(got, want, atol=2e-6, rtol=0)


def test_a_flipped_map_mirrors_only_the_chosen_images(crops) -> None:
    images = torch.from_numpy(crops(2, 24)).float() / 255
    whole = torch.zeros(2).long(), torch.full((2,), 24)
    rows = resize_taps(*whole, 16)
    plain = apply_separable(images, rows, rows)
    columns = resize_taps(*whole, 16, mirrored=torch.tensor([True, False]))
    mirrored = apply_separable(images, rows, columns)
    assert torch.equal(mirrored[0], plain[0].flip(2))
    assert torch.equal(mirrored[1], plain[1])


def test_images_may_have_numbers_of_outputs_of_their_own(crops) -> None:
    images = torch.from_numpy(crops(2, 24)).float()
    start, length, outputs = torch.zeros(2).long(), torch.full((2,), 24), torch.tensor([9, 16])
    both = resize_taps(start, length, outputs, "bilinear")
    got = apply_separable(images, both, both)
    for number, size in enumerate(outputs.tolist()):
        one = resize_taps(start[:1], length[:1], size, "bilinear")
        want = apply_separable(images[number : number + 1], one, one)[0]
        torch.testing.assert_close(got[number, :, :size, :size], want, atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=50)
@given(
    start=st.integers(0, 20),
    length=st.integers(1, 20),
    outputs=st.integers(1, 40),
    kind=st.sampled_from(["bilinear", "bicubic"]),
)
def test_a_resampling_keeps_flat_images_and_reads_nothing_outside_the_crop(
    start, length, outputs, kind
) -> None:
    source, weight = resize_taps(torch.tensor([start]), torch.tensor([length]), outputs, kind)
    torch.testing.assert_close(weight.sum(dim=2), torch.ones(1, outputs), atol=1e-5, rtol=0)
    assert source.min() >= start
    assert source.max() < start + length
