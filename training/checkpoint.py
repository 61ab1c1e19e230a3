"""What a run's folder holds: a description, and one checkpoint that is always whole."""

import io
import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.data import Packed
from training.errors import TrainingError
from training.methods import METHODS
from training.recipe import Recipe
from zoo.files import write_whole
from zoo.package import Package

CHECKPOINT, DESCRIPTION = "checkpoint.pt", "run.json"


def save(run: Path, recipe: Recipe, images: list[int], state: Mapping[str, Any], step: int) -> None:
    """Replace the run's checkpoint; the previous one stands until the new one is on the disk.

    Args:
        images: how many each source has. state: of the method and the optimizers.

    Raises:
        TrainingError: the new one could not be written, for want of space, say.
    """
    whole = io.BytesIO()
    torch.save({**state, "step": step, "recipe": recipe.model_dump_json(), "images": images}, whole)
    path = run / CHECKPOINT
    try:
        write_whole(path, whole.getbuffer())
    except OSError as error:
        kept = "the one before it is whole" if path.is_file() else "there is none before it"
        raise TrainingError(
            f"{path}: the checkpoint of step {step} could not be written ({error.strerror}); "
            f"{kept}: make room, and the same command goes on from there"
        ) from error


def load(
    run: Path, recipe: Recipe, images: list[int], device: torch.device
) -> dict[str, Any] | None:
    """The run's checkpoint, as `save` was given it; None where there is none yet.

    Raises:
        TrainingError: it is damaged, or of another recipe or other images.
    """
    path = run / CHECKPOINT
    saved = _read(path, device)
    if saved is None:
        return None
    _check_recipe(path, saved, recipe)
    if saved["images"] != images:
        raise TrainingError(
            f"{path} was written when the sources had {saved['images']} images and now they have "
            f"{images}: give another --out, or the data it began with"
        )
    return saved


def check_resumable(run: Path, recipe: Recipe) -> None:
    """That a run with this recipe can begin or go on in the folder, before any long work.

    Raises:
        TrainingError: the folder cannot be written, or holds the checkpoint of another recipe.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        write_whole(run / ".writable", b"")
        (run / ".writable").unlink()
    except OSError as error:
        raise TrainingError(
            f"{run}: cannot be written to ({error.strerror}); give another --out"
        ) from error
    saved = _read(run / CHECKPOINT, torch.device("cpu"))
    if saved is not None:
        _check_recipe(run / CHECKPOINT, saved, recipe)


def named_space(package: Package | None) -> dict[str, str] | None:
    """A package by its name and its space, as `run.json` and the checkpoint hold it."""
    if package is None:
        return None
    return {"name": package.manifest.reference, "space": package.manifest.space}


def check_teacher(run: Path, saved: Mapping[str, Any], teacher: Package | None) -> None:
    """That a checkpoint, as `load` gives it, was taught in the space of the teacher.

    Raises:
        TrainingError: it was not: the name means another package now.
    """
    theirs, ours = saved.get("teacher"), named_space(teacher)
    if theirs and ours and theirs["space"] != ours["space"]:
        raise TrainingError(
            f"{run / CHECKPOINT} was taught by {theirs['name']} in another space than "
            f"{ours['name']} has: install that package again, or give another --out"
        )


def check_room(run: Path, recipe: Recipe, method: nn.Module) -> None:
    """That the disk has room for the run's checkpoints: the last one, and the next beside it.

    Raises:
        TrainingError: it has not.
    """
    run.mkdir(parents=True, exist_ok=True)
    moments = 2 if recipe.optimizer == "adamw" else 1
    state = [*method.parameters(), *method.buffers()]
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    size = sum(t.nbytes for t in state) + moments * sum(t.nbytes for t in trained)
    needed = size if (run / CHECKPOINT).is_file() else 2 * size
    free = shutil.disk_usage(run).free
    if free < needed:
        raise TrainingError(
            f"{run}: checkpoints need {needed / 1e6:,.0f} MB of disk and {free / 1e6:,.0f} MB are "
            "free: make room, or give another --out"
        )


def describe(
    run: Path,
    recipe: Recipe,
    sources: list[Packed],
    device: torch.device,
    precision: str,
    start: Package | None,
    teacher: Package | None,
) -> None:
    """`run.json`: what the run is made of, for the package that comes of it."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    content = {
        "recipe": recipe.model_dump(mode="json"),
        "sources": [
            {"name": s.name, "images": len(s), "unreadable": len(s.unreadable)} for s in sources
        ],
        "citation": METHODS[recipe.method.name].citation,
        "start": named_space(start),
        "teacher": teacher and _credited(teacher),
        "hardware": gpu or f"{torch.get_num_threads()} CPU threads",
        "precision": precision,
        "torch": str(torch.__version__),
    }
    run.mkdir(parents=True, exist_ok=True)
    write_whole(run / DESCRIPTION, (json.dumps(content, indent=1) + "\n").encode())


def _credited(teacher: Package) -> dict[str, Any]:
    """A teacher, with what the card of its student has to say of it."""
    manifest, provenance = teacher.manifest, teacher.manifest.provenance
    return {
        "name": manifest.reference,
        "space": manifest.space,
        "weights_licence": provenance.weights_licence,
        "sources": [source.model_dump(mode="json") for source in provenance.sources],
        "citation": provenance.citation,
    }


def _read(path: Path, device: torch.device) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        saved: dict[str, Any] = torch.load(path, map_location=device, mmap=True, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise TrainingError(
            f"{path} is damaged ({error}): give another --out, or delete it to begin again"
        ) from error
    missing = {"method", "optimizers", "step", "recipe", "images"} - set(saved)
    if missing:
        raise TrainingError(f"{path} has no {min(missing)!r}: give another --out")
    return saved


def _check_recipe(path: Path, saved: dict[str, Any], recipe: Recipe) -> None:
    theirs, ours = json.loads(saved["recipe"]), json.loads(recipe.model_dump_json())
    changed = sorted(key for key in theirs | ours if theirs.get(key) != ours.get(key))
    if changed:
        raise TrainingError(
            f"{path} was written by another recipe (not the same: {', '.join(changed)}): "
            "give another --out, or the recipe it began with"
        )
