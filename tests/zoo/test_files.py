"""Files that appear whole or not at all."""

import errno
import os

import pytest

from zoo.files import whole_file, write_whole


def test_a_file_takes_the_place_of_another(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    with whole_file(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
        assert (partial.parent, partial.suffix) == (tmp_path, ".json")
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_fails_changes_nothing(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(ValueError, match="half"), whole_file(target) as partial:
        partial.write_text("half")
        raise ValueError("half")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_mode_is_what_any_new_file_has(tmp_path):
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "whole", b"")
    modes = {(tmp_path / name).stat().st_mode for name in ("usual", "whole")}
    assert len(modes) == 1


def test_a_name_as_long_as_names_can_be(tmp_path):
    write_whole(tmp_path / ("n" * 250 + ".tar"), b"here")
    assert [len(path.name) for path in tmp_path.iterdir()] == [254]


@pytest.mark.parametrize("name", ["folder", "pipe", "folder/none/file"])
def test_what_is_no_file_and_cannot_be_one_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError) as caught:
        write_whole(tmp_path / name, b"")
    assert caught.value.errno in (errno.EEXIST, errno.ENOENT)
    assert caught.value.filename == str(tmp_path / name)
