"""Uploaded archives: what is read, and what is refused."""

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.archives import LabelledFile, read_archive
from service.errors import InvalidInputError, TooLargeError


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def read(data: bytes, max_files: int = 100, max_bytes: int = 10_000) -> list[LabelledFile]:
    return read_archive(data, max_files=max_files, max_bytes=max_bytes)


names = st.text("abcäß 1_", min_size=1, max_size=8).filter(lambda name: name.strip() == name)


@settings(deadline=None)
@given(st.dictionaries(st.tuples(names, names), st.binary(max_size=50), min_size=1, max_size=10))
def test_a_folder_is_a_class(files: dict[tuple[str, str], bytes]) -> None:
    given_ = {f"{folder}/{name}.jpg": data for (folder, name), data in files.items()}
    expected = [LabelledFile(p, p.split("/")[0], data) for p, data in given_.items()]
    assert read(zipped(given_)) == expected
    nested = zipped({f"top/{path}": data for path, data in given_.items()})
    assert [file.label for file in read(nested)] == [file.label for file in expected]


def test_a_labels_csv_is_followed_from_where_it_lies() -> None:
    table = "\ufeffpath,label,split\nb.jpg,cat,train\nx/a.jpg,,train\n"
    files = {"set/x/a.jpg": b"A", "set/labels.csv": table.encode(), "set/b.jpg": b"B"}
    assert read(zipped(files)) == [
        LabelledFile("set/b.jpg", "cat", b"B"),
        LabelledFile("set/x/a.jpg", None, b"A"),
    ]


def test_what_systems_add_is_left_out() -> None:
    clutter = ["__MACOSX/a/._1.jpg", "a/.DS_Store", "a/Thumbs.db", ".git/x", "a/desktop.ini"]
    data = zipped({"a/1.jpg": b"1", "a/": b"", **dict.fromkeys(clutter, b"x")})
    assert read(data) == [LabelledFile("a/1.jpg", "a", b"1")]


@pytest.mark.parametrize(
    "path", ["../a/1.jpg", "a/../../1.jpg", "/a/1.jpg", "a\\..\\1.jpg", "C:/1"]
)
def test_paths_that_lead_outside_are_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match="leads out"):
        read(zipped({path: b"x"}))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no file"),
        ({"1.jpg": b"x"}, "no folder"),
        ({"labels.csv": b"file,class\n", "a/1.jpg": b""}, "path and label"),
        ({"labels.csv": b"path,label\na/2.jpg,cat\n", "a/1.jpg": b""}, "line 2: there is no"),
        ({"labels.csv": b"path,label\n../b,cat\n", "a/1.jpg": b""}, "leads out"),
        ({"labels.csv": b"path,label\n1,c\n1,d\n", "1": b""}, "twice"),
        ({"labels.csv": b"path,label\n\xff,cat\n", "a/1.jpg": b""}, "UTF-8"),
        ({"labels.csv": b'path,label\n"a,cat\n', "a/1.jpg": b""}, "CSV"),
        ({"labels.csv": b"path,label\n", "x/labels.csv": b"path,label\n"}, "there can be one"),
    ],
)
def test_archives_that_cannot_be_meant(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read(zipped(files))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_zip(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="zip"):
        read(data)


@settings(deadline=None)
@given(st.data())
def test_damaged_zips_are_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(zipped({"a/1.jpg": b"hello" * 20, "b/2.jpg": b"x"}, zipfile.ZIP_DEFLATED))
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        files = read(bytes(whole))
    except (InvalidInputError, TooLargeError):
        return
    assert files


def test_more_files_than_allowed() -> None:
    with pytest.raises(TooLargeError, match="more than 3 files"):
        read(zipped({f"a/{i}": b"" for i in range(5)}), max_files=3)


def test_what_unpacks_to_too_much_is_refused() -> None:
    bomb = zipped({"a/1": bytes(100_000), "a/2": b""}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2000
    with pytest.raises(TooLargeError, match="10,000 bytes"):
        read(bomb)
    several = zipped({f"a/{i}": bytes(4000) for i in range(3)})
    with pytest.raises(TooLargeError, match="10,000 bytes"):
        read(several)


def test_sizes_that_are_made_up_do_not_help() -> None:
    bomb = bytearray(zipped({"a/1": bytes(100_000)}, zipfile.ZIP_DEFLATED))
    directory = bomb.rindex(b"PK\x01\x02")
    bomb[directory + 24 : directory + 28] = struct.pack("<I", 10)
    with pytest.raises((TooLargeError, InvalidInputError)):
        read(bytes(bomb), max_bytes=50)


def test_an_encrypted_archive() -> None:
    data = bytearray(zipped({"a/1": b"x"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    with pytest.raises(InvalidInputError, match="password"):
        read(bytes(data))
