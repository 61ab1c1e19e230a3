"""`zoo compat`."""

import json

from tests.cli.command import invoke
from zoo.images import InputBlock


def test_compat_says_what_differs(make_package):
    make_package(version="1")
    make_package("copy", version="1")
    make_package(version="2", seed=1)
    other = InputBlock(size=16, interpolation="bilinear", crop=0.5)
    make_package(version="3", input=other, space="0" * 64)
    assert "share a space" in invoke("compat", "tiny@1", "copy")[0]
    same = json.loads(invoke("compat", "tiny@1", "copy", "--json")[0])
    assert (same["compatible"], same["differs"]) == (True, {})
    out, _ = invoke("compat", "tiny@1", "tiny@2", code=1)
    assert "1 of 2 tensors differ, projection first" in out
    differs = json.loads(invoke("compat", "tiny@1", "tiny@3", "--json", code=1)[0])["differs"]
    assert differs == {"input.crop": [1.0, 0.5]}
