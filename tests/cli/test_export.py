"""`zoo export`."""

import pytest
from PIL import Image

from tests.cli.command import invoke
from zoo.store import installed_versions


def test_every_kind_explains_itself():
    for kind in ("run", "variants", "triton", "plan"):
        assert f"zoo export {kind} " in invoke("export", kind, "--help")[0]


def test_what_cannot_be_made_is_refused(make_package, tmp_path, monkeypatch):
    for module in ("torch", "onnxscript", "tritonclient"):
        pytest.importorskip(module)
    make_package()
    monkeypatch.chdir(tmp_path)
    unlabelled = tmp_path / "unlabelled"
    unlabelled.mkdir()
    for number in range(10):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(unlabelled / f"{number}.png")
    variants = ("export", "variants", "tiny", "--data", unlabelled, "--precision")
    triton = ("export", "triton", "--out", "m")
    cases = [
        ((*variants, "fp8"), "'fp8' is none of fp16, bf16, int8"),
        (("export", "variants", "tiny", "--precision", "int8"), "Missing option '--data'"),
        ((*variants, "int8"), "a folder of images for each class"),
        (("export", "variants", "tinny", *variants[3:], "int8"), "did you mean tiny?"),
        (("export", "variants", unlabelled, *variants[3:], "int8"), "export the run"),
        ((*variants, "int8", "--grid", "2"), "No such option: --grid"),
        ((*triton, "tiny@1", "--precision", "int8"), "has no int8 variant"),
        ((*triton, "tiny", "--backend", "tensorrt"), "device gpu"),
        ((*triton, "tiny", "--device", "tensorrt", "--precision", "int8"), "zero points"),
        ((*triton, "tiny", "--plans", "p"), "for --backend tensorrt alone"),
        ((*triton, "tiny", "--data", unlabelled), "No such option: --data"),
        (("export", "plan", "tiny", "--out", "p", "--precision", "int8"), "give --data"),
        (("export", "plan", "tiny", "--out", "p", "--data", unlabelled), "only int8"),
        (("export", "run", unlabelled, "--name", "n"), "not a training run, it has no run.json"),
        (("export", "run", unlabelled), "Missing option '--name'"),
        (("export", "run", unlabelled, "--name", "n", "--device", "gpu"), "No such option"),
    ]
    for arguments, message in cases:
        _, error = invoke(*arguments, code=None)
        assert message in " ".join(error.replace("│", " ").split()), arguments
    assert installed_versions("tiny") == {"1"}
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs/first", "--name", "mine"),
        ("tiny", "--precision", "int8", "--data", "labelled"),
        ("tiny", "--triton", "models"),
        ("--triton", "models", "tiny"),
        ("--tensorrt", "plans", "tiny"),
    ],
)
def test_what_is_made_comes_first(arguments):
    said = " ".join(invoke("export", *arguments, code=2)[1].replace("│", " ").split())
    for kind in ("zoo export run FOLDER --name NAME", "triton MODEL --out FOLDER"):
        assert kind in said
