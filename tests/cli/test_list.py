"""`zoo list`."""

import json

from tests.cli.command import invoke, zoo
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
    rows = {row["model"]: row for row in listed()}
    assert rows["simclr-r18-small@2"]["superseded"]
    assert not rows["simclr-r18-small@3"]["superseded"]
    assert not rows["tiny@1"]["superseded"]
    lines = invoke("list")[0].splitlines()
    (line,) = [line for line in lines if "simclr-r18-small@2" in line]
    assert "built in, superseded" in line


def test_only_what_is_known_to_allow_commercial_use_is_listed(make_package):
    origin = read_package(make_package("free")).manifest.provenance
    for name, licence in {"bound": "CC-BY-NC-4.0", "unclear": "ask them"}.items():
        changed = origin.model_copy(update={"weights_licence": licence})
        make_package(name, provenance=changed)
    names = {row["model"]: row["commercial"] for row in listed()}
    assert {n: names[n] for n in ("free@1", "bound@1", "unclear@1")} == {
        "free@1": True,
        "bound@1": False,
        "unclear@1": False,
    }
    assert [row["model"] for row in listed("--commercial")] == ["free@1"]
    pulled = {row["model"] for row in listed("--remote", "--commercial")}
    assert {row["model"] for row in listed("--remote")} - pulled == {
        "deepcluster-v2-r50@1",
        "swav-r50@1",
    }
    assert "research use" in invoke("list")[0]


def listed(*options):
    return json.loads(invoke("list", "--json", *options)[0])["models"]
