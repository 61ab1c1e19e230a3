"""TensorFlow's own checkpoint and output: the converted encoder gives the same representation."""

import json
import os
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from export.convert import convert
from export.golden import stem_chart
from zoo.catalog import find
from zoo.encoders import load_served
from zoo.runtimes import open_runtime
from zoo.runtimes.golden import agreement
from zoo.sample_images import sample_squares

PYTHON = "ZOO_TEST_TENSORFLOW"
"""Names the Python of an environment with tensorflow-cpu, which has no place in ours."""

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        PYTHON not in os.environ, reason=f"{PYTHON} names no Python with TensorFlow"
    ),
    pytest.mark.timeout(3600),
]


@pytest.mark.parametrize(
    "name", ["simclr-r50x1", "simclr-v2-r50x1-sk", "simclr-r50x4", "simclr-v2-r50x1"]
)
def test_the_converted_encoder_equals_tensorflows(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    entry = find(name)
    (source, *_) = entry.sources
    images = np.concatenate([sample_squares(entry.input, 2), stem_chart(entry.input)[None]])
    expected = run_tensorflow(tmp_path, images, entry, source)
    files = {file.name: tmp_path / file.name for file in source.files}
    package = report(name, "convert", lambda: convert(entry, source, files, ()))
    runtime = report(name, "serve", lambda: open_runtime(package))
    in_onnx = runtime.embed(images)
    del runtime
    with torch.no_grad():
        in_torch = load_served(package)(torch.from_numpy(images)).numpy()
    for computed, found in (("onnx", in_onnx), ("torch", in_torch)):
        measured = agreement(found, expected)
        # As strict where images differ: what all representations share is taken away.
        centred = agreement(found - expected.mean(axis=0), expected - expected.mean(axis=0))
        print(name, computed, measured, "centred:", centred)  # noqa: T201 - seen with -rP
        assert measured.cosine_min > 0.99999
        assert measured.max_relative_error < 1e-3
        assert centred.cosine_min > 0.99999


def report(name, what, run):
    """Run something and print the memory it took; alone in its process, the peak is its own."""
    result = run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{name} {what}: peak so far {peak:.2f} GB")  # noqa: T201
    return result


def run_tensorflow(folder: Path, images, entry, source):
    """Checkpoint and representation, made in the other environment; returns the latter."""
    np.save(folder / "images.npy", images)
    stem = source.files[0].name.removesuffix(".index")
    options = {
        "depth": entry.architecture.depth,
        "width": entry.architecture.width,
        "selective": entry.architecture.selective_kernels,
        "second_version": entry.name.startswith("simclr-v2"),
        "steps": int(stem.rpartition("-")[2]),
    }
    script = Path(__file__).with_name("tensorflow_simclr.py")
    done = subprocess.run(
        [os.environ[PYTHON], "-P", script, folder, json.dumps(options)],
        env={"PATH": os.environ["PATH"], "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(folder / "representation.npy")
