import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sources import DataError
from training.data import gpu_jpeg, pack, packed
from zoo.images import InputBlock, decode, read_square


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(crops, tmp_path) -> Path:
    for i, image in enumerate(crops(6, 40, 60)):
        save(tmp_path / "data" / "ab"[i % 2] / f"{i}.png", image)
    return tmp_path / "data"


def test_rows_are_the_squares_the_gateway_reads(folder, tmp_path) -> None:
    done = []
    source = pack(folder, tmp_path / "cache", 32, progress=lambda n, of: done.append((n, of)))
    assert source.name == "data"
    assert source.pixels.shape == (6, 32, 32, 3)
    assert done[-1] == (6, 6)
    block = InputBlock(size=32, interpolation="bicubic")
    for row, entry in zip(source.pixels, source.entries, strict=True):
        assert np.array_equal(row, read_square((folder / entry.path).read_bytes(), block))
    numbers, names = source.labels()
    assert names == ["a", "b"]
    assert numbers.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_second_call_decodes_nothing(folder, tmp_path, monkeypatch) -> None:
    first = pack(folder, tmp_path / "cache", 32)
    monkeypatch.setattr(packed, "decode", lambda data: pytest.fail("decoded again"))
    second = pack(folder, tmp_path / "cache", 32)
    assert np.array_equal(first.pixels, second.pixels)
    assert first.entries == second.entries


@pytest.mark.parametrize("change", ["pixels", "labels"])
def test_a_changed_source_is_not_answered_from_the_cache(change, folder, tmp_path, crops) -> None:
    table = folder / "labels.csv"
    table.write_text("path,label\na/0.png,cat\nb/1.png,dog\n")
    stamp = folder.stat()
    before = pack(folder, tmp_path / "cache", 32)
    if change == "pixels":
        save(folder / "a" / "0.png", crops(1, 40, 60, seed=9)[0])
    else:
        table.write_text("path,label\na/0.png,dog\nb/1.png,cat\n")
    os.utime(folder, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as an edit in place leaves it
    after = pack(folder, tmp_path / "cache", 32)
    if change == "pixels":
        assert not np.array_equal(after.pixels[0], before.pixels[0])
    else:
        assert [e.label for e in after.entries] == ["dog", "cat"]


def test_unreadable_images_are_listed_with_the_reason_and_left_out(folder, tmp_path) -> None:
    (folder / "a" / "broken.jpg").write_bytes(b"not an image")
    (folder / "a" / "empty.png").write_bytes(b"")
    source = pack(folder, tmp_path / "cache", 32)
    assert len(source) == 6
    assert source.unreadable.keys() == {"a/broken.jpg", "a/empty.png"}
    assert "empty" in source.unreadable["a/empty.png"]
    again = pack(folder, tmp_path / "cache", 32)
    assert again.unreadable == source.unreadable


def test_a_source_of_unreadable_images_is_an_error(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").write_bytes(b"no")
    with pytest.raises(DataError, match="data: none of its 1 images can be read"):
        pack(tmp_path / "data", tmp_path / "cache", 32)
    assert list((tmp_path / "cache").iterdir()) == []


def test_small_images_are_not_enlarged(folder, tmp_path) -> None:
    assert pack(folder, tmp_path / "cache", 64).pixels.shape == (6, 40, 40, 3)


@pytest.mark.parametrize("cause", [KeyboardInterrupt, OSError("disk full")])
def test_interrupted_packing_leaves_nothing_and_can_be_repeated(cause, folder, tmp_path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise cause

    with pytest.raises(cause if isinstance(cause, type) else OSError):
        pack(folder, tmp_path / "cache", 32, progress=interrupt)
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(pack(folder, tmp_path / "cache", 32)) == 6


def test_selected_rows_keep_their_entries(folder, tmp_path) -> None:
    source = pack(folder, tmp_path / "cache", 32)
    keep = np.array([True, False, False, True, False, True])
    chosen = source.select(keep)
    assert [e.path for e in chosen.entries] == ["a/0.png", "b/1.png", "b/5.png"]
    assert np.array_equal(chosen.pixels, source.pixels[[0, 3, 5]])


@pytest.fixture
def mixed(tmp_path) -> Path:
    """JPEG files and what a GPU's decoder does not take, smooth, so that decoders agree."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    y, x = np.mgrid[:90, :121]  # an odd difference: the square begins between two pixels
    for number in range(4):
        wave = 127 + 120 * np.sin(y / (9 + number)) * np.cos(x / 13)
        pixels = np.stack([wave, np.roll(wave, 20, 0), np.flip(wave, 1)], -1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"plain-{number}.jpg", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(pixels).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(pixels).save(folder / "other.png")
    return folder


class OnGpu:
    """Pillow in the place of a GPU's decoder; it counts what it is given."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, files) -> list[torch.Tensor]:
        self.given += len(files)
        images = [np.asarray(decode(data).pixels) for data in files]
        return [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in images]


def test_a_gpu_decodes_the_plain_jpeg_files_of_a_large_set(mixed, tmp_path, monkeypatch) -> None:
    on_gpu = OnGpu()
    monkeypatch.setattr(gpu_jpeg, "gpu_decoder", lambda: on_gpu)
    pack(mixed, tmp_path / "small", 32)
    assert on_gpu.given == 0
    monkeypatch.setattr(packed, "LARGE_SET", 7)
    source = pack(mixed, tmp_path / "cache", 32)
    assert on_gpu.given == 4
    block = InputBlock(size=32, interpolation="bicubic")
    for row, entry in zip(source.pixels, source.entries, strict=True):
        expected = read_square((mixed / entry.path).read_bytes(), block).astype(int)
        most = 2 if entry.path.startswith("plain") else 0
        assert np.abs(row.astype(int) - expected).max() <= most, entry.path


def test_a_damaged_file_is_named_though_a_gpu_decodes(mixed, tmp_path, monkeypatch) -> None:
    whole = (mixed / "plain-0.jpg").read_bytes()
    (mixed / "plain-5.jpg").write_bytes(whole[: len(whole) // 2])

    def failing(files) -> list[torch.Tensor]:
        raise RuntimeError("nvjpegDecode failed")

    monkeypatch.setattr(packed, "LARGE_SET", 7)
    monkeypatch.setattr(gpu_jpeg, "gpu_decoder", lambda: failing)
    source = pack(mixed, tmp_path / "cache", 32)
    assert list(source.unreadable) == ["plain-5.jpg"]
    assert len(source) == 7
