"""`zoo doctor`."""

import json

from tests.cli.command import zoo


def test_the_doctor_says_what_is_there(home):
    report = json.loads(zoo("doctor", "--json").stdout)
    assert report["ok"]
    assert report["checks"]["onnxruntime"]["devices"][0] == "cpu"
    assert report["checks"]["store"]["home"] == str(home)
    text = zoo("doctor").stdout
    assert "The gateway can serve here." in text
    assert "onnxruntime" in text


def test_the_doctor_says_what_to_mend(tmp_path):
    (tmp_path / "file").write_text("")
    report = json.loads(zoo("doctor", "--json", code=1, ZOO_HOME=str(tmp_path / "file")).stdout)
    assert not report["ok"]
    assert "ZOO_HOME" in report["checks"]["store"]["problem"]
