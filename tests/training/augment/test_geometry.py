import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.augment.geometry import apply_separable, blur_matrix, flip, resize_matrix

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
    rows = resize_matrix(top, height, 48, size, kind)
    columns = resize_matrix(left, width, 56, size, kind)
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
    maps = blur_matrix(sigma, 40, 5)
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
    whole = torch.zeros(2), torch.full((2,), 24)
    rows = columns = resize_matrix(*whole, 24, 16)
    plain = apply_separable(images, rows, columns)
    mirrored = apply_separable(images, rows, flip(columns, torch.tensor([True, False])))
    assert torch.equal(mirrored[0], plain[0].flip(2))
    assert torch.equal(mirrored[1], plain[1])


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
    matrix = resize_matrix(torch.tensor([start]), torch.tensor([length]), 40, outputs, kind)[0]
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(outputs), atol=1e-5, rtol=0)
    assert not matrix[:, :start].any()
    assert not matrix[:, start + length :].any()
