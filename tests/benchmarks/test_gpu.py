"""`python -m benchmarks.gpu`, rehearsed whole on a CPU, and what it does with parts that fail."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.report import markdown
from benchmarks.gpu.results import Result, append, last, read
from benchmarks.gpu.run import device_name, run_parts
from benchmarks.gpu.shards import whole_sources, write_shards
from benchmarks.gpu.table import PARTS, Part
from benchmarks.gpu.work import Work
from sources import list_entries, read_files

pytest.importorskip("torch")
TOY = ["--toy", "--device", "cpu", "--minutes", "4", "--part", "2"]


def part(name: str) -> Part:
    return Part(name.replace("_", "-"), "", f"tests.benchmarks.parts:{name}")


def ended(home: Path) -> dict[str, tuple[str, str]]:
    """How each part ended, by its last line."""
    lines = last(read(home / "results.jsonl")).values()
    return {line.name: (line.status, line.note) for line in lines if line.name == line.part}


@pytest.fixture(scope="module")
def environment():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setenv("OMP_NUM_THREADS", "1")
        for name in ("ZOO_HOME", "HF_HUB_OFFLINE", "TORCHINDUCTOR_CACHE_DIR"):
            patch.setenv(name, "")  # the command sets them; put back at the end
        yield


@pytest.fixture
def work(environment, tmp_path: Path) -> Work:
    return Work("", "cpu", "a device", True, tmp_path / "none", tmp_path)


@pytest.fixture(scope="module")
def rehearsal(environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose SimCLR was stopped, and which then did all there is."""
    home = tmp_path_factory.mktemp("gpu")
    begun = Work("", "cpu", device_name("cpu"), True, home / "none", home)
    stopped = replace(part("is_stopped"), name="simclr-cifar10")
    told: list[str] = []
    assert run_parts([stopped], begun, 120, 120, told.append)
    assert told == ["simclr-cifar10: paused (at step 2 of 3)", "simclr-cifar10: done"]
    assert main([*TOY, "--out", str(home)]) == 0
    return home


def test_every_part_runs_and_what_is_missing_is_skipped_with_the_reason(rehearsal: Path) -> None:
    found = ended(rehearsal)
    assert set(found) == {part.name for part in PARTS}
    skipped = {name for name, (status, _) in found.items() if status == "skipped"}
    assert skipped == {"tensorrt-plan", "triton-plan"}
    assert "NVIDIA GPU" in found["tensorrt-plan"][1]
    assert {found[p.name][0] for p in PARTS if p.name not in skipped} == {"done"}
    results = read(rehearsal / "results.jsonl")
    assert {r.status for r in results} == {"measured", "done", "skipped", "paused"}
    assert all(np.isfinite(r.value) for r in results if r.value is not None)


def test_every_method_is_compared(rehearsal: Path) -> None:
    folder = Path(__file__).parents[2] / "training" / "methods"
    files = [path for path in folder.glob("*.py") if "\nMETHOD = " in path.read_text()]
    names = {path.stem.replace("_", "-") for path in files}
    results = read(rehearsal / "results.jsonl")
    compared = {r.name for r in results if r.part == "agreement"}
    assert {f"agreement: {name}, gradient" for name in names} <= compared


def test_a_stopped_training_goes_on_where_it_stopped(rehearsal: Path) -> None:
    log = rehearsal / "toy" / "simclr-cifar10" / "run" / "log.jsonl"
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == [1, 2, 3]
    lines = last(read(rehearsal / "results.jsonl")).values()
    ours = [line for line in lines if line.part == "simclr-cifar10"]
    accuracy = {line.name.partition(": ")[2]: line.value or 0 for line in ours}
    assert accuracy["CIFAR-10, knn"] > 50  # two photos are easily told apart
    assert accuracy["CIFAR-10, linear"] > 50


def test_another_call_does_nothing_that_is_done(rehearsal: Path, capsys) -> None:
    before = read(rehearsal / "results.jsonl")
    assert main([*TOY, "--out", str(rehearsal), "--only", "search", "cpc-cifar10"]) == 0
    assert read(rehearsal / "results.jsonl") == before
    assert capsys.readouterr().out == ""


def test_the_weights_that_come_back_are_a_run(rehearsal: Path, tmp_path: Path) -> None:
    from zoo.encoders import encoder_from_run, read_run  # noqa: PLC0415 - PyTorch

    folder = rehearsal / "weights" / "toy-simclr-cifar10"
    pieces = sorted(folder.glob("checkpoint.pt.*"))
    shutil.copy(folder / "run.json", tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"".join(p.read_bytes() for p in pieces))
    back = encoder_from_run(read_run(tmp_path)).state_dict()
    trained = encoder_from_run(read_run(rehearsal / "toy" / "simclr-cifar10" / "run"))
    assert all(np.array_equal(x, back[name]) for name, x in trained.state_dict().items())


def test_the_report_names_the_device_and_says_that_it_is_a_rehearsal(rehearsal: Path, capsys):
    assert main(["report", str(rehearsal)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("CPU, 1 threads (toy sizes: a rehearsal, no measurement)\n")
    assert "| agreement | cpc, gradient | 0 relative (at most 0.02) | recipe cpc" in printed
    assert "- tensorrt-plan: skipped, a TensorRT plan" in printed


def test_a_part_that_fails_leaves_a_line_and_the_rest_go_on(work: Work) -> None:
    names = ["raises", "dies", "lacks_a_module", "is_out_of_bounds", "measures"]
    assert not run_parts([part(name) for name in names], work, 60, 60, print)
    assert ended(work.home) == {
        "raises": ("failed", "RuntimeError: out of memory"),
        "dies": ("failed", "its process ended with SIGSEGV"),
        "lacks-a-module": ("skipped", "no_such_library is not installed"),
        "is-out-of-bounds": ("done", ""),
        "measures": ("done", ""),
    }
    notes = {r.name: (r.status, r.note) for r in read(work.results) if r.name != r.part}
    assert notes == {
        "is-out-of-bounds: above": ("failed", "above 1.5"),
        "is-out-of-bounds: not a number": ("failed", "below 0.5"),
        "measures: in its bounds": ("measured", ""),
    }
    printed = markdown(work.home)
    assert "| is-out-of-bounds | above | **2 s, above 1.5** (at most 1.5) |  |" in printed
    assert "- dies: failed, its process ended with SIGSEGV" in printed


def test_what_failed_or_was_skipped_is_tried_again_and_what_is_done_is_not(work: Work) -> None:
    parts = [part("raises"), part("measures")]
    run_parts(parts, work, 60, 60, print)
    told: list[str] = []
    run_parts(parts, work, 60, 60, told.append)
    assert told == ["raises: failed (RuntimeError: out of memory)"]
    other = replace(work, device_name="another device")
    run_parts(parts[1:], other, 60, 60, told.append)
    assert told[1:] == ["measures: done"]


def test_a_part_out_of_its_minutes_is_ended_and_others_have_theirs(work: Work) -> None:
    assert run_parts([part("never_ends"), part("measures")], work, 4, 1.2, print)
    status, note = ended(work.home)["never-ends"]
    assert (status, note) == ("paused", "it ran out of its minutes and begins anew")
    assert ended(work.home)["measures"][0] == "done"


def test_a_device_that_computes_something_else_is_found_out(work: Work) -> None:
    assert not run_parts([replace(part("differs"), name="agreement")], work, 60, 60, print)
    found = {r.name.partition(", ")[2]: r.status for r in read(work.results)}
    assert found["values of the views that are a level apart"] == "failed"
    assert found["loss"] == "measured"
    assert found["gradient"] == "failed"


def test_neighbours_that_are_missing_are_told_from_ties() -> None:
    from benchmarks.gpu.parts.search import missed  # noqa: PLC0415

    scores = np.array([[0.9, 0.8, 0.5, 0.5]])
    rows = np.array([[1, 2, 3, 4]])
    assert missed(scores, rows, np.array([[1, 2, 4, 9]])) == 0
    assert missed(scores, rows, np.array([[1, 3, 4, 9]])) == 1


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    one = Result("a: b", "measured", "a device", False, 1.0)
    append(path, one)
    with path.open("ab") as file:
        file.write(b'{"name": "a: c", "sta')
    append(path, one)
    assert read(path) == [one, one]
    assert markdown(tmp_path / "nowhere").startswith("no results")


def test_images_travel_in_shards_of_which_none_may_be_missing(tmp_path: Path, capsys) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    rng = np.random.default_rng(0)
    for number in range(6):
        path = folder / "train" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    assert main(["pack", str(folder), "--out", str(out), "--mib", "0.012"]) == 0
    assert capsys.readouterr().out.count(" MiB\n") == 3
    assert list(whole_sources(out)) == ["photos"]
    before, after = list_entries(folder), list_entries(out / "photos")
    assert [(e.label, e.split) for e in after] == [(e.label, e.split) for e in before]
    assert dict(read_files(folder, before)) == dict(read_files(out / "photos", after))
    second = next(out.glob("photos/*-00001-of-00003.parquet"))
    second.rename(tmp_path / second.name)
    assert whole_sources(out) == {}
    write_shards(folder, out, 1 << 20)  # in larger ones
    assert [p.name for p in (out / "photos").iterdir()] == ["photos-00000-of-00001.parquet"]


@pytest.mark.skipif(bool(shutil.which("nvidia-smi")), reason="there is a GPU here")
def test_without_a_gpu_it_says_how_to_rehearse(environment, tmp_path: Path, capsys) -> None:
    assert main(["--out", str(tmp_path)]) == 2
    assert "rehearse it with --toy --device cpu" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--only", "searching"]) == 2
    assert "no part 'searching'" in capsys.readouterr().err
