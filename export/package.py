"""A training run -> a package: weights, graph, golden vectors, manifest and card."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.build import write_encoder
from export.graph import halved
from zoo.arrays import Pixels
from zoo.encoders import (
    STAGES,
    Encoder,
    Run,
    ServedEncoder,
    encoder_from_run,
    fit_representation,
    load_weights,
    read_run,
)
from zoo.errors import PackageError
from zoo.images import InputBlock
from zoo.manifest import Layer, Provenance, Source
from zoo.package import Package
from zoo.package_writer import About, attest
from zoo.sample_images import sample_squares
from zoo.store import find_package, new_package

TRAINING = "training.json"

LAST_STAGE = Layer(stages=("layer4",))


@dataclass(frozen=True)
class Serving:
    """How a run's encoder is served.

    `calibration` (uint8 (n, size, size, 3)) gives the statistics of `centre` and `whiten` and is
    needed for these alone; `whitened_dim` keeps that many directions. `golden` (the same shape)
    takes the place of the squares cut from public sample photos.
    """

    block: InputBlock
    layer: Layer = LAST_STAGE
    calibration: Pixels | None = None
    whitened_dim: int | None = None
    golden: Pixels | None = None


def export_run(
    run: Path,
    name: str,
    version: str,
    serving: Serving,
    weights_licence: str = "the terms of the training images apply",
    terms: str = "unstated",
) -> Package:
    """Export a run's checkpoint to the store, and prove it there before it is visible.

    Args:
        terms: of the training images.

    Raises:
        PackageError: the run has no checkpoint, that version exists, or calibration images are
            too few.
        GoldenMismatchError: ONNX Runtime does not give what PyTorch gives.
    """
    saved = read_run(run)
    served = _served(encoder_from_run(saved), serving)
    described = _described(saved)
    method = described["recipe"]["method"]["name"]
    about = About(
        name=name,
        version=version,
        method=method,
        provenance=Provenance(
            created=datetime.now(UTC).date(),
            sources=(
                *(
                    Source(name=s["name"], images=s["images"], terms=terms)
                    for s in described["sources"]
                ),
                *_of_teacher(described),
            ),
            code_licence="Apache-2.0",
            weights_licence=_inherited(weights_licence, described),
            citation=_citation(described),
            recipe=described["recipe"]["name"] or None,
            run=described["summary"],
        ),
    )
    images = sample_squares(serving.block) if serving.golden is None else serving.golden
    with new_package(name, version) as folder:
        (folder / TRAINING).write_text(json.dumps(described, indent=1) + "\n")
        attest(folder, write_encoder(folder, about, served, halved(served), images))
    return find_package(f"{name}@{version}")


def _of_teacher(described: dict[str, Any]) -> list[Source]:
    """What a run's teacher comes from: the student comes from it too."""
    teacher = described.get("teacher")
    if teacher is None:
        return []
    own = Source(name=f"taught by {teacher['name']}", terms=teacher["weights_licence"])
    theirs = [Source.model_validate(source) for source in teacher["sources"]]
    of = f"by way of {teacher['name']}: "
    return [own, *(source.model_copy(update={"name": of + source.name}) for source in theirs)]


def _inherited(licence: str, described: dict[str, Any]) -> str:
    """The licence of the weights, with that of the teacher that they were made to follow."""
    teacher = described.get("teacher")
    if teacher is None:
        return licence
    return f"{licence}; those of its teacher {teacher['name']} apply too: {_terms(teacher)}"


def _citation(described: dict[str, Any]) -> str:
    method = described["recipe"]["method"]["name"]
    # Runs of before citations were written down have none.
    found = f"{described.get('citation', method)} (method)"
    teacher = described.get("teacher")
    return f"{found}; {teacher['citation']} (teacher)" if teacher else found


def _terms(teacher: dict[str, Any]) -> str:
    terms = [teacher["weights_licence"], *(source["terms"] for source in teacher["sources"])]
    return ", ".join(dict.fromkeys(terms))


def _served(encoder: Encoder, serving: Serving) -> ServedEncoder:
    encoder.drop_stages_after(max(serving.layer.stages, key=STAGES.index))
    dim = encoder.pooled_dim(serving.layer.stages, serving.layer.grid)
    if "whiten" in serving.layer.steps:
        dim = min(dim, serving.whitened_dim or dim)
    served = ServedEncoder(encoder.architecture, serving.layer, serving.block, dim)
    served.encoder = encoder
    # The reference is the network with the weights as stored, not as trained.
    load_weights(served, halved(served), "the checkpoint")
    served.eval()
    if {"centre", "whiten"} & set(serving.layer.steps):
        if serving.calibration is None:
            raise PackageError("the steps centre and whiten need calibration images: give --data")
        fit_representation(served, _features(served, serving.calibration))
    return served


@torch.no_grad()
def _features(served: ServedEncoder, images: Pixels) -> Tensor:
    batches = torch.split(torch.from_numpy(images), 256)
    return torch.cat([served.combine(served.pool(batch)) for batch in batches])


def _described(run: Run) -> dict[str, Any]:
    """What the run says of itself, with its log."""
    summary, log = _summary(run.folder / "log.jsonl", run.step)
    if start := run.described.get("start"):
        summary["started_from"] = start["name"]
    if teacher := run.described.get("teacher"):
        summary["taught_by"] = teacher["name"]
        summary["space_of_the_teacher"] = teacher["space"]
    return run.described | {"summary": summary, "log": log}


def _summary(log: Path, step: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The last figures, and some forty lines of the log."""
    by_step = {entry["step"]: entry for entry in map(json.loads, log.read_text().splitlines())}
    entries = [by_step[number] for number in sorted(by_step) if number <= step]
    last = entries[-1]
    recent = [entry["loss"] for entry in entries[-50:]]
    summary: dict[str, Any] = {
        "steps": last["step"],
        "planned_steps": last["steps"],
        "epochs": round(last["epoch"], 2),
        "loss": round(float(np.mean(recent)), 4),
        "median_images_per_second": round(
            float(np.median([e["images_per_second"] for e in entries])), 1
        ),
    }
    every = math.ceil(len(entries) / 40)
    kept = [e for i, e in enumerate(entries) if i % every == 0 or e["knn"] or e is last]
    return summary, kept
