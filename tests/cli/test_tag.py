"""`zoo tag`."""

import json

import pytest

from tests.cli.command import invoke
from zoo.store import find_package


def test_a_tag_is_another_name_of_a_version(make_package):
    for version in ("1", "2"):
        make_package(version=version)
    assert invoke("tag", "tiny@1", "stable")[0] == "tiny@stable is tiny@1\n"
    assert find_package("tiny@stable").manifest.version == "1"
    assert find_package("tiny").manifest.version == "2"
    rows = {m["model"]: m["tags"] for m in json.loads(invoke("list", "--json")[0])["models"]}
    assert (rows["tiny@1"], rows["tiny@2"]) == (["stable"], [])
    invoke("tag", "tiny@2", "stable")
    assert find_package("tiny@stable").manifest.version == "2"
    assert "gone with it" in invoke("rm", "tiny@2")[1]
    assert "'tiny@stable'" in invoke("show", "tiny@stable", code=1)[1]
    invoke("tag", "tiny", "old")
    invoke("tag", "tiny", "old", "--remove")
    assert "no tag 'old'" in invoke("tag", "tiny", "old", "--remove", code=1)[1]


@pytest.mark.parametrize(("label", "says"), [("1", "is a version"), ("../x", "cannot be a tag")])
def test_what_cannot_be_a_tag(make_package, label, says):
    make_package()
    assert says in invoke("tag", "tiny@1", label, code=1)[1]


def test_a_tag_is_not_taken_by_a_new_version(make_package):
    make_package()
    invoke("tag", "tiny@1", "stable")
    with pytest.raises(Exception, match="is a tag"):
        make_package(version="stable")
