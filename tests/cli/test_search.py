"""`zoo search`, and what else shows the catalog."""

import json

from tests.cli.command import invoke


def test_the_catalog_can_be_listed_searched_and_shown():
    rows = {m["model"]: m for m in json.loads(invoke("list", "--remote", "--json")[0])["models"]}
    row = rows["simclr-r50x4@2"]
    assert (row["dim"], row["accuracy"], row["licence"]) == (8192, 0.766, "Apache-2.0")
    assert row["bytes"] > 1_000_000_000
    assert not row["installed"]
    assert "simclr-r50x4@2" in invoke("list", "--remote")[0]
    found = json.loads(invoke("search", "SimCLR", "width 4", "--json")[0])["models"]
    assert "simclr-r50x4@2" in [m["model"] for m in found]
    assert "nothing with" in invoke("search", "no such thing", code=1)[1]
    shown = json.loads(invoke("show", "simclr-r50x4", "--json")[0])
    assert (shown["name"], shown["installed"]) == ("simclr-r50x4", False)
    assert "storage.googleapis.com" in invoke("show", "simclr-r50x4")[0]
    assert "did you mean simclr-r50x4" in invoke("show", "simclr-r50x44", code=1)[1]
