"""Every test has a store of its own; and a folder of photos."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _own_store(home):
    pass


@pytest.fixture
def photos(tmp_path):
    """Five images in two folders, two files that are called images, and one that is none."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "deep/c.png", "deep/er/d.webp", "deep/e.PNG"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8)).save(path)
    (folder / "notes.txt").write_text("not looked at")
    (folder / "deep" / "broken.jpg").write_text("text")
    (folder / "empty.png").write_bytes(b"")
    return folder
