"""The written repository, read back with Triton's own protobufs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.triton import Limits, Serving, write_repository
from zoo.errors import PackageError
from zoo.package import Package, read_package
from zoo.runtimes import read_golden
from zoo.store import builtin_package


def read_config(folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def variation(folder: Path, **changes: Any) -> Package:
    """A copy of the built-in package whose manifest says something else."""
    shutil.copytree(builtin_package().path, folder)
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return read_package(folder)


def test_the_gpu_is_asked_for_with_tensorrt_and_an_engine_cache(tmp_path: Path):
    package = builtin_package()
    name = package.manifest.name
    limits = Limits(max_batch=16, queue=7, instances=2)
    assert write_repository([package], tmp_path, Serving(device="tensorrt", limits=limits)) == [
        name
    ]
    config = read_config(tmp_path / name)
    assert config.backend == "onnxruntime"
    assert config.max_batch_size == 16
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 7
    (group,) = config.instance_group
    assert (group.count, group.kind) == (2, group.KIND_GPU)
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 16]  # engines for both
    assert accelerator.parameters["precision_mode"] == "FP16"
    assert accelerator.parameters["trt_engine_cache_enable"] == "true"
    assert config.parameters["variant"].string_value == "onnxruntime-tensorrt-fp16"
    folder = tmp_path / name / package.manifest.version
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "encoder.safetensors"}
    assert (folder / "encoder.safetensors").read_bytes() == package.weights.read_bytes()


def test_the_warm_up_is_a_golden_image(tmp_path: Path):
    package = builtin_package()
    write_repository([package], tmp_path)
    folder = tmp_path / package.manifest.name
    (warmup,) = read_config(folder).model_warmup
    golden = read_golden(package.golden).images[0]
    assert list(warmup.inputs["images"].dims) == list(golden.shape)
    data = (folder / "warmup" / warmup.inputs["images"].input_data_file).read_bytes()
    assert data == golden.tobytes()


def test_versions_of_one_name_are_served_side_by_side(tmp_path: Path):
    first = builtin_package()
    second = variation(tmp_path / "second", version="12", space="ab" * 32)
    write_repository([first, second], tmp_path / "models", Serving("python"))
    folder = tmp_path / "models" / first.manifest.name
    config = read_config(folder)
    assert sorted(config.version_policy.specific.versions) == sorted(
        [int(first.manifest.version), 12]
    )
    assert config.parameters["space.12"].string_value == "ab" * 32
    key = f"space.{first.manifest.version}"
    assert config.parameters[key].string_value == first.manifest.space
    assert (folder / "12" / "model.py").is_file()


def test_what_triton_could_not_serve_is_refused(tmp_path: Path):
    first = builtin_package()
    named = variation(tmp_path / "named", version="2025.1-rc")
    with pytest.raises(PackageError, match=r"'2025\.1-rc' is no such number"):
        write_repository([named], tmp_path / "models")
    wider = variation(tmp_path / "wider", version="9", dim=first.manifest.dim + 1)
    with pytest.raises(PackageError, match="different shapes"):
        write_repository([first, wider], tmp_path / "models")
    with pytest.raises(PackageError, match="runs on the CPU"):
        write_repository([first], tmp_path / "models", Serving("python", "gpu"))
    assert not (tmp_path / "models").exists()


def test_a_model_that_is_there_is_not_overwritten(tmp_path: Path):
    package = builtin_package()
    write_repository([package], tmp_path)
    before = read_config(tmp_path / package.manifest.name)
    with pytest.raises(PackageError, match="there already"):
        write_repository([package], tmp_path, Serving("python"))
    assert read_config(tmp_path / package.manifest.name) == before
    assert [path.name for path in tmp_path.iterdir()] == [package.manifest.name]
