import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from sources import DataError, Entry, list_entries, read_files

FILES = {"b/2.jpg": "b", "a/1.PNG": "a", "a/deep/3.webp": "a", "notes.txt": "", "top.bmp": ""}


def write(folder: Path, table: str | None = None) -> Path:
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    if table is not None:
        (folder / "labels.csv").write_text(table, encoding="utf-8-sig")
    return folder


def tarred(folder: Path, prefix: str = "") -> Path:
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.add(file, prefix + file.relative_to(folder).as_posix(), recursive=False)
    return path


@pytest.fixture(params=["folder", "tar", "tar with ./"])
def place(request):
    def make(folder: Path) -> Path:
        if request.param == "folder":
            return folder
        return tarred(folder, "./" if request.param == "tar with ./" else "")

    return make


def test_class_folders_are_labels(place, tmp_path) -> None:
    entries = list_entries(place(write(tmp_path / "data")))
    assert entries == [
        Entry("a/1.PNG", "a", ""),
        Entry("a/deep/3.webp", "a", ""),
        Entry("b/2.jpg", "b", ""),
        Entry("top.bmp", "", ""),
    ]


TABLE = "path,label,split\nb/2.jpg,dog,val\na/1.PNG,cat,train\ntop.bmp,,\n"


def test_a_table_gives_labels_and_splits_and_the_files_it_lists_are_the_images(
    place, tmp_path
) -> None:
    source = place(write(tmp_path / "data", TABLE))
    assert list_entries(source) == [
        Entry("a/1.PNG", "cat", "train"),
        Entry("b/2.jpg", "dog", "val"),
        Entry("top.bmp", "", ""),
    ]
    assert [e.path for e in list_entries(source, "val")] == ["b/2.jpg", "top.bmp"]


def test_a_table_that_lists_what_is_not_there_is_refused(place, tmp_path) -> None:
    source = place(write(tmp_path / "data", TABLE + "gone.jpg,cat,train\n"))
    with pytest.raises(DataError, match=r"lists 'gone\.jpg', which is not there"):
        list_entries(source)


def test_bytes_come_with_their_entry_in_whatever_order_the_source_has(place, tmp_path) -> None:
    source = place(write(tmp_path / "data"))
    entries = list_entries(source)[1:]
    read = dict(read_files(source, entries))
    assert read == {i: entry.path.encode() for i, entry in enumerate(entries)}


def test_a_table_without_its_columns_names_the_missing_one(place, tmp_path) -> None:
    source = place(write(tmp_path / "data", "path,class\na/1.PNG,cat\n"))
    with pytest.raises(DataError, match="no column 'label'; it needs path,label"):
        list_entries(source)


def test_nothing_to_read_is_an_error_that_names_the_source_and_the_split(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no images found"):
        list_entries(tmp_path / "empty")
    with pytest.raises(DataError, match="gone: no such folder, tar or Parquet file"):
        list_entries(tmp_path / "gone")
    source = write(tmp_path / "data", "path,label,split\na/1.PNG,cat,train\n")
    with pytest.raises(DataError, match="no images of split 'val' found"):
        list_entries(source, "val")


def test_a_file_that_is_not_a_tar_is_refused(tmp_path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    (tmp_path / "photo.png").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"photo\.png: neither a folder, nor a readable tar"):
        list_entries(tmp_path / "photo.png")
