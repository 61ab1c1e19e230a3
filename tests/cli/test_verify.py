"""`zoo verify`."""

import importlib.util
import json

from tests.cli.command import zoo


def test_verify_tells_whole_from_damaged(make_package):
    make_package("tiny")
    torn = make_package("torn")
    data = bytearray((torn / "encoder.safetensors").read_bytes())
    data[-1] ^= 1
    (torn / "encoder.safetensors").write_bytes(data)
    assert "golden vectors hold" in zoo("verify", "tiny").stdout
    done = zoo("verify", "tiny", "torn", "none", "--json", code=1)
    good, bad, unknown = json.loads(done.stdout)["results"]
    assert good["ok"]
    proven = {runtime["variant"]: runtime["cosine_min"] for runtime in good["runtimes"]}
    assert "onnxruntime-fp32" in proven
    assert ("openvino-fp32" in proven) == bool(importlib.util.find_spec("openvino"))
    assert min(proven.values()) > 0.9999
    assert not bad["ok"]
    assert "encoder.safetensors" in bad["error"]
    assert "no model 'none'" in unknown["error"]
    assert "torn@1" in zoo("verify", "--all", code=1).stderr
    zoo("verify", code=2)
