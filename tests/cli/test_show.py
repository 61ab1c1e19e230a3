"""`zoo show`."""

import json

from tests.cli.command import zoo


def test_show_gives_the_manifest(make_package):
    folder = make_package()
    manifest = json.loads((folder / "model.json").read_text())
    shown = json.loads(zoo("show", "tiny", "--json").stdout)
    assert shown == manifest | {"path": str(folder)}
    assert manifest["space"] in zoo("show", "tiny@1").stdout
