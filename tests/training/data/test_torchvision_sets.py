"""torchvision's own data sets, written small in the forms that torchvision reads."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sources import DataError, list_entries, read_files
from training.data import pack


@pytest.fixture
def mnist(torchvision, crops, tmp_path) -> Path:
    """A folder with an MNIST of six training and two test images, in IDX files."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, count in (("train", 6), ("t10k", 2)):
        grey = crops(count, 28)[..., 0]
        labels = np.arange(count, dtype=np.uint8)
        write_idx(folder / f"{name}-images-idx3-ubyte", grey)
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels)
    return tmp_path


def write_idx(path: Path, values: np.ndarray) -> None:
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(head + values.tobytes())
    with gzip.open(path.with_suffix(".gz"), "wb") as file:
        file.write(head + values.tobytes())


def test_a_set_gives_its_images_splits_and_the_names_of_its_classes(mnist, crops, tmp_path) -> None:
    source = Path(f"torchvision:MNIST:{mnist}")
    train = list_entries(source, "train")
    assert [e.split for e in train] == ["train"] * 6
    assert [e.label for e in train][:2] == ["0 - zero", "1 - one"]
    assert [e.split for e in list_entries(source)].count("test") == 2
    packed = pack(source, tmp_path / "cache", 28, "train")
    assert packed.name == "MNIST"
    grey = crops(6, 28)[..., 0]
    assert np.array_equal(packed.pixels, np.repeat(grey[..., None], 3, axis=3))


def test_a_set_without_splits_reads_each_image_and_lists_the_unreadable(
    torchvision, crops, tmp_path
) -> None:
    for label, pixels in zip("ab", crops(2, 20), strict=True):
        (tmp_path / "set" / label).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "set" / label / "1.png")
    (tmp_path / "set" / "b" / "2.png").write_bytes(b"no image")
    source = Path(f"torchvision:ImageFolder:{tmp_path / 'set'}")
    entries = list_entries(source)
    assert [e.label for e in entries] == ["a", "b", "b"]
    packed = pack(source, tmp_path / "cache", 20)
    assert np.array_equal(packed.pixels, crops(2, 20))
    assert len(packed.unreadable) == 1
    assert dict(read_files(source, entries))[2] == b""


def test_what_cannot_be_used_is_named(torchvision, tmp_path) -> None:
    with pytest.raises(DataError, match="no data set 'CIFAR11'"):
        list_entries(Path(f"torchvision:CIFAR11:{tmp_path}"))
    with pytest.raises(DataError, match="write it as torchvision:NAME:FOLDER"):
        list_entries(Path("torchvision:CIFAR10"))
    with pytest.raises(DataError, match=r"cannot read CIFAR10 there .*download it first"):
        list_entries(Path(f"torchvision:CIFAR10:{tmp_path}"))
    with pytest.raises(DataError, match=r"cannot read ImageFolder there .*gone"):
        list_entries(Path(f"torchvision:ImageFolder:{tmp_path / 'gone'}"))
