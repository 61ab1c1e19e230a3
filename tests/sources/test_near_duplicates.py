"""Which images show the same photo."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_sample_images

from sources.near_duplicates import near_duplicates, near_pairs

Images = npt.NDArray[np.uint8]


def resized(pixels: Images, side: int) -> Images:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


def pieces(count: int, side: int) -> Images:
    """Random squares of two photos."""
    photos, rng = load_sample_images().images, np.random.default_rng(3)
    found = []
    for _ in range(count):
        photo = photos[rng.integers(len(photos))]
        top, left = (rng.integers(extent - side + 1) for extent in photo.shape[:2])
        found.append(photo[top : top + side, left : left + side])
    return np.stack(found)


def test_a_recropped_smaller_or_brighter_copy_is_found_and_other_pieces_are_not() -> None:
    photos = pieces(24, 96)
    others = np.stack([resized(piece, 64) for piece in photos[:12]])
    recropped = resized(photos[0][6:-6, 6:-6], 48)
    wider = resized(photos[1], 48)
    brighter = np.clip(resized(photos[2], 48) * 1.1, 0, 255).astype(np.uint8)
    strangers = [resized(piece, 48) for piece in photos[12:]]
    images = np.stack([recropped, wider, brighter, *strangers])
    found = near_duplicates(images, others)
    assert found[:3].tolist() == [True, True, True]
    assert not found[3:].any()
    whole = [resized(piece, 48) for piece in photos[:3]]
    assert near_pairs(np.stack([*images, *whole])) == {(0, 15), (1, 16), (2, 17)}


def test_flat_images_are_nobodys_copies() -> None:
    flat = np.full((2, 16, 16, 3), 200, np.uint8)
    assert not near_duplicates(flat, flat).any()
    assert near_pairs(flat) == set()
