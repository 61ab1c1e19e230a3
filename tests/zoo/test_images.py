"""Bytes -> square: any file gives a uint8 square or an ImageError that says what is wrong."""

import io
import os
import struct
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.tars import read_member
from zoo.images import ImageError, InputBlock, decode, read_square, square, thumbnail

DATA = Path(os.environ.get("ZOO_TEST_DATA") or Path(__file__).parents[2] / "../shared/data")
ODD = DATA / "odd-images.tar"
BLOCK = InputBlock(size=32)

UNREADABLE = {
    "gif_bomb.gif": "too-large",
    "ico_bomb.ico": "format",
    "jpg_fuzz_3x62728.jpeg": "corrupt",
    "jpg_truncated_2725x2225.jpg": "corrupt",
    "jpg_truncated_4k.jpg": "corrupt",
    "png_bad_sig.png": "format",
    "png_bomb_65536.png": "too-large",
    "png_truncated2.png": "corrupt",
    "svg.svg": "format",
}


def scene(width=96, height=64, mode="RGB"):
    """A smooth picture without symmetry, so that every turn of it looks different."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = [255 * x, 255 * y**2, 255 * (0.3 * x + 0.7 * (1 - y))]
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8), "RGB").convert(mode)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def failure(data, **options):
    with pytest.raises(ImageError) as caught:
        read_square(data, BLOCK, **options)
    return caught.value


@pytest.fixture(scope="module")
def odd_files():
    if not ODD.is_file():
        pytest.skip(f"{ODD} is absent")
    with tarfile.open(ODD) as archive:
        return {m.name: read_member(archive, m) for m in archive if m.isfile()}


def test_each_odd_file_gives_a_square_or_its_error(odd_files):
    assert len(odd_files) == 31
    kinds = {}
    for name, data in odd_files.items():
        try:
            pixels = read_square(data, BLOCK)
        except ImageError as error:
            kinds[name] = error.kind
            assert len(str(error)) > 20
        else:
            assert pixels.shape == (32, 32, 3)
            assert pixels.dtype == np.uint8
    assert kinds == UNREADABLE


# VmHWM is of this program alone; ru_maxrss would begin at the size of the tests that started it.
PEAK = """
import re, sys
from zoo.images import ImageError, InputBlock, read_square
try:
    read_square(sys.stdin.buffer.read(), InputBlock(size=64))
except ImageError:
    pass
with open("/proc/self/status") as status:
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]))
"""


def peak_memory(data):
    command = [sys.executable, "-c", PEAK]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return int(done.stdout)


def test_odd_files_need_little_memory(odd_files):
    peaks = {name: peak_memory(data) for name, data in odd_files.items()}
    assert max(peaks.values()) < 250e6, peaks


def test_a_large_16_bit_picture_needs_little_memory():
    row = (np.arange(6000) * 10).astype(">u2").tobytes()
    data = png(6000, 6000, depth=16, colour=0, rows=[row] * 6000)
    assert peak_memory(data) < 400e6


@pytest.mark.parametrize("squash", [False, True])
def test_every_exif_orientation_of_a_photo_gives_the_same_square(squash):
    block = InputBlock(size=32, squash=squash)
    upright = scene(96, 64)
    stored_as = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    expected = read_square(encoded(upright, "PNG"), block).astype(int)
    for orientation, turn in stored_as.items():
        stored = upright if turn is None else upright.transpose(turn)
        kinds: dict[str, dict[str, Any]] = {
            "JPEG": {"quality": 95, "subsampling": 0},
            "PNG": {},
            "WEBP": {"lossless": True},
            "TIFF": {},
        }
        for kind, options in kinds.items():
            exif = Image.Exif()
            exif[0x0112] = orientation
            data = encoded(stored, kind, exif=exif, **options)
            difference = np.abs(read_square(data, block) - expected)
            assert difference.max() <= 6, (kind, orientation)


def test_orientation_at_the_end_of_a_png_counts():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[start : start + 4])
    end = data.index(b"IEND") - 4
    moved = data[:start] + data[start + length : end] + data[start : start + length] + data[end:]
    assert np.array_equal(read_square(moved, BLOCK), read_square(data, BLOCK))


def test_impossible_orientation_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 77
    assert decode(encoded(scene(), "JPEG", exif=exif)).orientation == 1


def test_transparency_is_laid_over_white():
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 10, 20))
    pixels = read_square(encoded(image, "PNG"), InputBlock(size=20))
    assert tuple(pixels[10, 15]) == (255, 255, 255)
    assert tuple(pixels[10, 2]) == (0, 0, 255)
    half = read_square(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), "PNG"), BLOCK)
    assert abs(int(half[0, 0, 0]) - 127) <= 1


def test_grey_with_alpha_and_a_transparent_colour_are_laid_over_white():
    grey = encoded(Image.new("LA", (8, 8), (0, 0)), "PNG")
    assert (read_square(grey, BLOCK) == 255).all()
    keyed = encoded(Image.new("RGB", (8, 8), (9, 9, 9)), "PNG", transparency=(9, 9, 9))
    assert (read_square(keyed, BLOCK) == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_with_a_transparent_entry(kind):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.paste(0, (0, 0, 8, 16))
    pixels = read_square(encoded(image, kind, transparency=0), InputBlock(size=16))
    assert tuple(pixels[8, 2]) == (255, 255, 255)
    assert tuple(pixels[8, 13]) == (200, 0, 0)


def test_cmyk_is_converted():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = read_square(data, BLOCK)[16, 16].astype(int)
    assert red > 240
    assert max(green, blue) < 15


def test_16_bit_grey_is_scaled_not_clipped():
    row = np.repeat(np.array([0, 16384, 32768, 65535], np.uint16), 8)
    image = Image.fromarray(np.tile(row, (32, 1)))
    pixels = read_square(encoded(image, "PNG"), InputBlock(size=32))
    assert [int(pixels[16, x, 0]) for x in (2, 12, 20, 29)] == [0, 64, 128, 255]


def test_float_samples_run_from_0_to_1_and_may_be_nan():
    samples = np.full((8, 8), 0.5, np.float32)
    assert (read_square(encoded(Image.fromarray(samples), "TIFF"), BLOCK) == 128).all()
    samples[:] = np.nan
    assert (read_square(encoded(Image.fromarray(samples), "TIFF"), BLOCK) == 0).all()


def test_lab_is_converted():
    red = Image.merge("LAB", [Image.new("L", (8, 8), v) for v in (138, 81 + 128, 70 + 128)])
    value = read_square(encoded(red, "TIFF"), BLOCK)[4, 4].astype(int)
    assert np.abs(value - (255, 0, 0)).max() <= 6


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert tuple(read_square(data, BLOCK)[8, 8]) == (255, 0, 0)


def test_pixels_are_counted_before_decoding():
    # A header alone: decoding would fail as damaged, so the limit was checked first.
    header = png(70_000, 70_000, depth=8, colour=2, rows=[])
    assert failure(header).kind == "too-large"
    error = failure(encoded(scene(100, 50), "PNG"), max_pixels=4999)
    assert error.kind == "too-large"
    assert "100 x 50" in str(error)
    assert read_square(encoded(scene(100, 50), "PNG"), BLOCK, max_pixels=5000).shape == (32, 32, 3)


def test_an_icon_cannot_bring_a_picture_past_the_limit():
    inner = png(70_000, 1_000, depth=8, colour=0, rows=[bytes(70_000)] * 1_000)
    header = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inner), 22)
    assert failure(header + inner).kind == "format"


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(scene(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xc4")
    assert read_square(data, BLOCK).shape == (32, 32, 3)
    bomb = data[:-2] + data[last:-2] * 100 + data[-2:]
    assert failure(bomb).kind == "too-large"


@pytest.mark.parametrize(
    ("data", "kind", "word"),
    [
        (b"", "empty", "0 bytes"),
        (b"just some text, renamed to .jpg", "format", "JPEG, PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format", "send"),
    ],
)
def test_what_is_no_image_says_so(data, kind, word):
    error = failure(data)
    assert error.kind == kind
    assert word in str(error)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM"])
def test_truncated_files_are_refused(kind):
    rng = np.random.default_rng(0)
    data = encoded(Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)), kind)
    assert read_square(data, BLOCK).shape == (32, 32, 3)
    for share in (0.2, 0.6, 0.9):
        assert failure(data[: int(len(data) * share)]).kind in ("corrupt", "format")


SEED_KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {"quality": 50}),
    ("PNG", "RGBA", {}),
    ("WEBP", "RGBA", {}),
    ("GIF", "P", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
]
SEEDS = {kind: encoded(scene(24, 16, mode), kind, **options) for kind, mode, options in SEED_KINDS}


def reads_or_refuses(data):
    try:
        pixels = read_square(data, BLOCK, max_pixels=1_000_000)
    except ImageError as error:
        assert error.kind in ("empty", "format", "corrupt", "too-large")
    else:
        assert pixels.shape == (32, 32, 3)


@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing_else(data):
    reads_or_refuses(data)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    cut=st.floats(0, 1),
)
def test_mutated_files_raise_nothing_else(kind, edits, cut):
    data = bytearray(SEEDS[kind])
    for where, value in edits:
        data[int(where * len(data))] = value
    reads_or_refuses(bytes(data))
    reads_or_refuses(bytes(data[: int(cut * len(data))]))


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 2)])
def test_tiny_and_thin_images(size):
    pixels = read_square(encoded(Image.new("RGB", size, (5, 100, 200)), "PNG"), BLOCK)
    assert (pixels == (5, 100, 200)).all()


@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    crop=st.floats(0.05, 1),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_a_uniform_image_stays_uniform(colour, size, crop, interpolation):
    block = InputBlock(size=16, crop=crop, interpolation=interpolation)
    assert (square(decode(encoded(Image.new("RGB", size, colour), "PNG")), block) == colour).all()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_square_is_pillows_crop_and_resize(interpolation):
    image = scene(120, 80)
    resample = Image.Resampling[interpolation.upper()]
    for crop, box in {1.0: (20, 0, 100, 80), 0.5: (40, 20, 80, 60)}.items():
        block = InputBlock(size=24, crop=crop, interpolation=interpolation)
        expected = np.asarray(image.resize((24, 24), resample, box))
        assert np.array_equal(read_square(encoded(image, "PNG"), block), expected)


def test_a_squeezed_photo_shows_both_sides():
    image = scene(120, 80)
    for crop, box in {1.0: (0, 0, 120, 80), 0.5: (30, 20, 90, 60)}.items():
        block = InputBlock(size=24, crop=crop, squash=True)
        expected = np.asarray(image.resize((24, 24), Image.Resampling.BICUBIC, box))
        assert np.array_equal(read_square(encoded(image, "PNG"), block), expected)


def test_a_thumbnail_is_upright_whole_and_small():
    exif = Image.Exif()
    exif[0x0112] = 6
    small = Image.open(io.BytesIO(thumbnail(decode(encoded(scene(900, 300), "JPEG", exif=exif)))))
    assert small.format == "JPEG"
    assert small.size in {(85, 256), (86, 256)}
    tiny = Image.open(io.BytesIO(thumbnail(decode(encoded(scene(30, 10), "PNG")))))
    assert tiny.size == (30, 10)


def png(width, height, depth, colour, rows):
    """A PNG written by hand, so that large ones need no memory here."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    deflate = zlib.compressobj(1)
    body = b"".join(deflate.compress(b"\0" + row) for row in rows) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
