"""What tests export: a run, and a store with a model in every precision."""

import json
import os
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from typer.testing import CliRunner

from cli import app
from zoo.architectures import ResNetArchitecture
from zoo.encoders import build_resnet
from zoo.errors import RuntimeUnavailableError
from zoo.runtimes.openvino import check_bfloat16


def write_run(folder: Path) -> Path:
    """The folder of a run of three steps, with weights and statistics that are not trivial."""
    architecture = ResNetArchitecture(depth=18, stem="stride2-pool")
    torch.manual_seed(0)
    encoder = build_resnet(architecture)
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2.0)
    folder.mkdir(parents=True)
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    state["head.0.weight"] = torch.ones(2, 2)
    torch.save({"method": state, "step": 3}, folder / "checkpoint.pt")
    recipe = {
        "name": "tiny",
        "architecture": architecture.model_dump(),
        "method": {"name": "simclr"},
    }
    sources = [{"name": "photos", "images": 12, "unreadable": 0}]
    (folder / "run.json").write_text(json.dumps({"recipe": recipe, "sources": sources}))
    line = {"steps": 3, "epoch": 1.0, "loss": 2.5, "lr": 0.1, "images_per_second": 9.0, "knn": {}}
    lines = [json.dumps(line | {"step": step}) for step in (1, 2, 3)]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def write_photos(folder: Path, per_class: int = 100, side: int = 96) -> Path:
    """Labelled photos: squares of scikit-learn's two samples, a folder a class."""
    rng = np.random.default_rng(3)
    for name, image in zip(("china", "flower"), load_sample_images().images, strict=True):
        (folder / name).mkdir(parents=True)
        places = rng.integers(
            (0, 0), (image.shape[0] - side, image.shape[1] - side), (per_class, 2)
        )
        for number, (y, x) in enumerate(places):
            square = Image.fromarray(image[y : y + side, x : x + side])
            square.save(folder / name / f"{number}.png")
    return folder


def lowered_precisions() -> tuple[str, ...]:
    """Those that a variant can be made in here: bf16 wants a processor that has it."""
    try:
        check_bfloat16()
    except RuntimeUnavailableError:
        return ("fp16", "int8")
    return ("fp16", "bf16", "int8")


def write_store(home: Path, work: Path) -> None:
    """A store with `tiny@1`, and `tiny@2` that has every variant, made by the command."""
    run, data = write_run(work / "run"), write_photos(work / "photos")
    with mock.patch.dict(os.environ, {"ZOO_HOME": str(home), "COLUMNS": "200"}):
        for arguments in (
            ["export", "run", str(run), "--name", "tiny", "--size", "32"],
            ["export", "variants", "tiny", "--data", str(data)]
            + [word for p in lowered_precisions() for word in ("--precision", p)],
        ):
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, result.output
