import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from sources import near_duplicates


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


def crops(count: int, side: int) -> list[np.ndarray]:
    """Square pieces of two photos."""
    photos, rng = load_sample_images().images, np.random.default_rng(3)
    pieces = []
    for _ in range(count):
        image = photos[rng.integers(len(photos))]
        top, left = (rng.integers(extent - side + 1) for extent in image.shape[:2])
        pieces.append(image[top : top + side, left : left + side])
    return pieces


def test_a_recropped_smaller_or_brighter_copy_is_found_and_other_pieces_are_not() -> None:
    pieces = crops(24, 96)
    others = np.stack([resized(piece, 64) for piece in pieces[:12]])
    recropped = resized(pieces[0][6:-6, 6:-6], 48)
    wider = resized(pieces[1], 48)
    brighter = np.clip(resized(pieces[2], 48) * 1.1, 0, 255).astype(np.uint8)
    strangers = [resized(piece, 48) for piece in pieces[12:]]
    found = near_duplicates(np.stack([recropped, wider, brighter, *strangers]), others)
    assert found[:3].tolist() == [True, True, True]
    assert not found[3:].any()


def test_flat_images_are_nobodys_copies() -> None:
    flat = np.full((2, 16, 16, 3), 200, np.uint8)
    assert not near_duplicates(flat, flat).any()
