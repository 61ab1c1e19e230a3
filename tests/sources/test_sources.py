"""Folder, tar and zip: the same tree gives the same images, labels and bytes."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources import (
    DataError,
    Entry,
    list_entries,
    list_folder,
    list_source,
    read_files,
    source_digest,
    source_name,
)
from tests.sources.files import JPEG, PNG, WRITERS, Tree, write_folder, write_tar, write_zip

Place = Callable[[Tree], Path]

TREE = {
    "b/2.jpg": JPEG,
    "a/1.PNG": PNG,
    "a/deep/3.HEIC": JPEG,
    "a/deep/none": PNG,
    "notes.txt": b"words",
    "top.bmp": b"",
    "a/.hidden.png": PNG,
    "__MACOSX/a/._1.PNG": b"x",
    "a/inner.zip": b"PK\x03\x04",
}


@pytest.fixture(params=WRITERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return lambda tree: WRITERS[request.param](tmp_path / "data", tree)


def test_the_innermost_folder_is_the_label_and_content_decides(place: Place) -> None:
    found = list_source(place(TREE))
    assert found.entries == [
        Entry("a/1.PNG", "a", ""),
        Entry("a/deep/3.HEIC", "deep", ""),
        Entry("a/deep/none", "deep", ""),
        Entry("b/2.jpg", "b", ""),
        Entry("top.bmp", "", ""),
    ]
    assert {one.path: one.reason.split(",")[0] for one in found.passed_over} == {
        "__MACOSX/a/._1.PNG": "hidden",
        "a/.hidden.png": "hidden",
        "a/inner.zip": "not an image in a format that is read",
        "notes.txt": "not an image in a format that is read",
    }


TABLE = b"\xef\xbb\xbfPath;Label;Split\r\nb/2.jpg;dog;val\r\na/1.PNG;cat;train\r\ntop.bmp;;\r\n"


def test_a_table_decides_labels_splits_and_what_is_read(place: Place) -> None:
    source = place({**TREE, "labels.csv": TABLE})
    found = list_source(source)
    assert found.entries == [
        Entry("a/1.PNG", "cat", "train"),
        Entry("b/2.jpg", "dog", "val"),
        Entry("top.bmp", "", ""),
    ]
    assert "a/deep/none" in {one.path for one in found.passed_over}
    assert [e.path for e in list_entries(source, "validation")] == ["b/2.jpg"]


@pytest.mark.parametrize("top", ["", "photos/"])
def test_folders_of_splits_keep_what_is_tested_out_of_training(place: Place, top: str) -> None:
    source = place(
        {f"{top}{p}": PNG for p in ("train/cat/1.png", "Validation/cat/2.png", "test/dog/3.png")}
    )
    assert list_entries(source, "train") == [Entry(f"{top}train/cat/1.png", "cat", "train")]
    assert [e.split for e in list_entries(source)] == (["val", "test", "train"])
    with pytest.raises(DataError, match="no images of split 'extra' found; its splits are"):
        list_entries(source, "extra")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            TABLE + b"gone.jpg;cat;train\r\n",
            r"data.*line 5: there is no file 'gone\.jpg'.*\(1 such",
        ),
        (TABLE + b"b/2.jpg;cat;train\r\n", "line 5: 'b/2.jpg' is listed twice, first in line 2"),
        (b"path,class\na/1.PNG,cat\n", "no column 'label'; it needs path,label"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(place: Place, table: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        list_entries(place({**TREE, "labels.csv": table}))


def test_bytes_come_with_their_entry_in_whatever_order_the_source_has(place: Place) -> None:
    source = place(TREE)
    entries = list_entries(source)[1:]
    read = dict(read_files(source, entries))
    assert read == {i: TREE[entry.path] for i, entry in enumerate(entries)}
    assert source_name(source) == "data"


def test_a_digest_changes_with_a_file(place: Place) -> None:
    source = place(TREE)
    entries = list_entries(source)
    before = source_digest(source, entries)
    assert source_digest(source, entries) == before
    changed = source / "a/1.PNG" if source.is_dir() else source
    os.utime(changed, ns=(1, 1))
    assert source_digest(source, entries) != before


parts = st.text("aä~ ()'", min_size=1, max_size=5).map(str.strip).filter(bool)
folders = st.lists(st.one_of(parts, st.sampled_from(["train", "test", "VAL"])), max_size=3)
files = st.tuples(folders, parts.map(lambda name: f"{name}.jpg")).map(
    lambda t: "/".join([*t[0], t[1]])
)


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(files, st.sampled_from([PNG, JPEG, b"", b"words"]), min_size=1, max_size=6))
def test_every_kind_of_a_tree_gives_the_same_listing(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    found = [
        list_source(write(folder / str(i) / "data" if i == 0 else folder / str(i), tree))
        for i, write in enumerate(WRITERS.values())
    ]
    assert len(found[0].entries) == len(tree)
    assert all(one == found[0] for one in found)


def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", {"a/1.jpg": JPEG})
    name = os.fsdecode(b"K\xe4fer")
    (folder / name).mkdir()
    (folder / name / os.fsdecode(b"bad\xff.jpg")).write_bytes(PNG)
    with tarfile.open(tmp_path / "data.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(folder, ".")
    for source in (folder, tmp_path / "data.tar"):
        entries = list_entries(source)
        assert [e.label for e in entries] == [r"K\xe4fer", "a"]
        assert dict(read_files(source, entries)) == {0: PNG, 1: JPEG}
        assert source_digest(source, entries)


def test_files_that_cannot_be_opened_are_passed_over(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", {"a/1.jpg": JPEG, "b/2.jpg": PNG})
    os.mkfifo(folder / "a" / "pipe.jpg")
    (folder / "a" / "gone.jpg").symlink_to("nowhere")
    (folder / "a" / "linked.jpg").symlink_to("1.jpg")
    (folder / "round").symlink_to(folder)
    found = list_source(folder)
    assert [e.path for e in found.entries] == ["a/1.jpg", "a/linked.jpg", "b/2.jpg"]
    assert {one.path: one.reason for one in found.passed_over} == {
        "a/gone.jpg": "cannot be read (No such file or directory)",
        "a/pipe.jpg": "not a regular file",
        "round": "a link to a folder",
    }


def test_a_folder_for_its_images_alone(tmp_path: Path) -> None:
    tree = {"a/1.jpg": JPEG, "2": PNG, "labels.csv": b"anything", "x/labels.csv": b""}
    found = list_folder(write_folder(tmp_path / "data", tree))
    assert found.entries == [Entry("2", "", ""), Entry("a/1.jpg", "", "")]
    assert [one.path for one in found.passed_over] == ["labels.csv", "x/labels.csv"]


def test_links_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    source = write_tar(tmp_path / "data", {"a/1.jpg": JPEG})
    with tarfile.open(source, "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"a/other{kind.decode()}.jpg")
            member.type, member.linkname = kind, "a/1.jpg"
            archive.addfile(member)
    found = list_source(source)
    assert [e.path for e in found.entries] == ["a/1.jpg"]
    assert [one.reason for one in found.passed_over] == ["a link", "a link", "not a regular file"]


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize("path", ["../a/1.jpg", "a/../../1.jpg", "/a/1.jpg", "C:/1.jpg"])
def test_archives_that_lead_outside_are_refused(
    write: Callable[[Path, Tree], Path], path: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"data.*{path}.*leads out"):
        list_entries(write(tmp_path / "data", {path: PNG}))


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    source = write_tar(tmp_path / "data", {"a/1.jpg": JPEG, "./a/1.jpg": PNG})
    with pytest.raises(DataError, match=r"'a/1\.jpg' is in the archive twice"):
        list_entries(source)


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_an_archive_that_was_cut_short_is_refused(
    write: Callable[[Path, Tree], Path], tmp_path: Path
) -> None:
    source = write(tmp_path / "data", {"a/1.jpg": JPEG * 40, "a/2.jpg": JPEG * 40})
    source.write_bytes(source.read_bytes()[: len(JPEG) * 60])
    with pytest.raises(DataError, match=f"{source.name}: "):
        list_entries(source)


def test_nothing_to_read_is_an_error_that_names_the_source(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no images found"):
        list_entries(tmp_path / "empty")
    with pytest.raises(DataError, match="gone: no such folder, tar, zip or Parquet file"):
        list_entries(tmp_path / "gone")
    source = write_folder(tmp_path / "words", {"a.txt": b"words"})
    with pytest.raises(DataError, match=r"1 files were passed over, such as 'a\.txt': not an im"):
        list_entries(source)
    (tmp_path / "photo.png").write_bytes(PNG)
    with pytest.raises(DataError, match=r"photo\.png: neither a folder, nor a readable tar"):
        list_entries(tmp_path / "photo.png")


def test_a_stray_file_does_not_mix_the_splits(tmp_path: Path) -> None:
    """Photos of a split of their own, or beside the splits, are never trained on in silence."""
    for path in ("s/train/cat/1.jpg", "s/val/cat/2.jpg", "s/valid/cat/3.jpg", "s/cover.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(JPEG)
    (tmp_path / "README.md").write_text("words")
    found = list_source(tmp_path, "train")
    assert [entry.path for entry in found.entries] == ["s/train/cat/1.jpg"]
    reasons = {one.path: one.reason for one in found.passed_over}
    assert set(reasons) == {"README.md", "s/cover.jpg", "s/valid/cat/3.jpg"}
    assert "of no split, where others are" in reasons["s/valid/cat/3.jpg"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_table_may_quote_every_cell(tmp_path: Path, delimiter: str, quote: str) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    rows = [("Path", "Label"), ("a.jpg", "cat")]
    lines = [delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    assert [(e.path, e.label) for e in list_entries(tmp_path)] == [("a.jpg", "cat")]
