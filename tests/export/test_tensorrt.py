"""Plans of TensorRT, as far as a machine without a GPU goes: refusals, and what ties a plan."""

from pathlib import Path

import pytest
import torch

from export.tensorrt import Batches, Machine, Plan, build_plan, check_tensorrt, read_plan
from zoo.errors import PackageError, RuntimeUnavailableError
from zoo.manifest import Parity
from zoo.package import Package


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_plan_without_a_gpu_is_refused_with_what_is_missing(package: Package, tmp_path: Path):
    with pytest.raises(RuntimeUnavailableError, match=r"here is missing.*NVIDIA GPU"):
        check_tensorrt()
    with pytest.raises(RuntimeUnavailableError, match="here is missing"):
        build_plan(package, tmp_path / "plans", "fp16")
    assert not (tmp_path / "plans").exists()


MACHINE = Machine(gpu="NVIDIA L4", compute_capability="8.9", tensorrt="11.4.0")


@pytest.mark.parametrize(
    ("machine", "precision", "message"),
    [
        (MACHINE.model_copy(update={"gpu": "NVIDIA A10"}), "fp16", "GPU NVIDIA L4.*NVIDIA A10"),
        (MACHINE.model_copy(update={"tensorrt": "11.5.0"}), "fp16", r"TensorRT 11\.4\.0.*11\.5\.0"),
        (MACHINE, "int8", "built for the space"),
    ],
    ids=["gpu", "tensorrt", "precision"],
)
def test_a_plan_for_something_else_is_refused(
    package: Package, tmp_path: Path, machine: Machine, precision, message: str
):
    folder = tmp_path / "tiny" / "2"
    folder.mkdir(parents=True)
    plan = Plan(
        name="tiny", version="2", space=package.manifest.space, precision="fp16",
        batches=Batches(), machine=MACHINE,
        parity=Parity(cosine_min=1, cosine_mean=1, max_relative_error=0),
    )  # fmt: skip
    (folder / "plan.json").write_text(plan.model_dump_json())
    assert read_plan(tmp_path, package, "fp16", MACHINE) == plan
    with pytest.raises(PackageError, match=message):
        read_plan(tmp_path, package, precision, machine)


def test_a_folder_without_a_plan_says_how_to_build_one(package: Package, tmp_path: Path):
    with pytest.raises(PackageError, match=r"no plan is here.*zoo export plan"):
        read_plan(tmp_path, package, "fp16", MACHINE)
    (tmp_path / "tiny" / "2").mkdir(parents=True)
    (tmp_path / "tiny" / "2" / "plan.json").write_text("{}")
    with pytest.raises(PackageError, match="not the record of a plan"):
        read_plan(tmp_path, package, "fp16", MACHINE)
