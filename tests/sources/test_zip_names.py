"""Names in zips, made as programs make them: the format's own fields, written here byte by byte."""

import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import Entry, list_source, read_files
from sources.zip_names import entry_name
from tests.sources.files import PNG


def archive(*entries: tuple[bytes, int, bytes]) -> bytes:
    """A zip with PNG under each (name, flags, extra field)."""
    body, directory = b"", b""
    for name, flags, extra in entries:
        sizes = struct.pack("<LLL", zlib.crc32(PNG), len(PNG), len(PNG))
        common = struct.pack("<HHHHH", 20, flags, 0, 0, 0x21) + sizes
        lengths = struct.pack("<HH", len(name), len(extra))
        tail = struct.pack("<HHHLL", 0, 0, 0, 0, len(body))
        directory += b"PK\x01\x02\x14\x00" + common + lengths + tail + name + extra
        body += b"PK\x03\x04" + common + lengths + name + extra + PNG
    count = len(entries)
    end = struct.pack("<HHHHLLH", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def unicode_path(raw: bytes, name: str, version: int = 1) -> bytes:
    field = struct.pack("<BL", version, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field


def written(tmp_path: Path, *entries: tuple[bytes, int, bytes]) -> Path:
    path = tmp_path / "photos.zip"
    path.write_bytes(archive(*entries))
    assert zipfile.ZipFile(path).testzip() is None
    return path


OLD = "Käfer/1.jpg".encode("cp437")
FINDER = unicodedata.normalize("NFD", "Käfer/1.jpg").encode()
OTHER = struct.pack("<HH", 0x5455, 1) + b"x"


@pytest.mark.parametrize(
    "entry",
    [
        ("Käfer/1.jpg".encode(), 0x800, b""),
        ("Käfer/1.jpg".encode(), 0, b""),
        (FINDER, 0, b""),
        (OLD, 0, unicode_path(OLD, "Käfer/1.jpg")),
        (OLD, 0, OTHER + unicode_path(OLD, "Käfer/1.jpg")),
        # Left behind by a renaming: the checksum is of another name.
        ("Käfer/1.jpg".encode(), 0, unicode_path(OLD, "Wanze/1.jpg")),
        ("Käfer/1.jpg".encode(), 0, unicode_path("Käfer/1.jpg".encode(), "Wanze/1.jpg", 2)),
    ],
    ids=["flag", "no flag", "Finder", "field", "later field", "stale field", "newer field"],
)
def test_a_name_that_can_be_told(entry: tuple[bytes, int, bytes], tmp_path: Path) -> None:
    source = written(tmp_path, entry)
    found = list_source(source)
    assert [e.label for e in found.entries] == ["Käfer"]
    assert found.passed_over == []
    assert dict(read_files(source, found.entries)) == {0: PNG}


def test_a_name_that_cannot_be_told_is_that_file_s_error(tmp_path: Path) -> None:
    source = written(tmp_path, (b"a/1.jpg", 0, b""), (OLD, 0, b""))
    found = list_source(source)
    assert found.entries == [Entry("a/1.jpg", "a", "")]
    assert [one.path for one in found.passed_over] == ["K%84fer/1.jpg"]
    assert "encoding of its name is unknown" in found.passed_over[0].reason


def test_what_finder_adds_is_counted(tmp_path: Path) -> None:
    added = [b"__MACOSX/._K", b"__MACOSX/a/._1.jpg", b".DS_Store"]
    found = list_source(written(tmp_path, (FINDER, 0, b""), *((name, 0, b"") for name in added)))
    assert len(found.entries) == 1
    assert {one.path.encode() for one in found.passed_over} == set(added)


@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_every_name_in_utf8_comes_back(name: str) -> None:
    info = zipfile.ZipInfo(name.encode().decode("cp437"))
    assert entry_name(info) == (name, "")
    old = "ä".encode("cp437")
    info = zipfile.ZipInfo(old.decode("cp437"))
    info.extra = unicode_path(old, name)
    assert entry_name(info) == (name, "")


@given(st.binary(max_size=60))
def test_no_extra_field_breaks_a_name(extra: bytes) -> None:
    info = zipfile.ZipInfo("a.jpg")
    info.extra = extra
    assert entry_name(info) == ("a.jpg", "")
