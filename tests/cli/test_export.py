"""`zoo export`."""

from pathlib import Path

import pytest

from tests.cli.command import zoo


def test_every_kind_explains_itself():
    for kind in ("run", "variants", "triton", "plan"):
        assert f"zoo export {kind} " in zoo("export", kind, "--help").stdout


def test_what_cannot_be_made_is_refused(variants_home: Path):
    unlabelled = variants_home.parent / "photos" / "china"
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
        done = zoo(*arguments, code=None, ZOO_HOME=str(variants_home))
        assert done.returncode in (1, 2)
        assert message in " ".join(done.stderr.replace("│", " ").split()), arguments
    versions = (variants_home / "packages" / "tiny").glob("[!.]*")
    assert sorted(p.name for p in versions) == ["1", "2"]


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
    said = " ".join(zoo("export", *arguments, code=2).stderr.replace("│", " ").split())
    for kind in ("zoo export run FOLDER --name NAME", "triton MODEL --out FOLDER"):
        assert kind in said
