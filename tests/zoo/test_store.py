"""Where packages live, and which one a name means."""

import json
import shutil

import pytest

from zoo import store
from zoo.errors import PackageError, UnknownModelError
from zoo.store import find_package, list_packages, new_package, version_key


def own():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name != BUILT_IN]


BUILT_IN = "simclr-r18-small"


def test_the_newest_version_is_found_by_number(make_package):
    for version in ("9", "10", "1.2", "10-rc1"):
        make_package(version=version)
    assert find_package("tiny").manifest.version == "10"
    assert find_package("tiny@9").manifest.version == "9"
    assert own() == ["tiny@1.2", "tiny@9", "tiny@10-rc1", "tiny@10"]


def test_versions_in_order():
    ordered = ["1", "1.9", "1.10", "2-rc1", "2-rc2", "2", "2.0.1", "10"]
    assert sorted(set(ordered), key=version_key) == ordered


def test_ones_own_package_comes_before_the_built_in_one(make_package, tmp_path, monkeypatch):
    folder = make_package()
    built_in = tmp_path / "builtin"
    shutil.copytree(folder.parent, built_in / "tiny")
    monkeypatch.setattr(store, "BUILTIN", built_in)
    assert find_package("tiny").path == folder
    shutil.rmtree(folder)
    assert find_package("tiny").path == built_in / "tiny" / "1"


def test_an_unknown_name_suggests_the_nearest(make_package):
    make_package("tiny")
    make_package("other")
    with pytest.raises(UnknownModelError, match=r"did you mean tiny\?$"):
        find_package("tinny")
    with pytest.raises(UnknownModelError, match=r"'tiny@7'.*there is tiny@1$"):
        find_package("tiny@7")
    with pytest.raises(UnknownModelError, match=r"there is other, .*tiny$"):
        find_package("nothing-like-it")
    for odd in ("../tiny", "Tiny", "", "tiny@", "tiny@../1"):
        with pytest.raises(UnknownModelError, match="name@version"):
            find_package(odd)


def test_nothing_installed_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "BUILTIN", tmp_path / "none")
    with pytest.raises(UnknownModelError, match="no model is installed"):
        find_package("tiny")


def test_a_damaged_package_is_listed_with_its_reason(make_package):
    make_package("whole")
    broken = make_package("broken")
    (broken / "encoder.onnx").unlink()
    packages, reasons = list_packages()
    assert "broken" not in [p.manifest.name for p in packages]
    assert "encoder.onnx" in reasons[broken]
    with pytest.raises(PackageError, match=r"encoder\.onnx"):
        find_package("broken")


def test_a_package_in_a_folder_of_another_name_is_damaged(make_package, home):
    folder = make_package()
    folder = folder.rename(folder.with_name("2"))
    with pytest.raises(PackageError, match="tiny@1"):
        find_package("tiny@2")
    assert list(list_packages()[1]) == [folder]


def test_a_half_made_package_is_invisible_until_it_is_whole(make_package, home):
    source = make_package("source")
    with new_package("tiny", "1") as work:
        for file in source.iterdir():
            text = file.read_bytes()
            if file.name == "model.json":
                text = json.dumps(json.loads(text) | {"name": "tiny"}).encode()
            (work / file.name).write_bytes(text)
        assert own() == ["source@1"]
    assert own() == ["source@1", "tiny@1"]


def test_failure_leaves_nothing_behind(home):
    with pytest.raises(RuntimeError, match="power"), new_package("tiny", "1") as work:
        (work / "encoder.onnx").write_bytes(b"half")
        raise RuntimeError("power")
    with pytest.raises(PackageError, match="not a package"), new_package("tiny", "1"):
        pass
    assert [p for p in home.rglob("*") if p.is_file()] == []
    assert list(home.rglob(".new-*")) == []


def test_an_installed_version_is_not_replaced(make_package):
    folder = make_package()
    before = (folder / "model.json").read_bytes()
    with pytest.raises(PackageError, match="another version"), new_package("tiny", "1"):
        raise AssertionError("not reached")
    assert (folder / "model.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "version"), [("../out", "1"), ("Tiny", "1"), ("tiny", "../../x"), ("tiny", "")]
)
def test_names_that_are_no_names_are_refused(home, name, version):
    with pytest.raises(PackageError), new_package(name, version):
        raise AssertionError("not reached")
    assert not home.exists()
