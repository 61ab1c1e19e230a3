"""`zoo list`."""

import json

from tests.cli.command import zoo
from zoo.package import read_package


def test_list_names_models_and_what_is_broken(make_package):
    whole, broken = make_package("tiny"), make_package("torn")
    (broken / "golden.npz").unlink()
    content = json.loads(zoo("list", "--json").stdout)
    (row,) = [m for m in content["models"] if m["model"] == "tiny@1"]
    assert (row["dim"], row["input"], row["path"]) == (12, 16, str(whole))
    assert row["space"] == read_package(whole).manifest.space
    assert [b["path"] for b in content["broken"]] == [str(broken)]
    table = zoo("list")
    assert "tiny@1" in table.stdout
    assert "golden.npz" in table.stderr


def test_a_built_in_model_that_a_later_one_replaces_is_marked(make_package):
    make_package()
    rows = {row["model"]: row for row in json.loads(zoo("list", "--json").stdout)["models"]}
    assert rows["simclr-r18-small@2"]["superseded"]
    assert not rows["simclr-r18-small@3"]["superseded"]
    assert not rows["tiny@1"]["superseded"]
    lines = zoo("list").stdout.splitlines()
    (line,) = [line for line in lines if "simclr-r18-small@2" in line]
    assert "built in, superseded" in line
