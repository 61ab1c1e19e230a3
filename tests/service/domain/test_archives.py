"""Uploaded archives: what is read, and what is refused."""

import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.archives import LabelledFile, Unpacked, read_archive, to_learn_from
from service.errors import InvalidInputError, TooLargeError
from service.results import Results
from tests.sources.files import JPEG, PNG, zipped


def read(data: bytes, max_files: int = 100, max_bytes: int = 10_000) -> Unpacked:
    return read_archive(data, max_files=max_files, max_bytes=max_bytes)


def errors(unpacked: Unpacked) -> dict[str, str]:
    return {unpacked.paths[i]: error.detail for i, error in unpacked.files.errors.items()}


names = st.text("abcäß 1_", min_size=1, max_size=8).filter(lambda name: name.strip() == name)
contents = st.sampled_from([PNG, JPEG, b"", b"words"])


@settings(deadline=None)
@given(st.dictionaries(st.tuples(names, names), contents, min_size=1, max_size=10))
def test_a_folder_is_a_class(files: dict[tuple[str, str], bytes]) -> None:
    given_ = {f"{folder}/{name}.jpg": data for (folder, name), data in files.items()}
    expected = [LabelledFile(p, p.split("/")[0], "", data) for p, data in given_.items()]
    assert read(zipped(given_)).files.values == expected
    nested = zipped({f"top/{path}": data for path, data in given_.items()})
    assert [file.label for file in read(nested).files.values] == [one.label for one in expected]


def test_a_labels_csv_is_followed_from_where_it_lies() -> None:
    table = "\ufeffpath,label,split\nb.jpg,cat,train\nx/a.jpg,,train\n"
    files = {"set/x/a.jpg": PNG, "set/labels.csv": table.encode(), "set/b.jpg": JPEG}
    assert read(zipped(files)).files.values == [
        LabelledFile("set/b.jpg", "cat", "train", JPEG),
        LabelledFile("set/x/a.jpg", "", "train", PNG),
    ]


def test_what_systems_add_is_left_out_and_can_be_listed() -> None:
    clutter = ["__MACOSX/a/._1.jpg", "a/.DS_Store", "a/Thumbs.db", ".git/x", "a/desktop.ini"]
    found = read(zipped({"a/1.jpg": PNG, "a/": b"", **dict.fromkeys(clutter, b"x")}))
    assert found.files.values == [LabelledFile("a/1.jpg", "a", "", PNG)]
    assert [one.path for one in found.passed_over] == clutter


def test_a_head_learns_from_train_and_from_what_has_no_split() -> None:
    def learned(*files: LabelledFile) -> list[str]:
        return to_learn_from(Results.of(files)).in_order(
            lambda _, file: file.path, lambda _, error: error.detail
        )

    plain = LabelledFile("a/1.jpg", "a", "", PNG)
    assert learned(plain) == ["a/1.jpg"]
    found = learned(LabelledFile("a/2.jpg", "a", "train", PNG), plain)
    assert found[0] == "a/2.jpg"
    assert "of no split, where others are" in found[1]
    assert "of the split 'val'" in learned(LabelledFile("a/1.jpg", "a", "val", PNG))[0]
    for label in (None, ""):
        assert "'1.jpg' has no label" in learned(LabelledFile("1.jpg", label, "", PNG))[0]


@pytest.mark.parametrize(
    "stray", ["readme.txt", "photos/LICENSE", "p/notes/x.txt", "cover.png", "photos/cover.png"]
)
def test_a_stray_file_leaves_the_splits_what_they_are(stray: str) -> None:
    tree = {
        f"photos/{split}/{kind}/{i}.png": PNG
        for split in ("train", "val")
        for kind in ("cat", "dog")
        for i in (0, 1)
    }
    tree[stray] = PNG if stray.endswith("png") else b"words"
    found = read(zipped(tree))
    splits = {file.path: file.split for file in found.files.values}
    assert {p: s for p, s in splits.items() if p != stray} == {
        p: p.split("/")[1] for p in tree if p != stray
    }
    learned = to_learn_from(found.files)
    assert sorted(f.path for f in learned.values) == sorted(p for p in tree if "/train/" in p)


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
        ({"labels.csv": b"file,class\n", "a/1.jpg": b""}, "path and label"),
        ({"labels.csv": b"path,label\n\xff,cat\n", "a/1.jpg": b""}, "UTF-8"),
        ({"labels.csv": b'path,label\n"a,cat\n', "a/1.jpg": b""}, "CSV"),
        ({"labels.csv": b"path,label\n", "x/labels.csv": b"path,label\n"}, "there can be one"),
    ],
)
def test_archives_that_cannot_be_meant(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read(zipped(files))


def test_what_is_wrong_with_one_file_is_its_own_error() -> None:
    table = b"path,label\n1.png,c\n1.png,d\n../b,cat\na/2.png,cat\n"
    found = read(zipped({"labels.csv": table, "1.png": PNG, "left.png": PNG}))
    assert found.files.values == [LabelledFile("1.png", "c", "", PNG)]
    told = errors(found)
    assert "line 3: '1.png' is listed twice, first in line 2" in told["1.png"]
    assert "line 4: there is no file '../b'" in told["../b"]
    assert "line 5: there is no file" in told["a/2.png"]
    assert told["left.png"] == "'left.png': not listed in labels.csv"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_zip(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="zip"):
        read(data)


@settings(deadline=None)
@given(st.data())
def test_damaged_zips_are_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(zipped({"a/1.jpg": PNG * 3, "b/2.jpg": b"x"}, zipfile.ZIP_DEFLATED))
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(whole))
    except (InvalidInputError, TooLargeError):
        return
    assert found.paths


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


def test_what_is_no_image_is_not_unpacked() -> None:
    found = read(zipped({"a/1": bytes(9000), "a/2": PNG}), max_bytes=10_000)
    assert [len(file.content) for file in found.files.values] == [64, len(PNG)]


def test_sizes_that_are_made_up_do_not_help() -> None:
    bomb = bytearray(zipped({"a/1": PNG + bytes(100_000)}, zipfile.ZIP_DEFLATED))
    directory = bomb.rindex(b"PK\x01\x02")
    bomb[directory + 24 : directory + 28] = struct.pack("<I", 100)
    found = read(bytes(bomb), max_bytes=150)
    assert "'a/1' cannot be unpacked" in errors(found)["a/1"]


def test_an_encrypted_file() -> None:
    data = bytearray(zipped({"a/1": b"x", "a/2": PNG}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    found = read(bytes(data))
    assert [file.path for file in found.files.values] == ["a/2"]
    assert "password" in errors(found)["a/1"]
