"""Golden vectors decide: a runtime serves what the package attests, or it does not serve."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from zoo.errors import GoldenMismatchError, PackageError
from zoo.package import file_digest, read_package
from zoo.runtimes import Execution, check_golden, open_onnx, open_runtime, read_golden
from zoo.runtimes.golden import write_golden


def refreshed(folder):
    """The package with a manifest that admits what its files have become."""
    path = folder / "model.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        file = folder / name
        manifest["files"][name] = {"sha256": file_digest(file), "bytes": file.stat().st_size}
    path.write_text(json.dumps(manifest))
    return read_package(folder)


def rewrite(folder, **arrays):
    golden = read_golden(folder / "golden.npz")
    write_golden(folder / "golden.npz", type(golden)(**{**vars(golden), **arrays}))
    return refreshed(folder)


def always(answer):
    """An encoder that gives this, whatever it is shown."""
    return lambda _: answer


def test_the_golden_images_give_the_golden_embeddings(make_package):
    package = read_package(make_package())
    golden = read_golden(package.golden)
    runtime = open_runtime(package)
    np.testing.assert_allclose(runtime.embed(golden.images), golden.embeddings, atol=1e-4)
    assert runtime.embed(golden.images[:1]).shape == (1, package.manifest.dim)
    assert runtime.variant == "onnxruntime-fp32"


def test_perturbed_weights_are_refused(make_package):
    folder = make_package()
    path = folder / "encoder.safetensors"
    weights = {name: value.copy() for name, value in load_file(path).items()}
    weights["projection"][:, 0] *= -1
    save_file(weights, path)
    with pytest.raises(GoldenMismatchError, match=r"tiny@1 on onnxruntime-fp32.*cosine"):
        open_runtime(refreshed(folder))


def test_each_control_fails_the_check(make_package):
    package = read_package(make_package())
    golden = read_golden(package.golden)
    assert golden.controls
    for wrong in golden.controls.values():
        with pytest.raises(GoldenMismatchError):
            check_golden(package, "wrong", always(wrong))


def test_controls_that_pass_prove_nothing(make_package):
    folder = make_package()
    golden = read_golden(folder / "golden.npz")
    package = rewrite(folder, controls={"nothing changed": golden.embeddings})
    with pytest.raises(GoldenMismatchError, match="nothing changed"):
        open_runtime(package)


def test_nan_is_refused(make_package):
    package = read_package(make_package())
    golden = read_golden(package.golden)
    one_bad = golden.embeddings.copy()
    one_bad[3, 0] = np.nan
    for answer in (one_bad, np.full_like(golden.embeddings, np.inf), one_bad[:, :5], one_bad * 0):
        with pytest.raises(GoldenMismatchError):
            check_golden(package, "broken", always(answer))


def test_nan_in_a_control_does_not_count_as_failing(make_package):
    folder = make_package()
    golden = read_golden(folder / "golden.npz")
    package = rewrite(folder, controls={"nan": np.full_like(golden.embeddings, np.nan)})
    with pytest.raises(PackageError, match="finite"):
        open_runtime(package)


def test_golden_vectors_without_controls_prove_nothing(make_package):
    package = rewrite(make_package(), controls={})
    with pytest.raises(PackageError, match="control"):
        open_runtime(package)


def test_golden_vectors_of_another_size_are_refused(make_package):
    folder = make_package()
    golden = read_golden(folder / "golden.npz")
    package = rewrite(folder, images=golden.images[:, :8, :8])
    with pytest.raises(PackageError, match="golden"):
        open_runtime(package)


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_golden_vectors_that_are_none(make_package, data):
    folder = make_package()
    (folder / "golden.npz").write_bytes(data)
    with pytest.raises(PackageError, match=r"golden\.npz"):
        open_runtime(refreshed(folder))


def test_golden_vectors_are_never_unpickled(make_package):
    folder = make_package()
    images = np.empty(2, object)
    np.savez(folder / "golden.npz", images=images, embeddings=images, allow_pickle=True)
    with pytest.raises(PackageError, match=r"golden\.npz"):
        read_golden(folder / "golden.npz")


def test_a_graph_that_the_runtime_refuses(make_package):
    folder = make_package()
    (folder / "encoder.onnx").write_bytes(b"nonsense")
    with pytest.raises(PackageError, match=r"encoder\.onnx.*refuses"):
        open_onnx(refreshed(folder))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("inside", [True, False])
def test_weights_outside_of_the_package_are_refused(make_package, runtime, inside):
    pytest.importorskip(runtime)
    folder = make_package()
    graph = onnx.load(folder / "encoder.onnx", load_external_data=False)
    shutil.copyfile(folder / "encoder.safetensors", folder.parent / "secret")
    path = "encoder.safetensors" if inside else "../secret"
    for tensor in graph.graph.initializer:
        for entry in tensor.external_data:
            entry.value = path if entry.key == "location" else entry.value
    (folder / "encoder.onnx").write_bytes(graph.SerializeToString())
    package = refreshed(folder)
    if inside:
        open_runtime(package, Execution(runtime))
        return
    with pytest.raises(PackageError, match="refuses"):
        open_runtime(package, Execution(runtime))


def test_onnx_runtime_reports_to_nobody(tmp_path):
    """Its telemetry would leave a device identifier and a database of events behind."""
    (tmp_path / "home").mkdir()
    code = """
from zoo.runtimes import open_runtime, read_golden
from zoo.store import builtin_package
package = builtin_package()
open_runtime(package).embed(read_golden(package.golden).images)
"""
    # ONNX Runtime keeps quiet by itself where CI is set.
    inherited = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env={**inherited, "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": ""},
        check=True,
        timeout=240,
    )
    assert list((tmp_path / "home").iterdir()) == []
