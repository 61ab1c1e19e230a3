"""An image's augmentations are the same however its batch is divided."""

import pytest
import torch

from training.augment import (
    OPERATORS,
    Augmentation,
    chunks,
    random_pair,
    random_views,
    share_generator,
)

EVERYTHING = Augmentation(size=24, strength=0.5, blur=0.5, low_resolution=0.4)


@pytest.mark.parametrize("shares", [2, 4])
@pytest.mark.parametrize(
    "augmentation",
    [
        EVERYTHING,
        EVERYTHING.model_copy(update={"operators": tuple(sorted(OPERATORS))}),
        EVERYTHING.model_copy(update={"operators": ("jitter", "noise"), "branches": "one"}),
    ],
    ids=["simclr", "every operator", "one branch"],
)
def test_shares_of_a_batch_are_its_rows(shares, augmentation, crops) -> None:
    images = torch.from_numpy(crops(8, 32))
    whole = random_pair(images, augmentation, share_generator(7)).unflatten(0, (2, 8))
    parts = [
        random_pair(share, augmentation, share_generator(7, index, shares)).unflatten(0, (2, -1))
        for index, share in enumerate(images.chunk(shares))
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=2e-6, rtol=0)


def test_the_whole_batch_draws_what_a_plain_generator_does(crops) -> None:
    images = torch.from_numpy(crops(4, 32))
    plain = random_pair(images, EVERYTHING, torch.Generator().manual_seed(7))
    assert torch.equal(plain, random_pair(images, EVERYTHING, share_generator(7)))
    assert not torch.equal(plain, random_pair(images, EVERYTHING, share_generator(8)))


@pytest.mark.parametrize("names", [None, tuple(sorted(OPERATORS))], ids=["simclr", "every"])
def test_the_number_of_images_worked_on_together_changes_nothing(names, crops, monkeypatch) -> None:
    images = torch.from_numpy(crops(6, 32))
    augmentation = EVERYTHING.model_copy(update={"operators": names})
    whole = random_views(images, augmentation, share_generator(7))
    for cached in (1, 2 * 3 * 24 * 24 * 4):
        monkeypatch.setattr(chunks, "_CACHED", cached)
        parts = random_views(images, augmentation, share_generator(7))
        torch.testing.assert_close(parts, whole, atol=2e-6, rtol=0)


def test_the_number_of_threads_changes_nothing(crops, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "_CACHED", 3 * 24 * 24 * 4)
    images, before = torch.from_numpy(crops(6, 32)), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode(threads == 3):
                found.append(random_views(images, EVERYTHING, share_generator(7)))
            assert torch.get_num_threads() == threads, "workers' limits are their own"
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)
