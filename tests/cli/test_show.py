"""`zoo show`."""

import json

from tests.cli.command import invoke, zoo
from zoo.package import read_package


def test_show_gives_the_manifest(make_package):
    folder = make_package()
    manifest = json.loads((folder / "model.json").read_text())
    shown = json.loads(zoo("show", "tiny", "--json").stdout)
    assert shown == manifest | {"path": str(folder)}
    assert manifest["space"] in zoo("show", "tiny@1").stdout


def test_show_says_who_made_it_of_what_and_what_one_may_do_with_it(make_package):
    shown = invoke("show", "efficientnet-lite0")[0]
    for said in ("Apache-2.0 (commercial use allowed)", "ImageNet", "Google", "ML Illustrated"):
        assert said in shown
    assert "CC-BY-NC-4.0 (no commercial use): --accept-licence" in invoke("show", "swav-r50")[0]
    assert "(no commercial use)" in invoke("show", "simclr-r18-small")[0]
    origin = read_package(make_package("free")).manifest.provenance
    make_package("unclear", provenance=origin.model_copy(update={"weights_licence": "ask them"}))
    assert "whether commercial use is allowed is not known" in invoke("show", "unclear")[0]
