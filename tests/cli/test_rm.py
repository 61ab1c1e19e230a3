"""`zoo rm`."""

from tests.cli.command import invoke
from zoo.store import list_packages


def own():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def test_rm_removes_what_is_named_and_never_guesses(make_package, home):
    folders = [make_package(version=version) for version in ("1", "2")]
    assert "which of tiny@1, tiny@2?" in invoke("rm", "tiny", code=1)[1]
    (folders[1] / "golden.npz").unlink()  # damaged ones too
    assert invoke("rm", "tiny@2")[0] == "tiny@2 removed\n"
    assert invoke("rm", "tiny")[0] == "tiny@1 removed\n"
    assert own() == []
    assert list((home / "packages" / "tiny").iterdir()) == []
    assert "stays" in invoke("rm", "simclr-r18-small@2", code=1)[1]
    assert "no model 'tiny' is installed" in invoke("rm", "tiny", code=1)[1]
