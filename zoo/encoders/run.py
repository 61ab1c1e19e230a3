"""A training run's folder, as far as its encoder is concerned."""

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from zoo.architectures import Architecture
from zoo.encoders.build import Encoder, build_encoder
from zoo.encoders.served import load_weights
from zoo.errors import PackageError

CHECKPOINT, DESCRIPTION = "checkpoint.pt", "run.json"
_ARCHITECTURE: TypeAdapter[Architecture] = TypeAdapter(Architecture)


@dataclass(frozen=True)
class Run:
    """What a run has written so far.

    method: the tensors of its method, the encoder's under `encoder.`. step: when they were saved.
    described: `run.json`.
    """

    folder: Path
    method: dict[str, Tensor]
    step: int
    described: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """Copies of the tensors of one part of the method, under their names inside it."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): tensor.clone()
            for key, tensor in self.method.items()
            if key.startswith(prefix) and not key.endswith("num_batches_tracked")
        }


def is_run(folder: Path) -> bool:
    """Whether the folder is a training run that has saved something."""
    return (folder / CHECKPOINT).is_file()


def read_run(folder: Path) -> Run:
    """Read a run's last checkpoint, on the CPU; its bytes are never unpickled into objects.

    Raises:
        PackageError: the folder is no training run, or a file of it is damaged.
    """
    try:
        saved = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
        described = json.loads((folder / DESCRIPTION).read_text())
        return Run(folder, saved["method"], int(saved["step"]), described)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise PackageError(f"{folder}: not a training run, it has no {name}") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise PackageError(
            f"{folder}: {CHECKPOINT} or {DESCRIPTION} is damaged ({error}); resume the run"
        ) from error


def trained_size(folder: Path) -> int:
    """Side of the views at the end of the run, whether or not it has saved something.

    Raises:
        PackageError: the folder is no training run, or its `run.json` is damaged.
    """
    with _recipe(folder) as recipe:
        phases = recipe["phases"]
        return int(phases[-1]["size"] if phases else recipe["augmentation"]["size"])


def last_stage(folder: Path) -> str:
    """The last stage of the run's encoder.

    Raises:
        PackageError: as `trained_size`.
    """
    with _recipe(folder) as recipe:
        return _ARCHITECTURE.validate_python(recipe["architecture"]).last_stage


def encoder_from_run(run: Run) -> Encoder:
    """The run's encoder with its trained weights, in evaluation mode.

    Raises:
        PackageError: a tensor is missing, left over, or of another shape.
    """
    encoder = build_encoder(_ARCHITECTURE.validate_python(run.described["recipe"]["architecture"]))
    load_weights(encoder, run.part("encoder"), str(run.folder / CHECKPOINT))
    return encoder.eval()


@contextmanager
def _recipe(folder: Path) -> Iterator[dict[str, Any]]:
    """The recipe that a run was made by; what it lacks is told with the file's name."""
    try:
        yield json.loads((folder / DESCRIPTION).read_text())["recipe"]
    except FileNotFoundError:
        raise PackageError(f"{folder}: not a training run, it has no {DESCRIPTION}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PackageError(f"{folder / DESCRIPTION}: cannot be read ({error!r})") from error
