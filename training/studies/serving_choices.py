"""How a trained encoder is best served: input size, crop, layers, and the steps after them.

    python -m training.studies.serving_choices RUN --calibrate DATA --task DATA [--task DATA ...]

Combinations are fitted on five labels a class of each task, over paired draws, with the fitter
that the gateway uses. Calibration images and tasks come from the train splits, so that choosing
uses no image that is later reported on.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

import heads
from sources import list_entries, read_files, source_name
from zoo.architectures import Stage
from zoo.arrays import Vectors
from zoo.encoders import Encoder, ServedEncoder, encoder_from_run, fit_representation, read_run
from zoo.images import ImageError, InputBlock, read_square
from zoo.manifest import Layer

SIZES = (64, 80, 96)
CROPS = (1.0, 0.875)
STAGES: tuple[tuple[Stage, ...], ...] = (
    ("layer4",),
    ("layer3", "layer4"),
    ("layer2", "layer3", "layer4"),
    ("layer3",),
    ("layer2",),
)
GRIDS = (1, 2, 3)
Steps = tuple[Literal["sqrt", "unit", "centre", "whiten"], ...]
USUAL: Steps = ("sqrt", "unit", "centre")
STEPS: tuple[Steps, ...] = ((), ("sqrt", "unit"), USUAL, (*USUAL, "whiten"))
LABELS_A_CLASS = 5


@dataclass(frozen=True)
class Task:
    """Labelled images to fit and test on: file bytes and class numbers."""

    name: str
    files: list[bytes]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """Mean accuracy of one combination on each task."""

    size: int
    crop: float
    stages: tuple[Stage, ...]
    grid: int
    steps: Steps
    dim: int
    accuracy: dict[str, float]

    @property
    def mean(self) -> float:
        """Over the tasks, each counting the same."""
        return float(np.mean(list(self.accuracy.values())))


def serving_choices(
    encoder: Encoder, calibration: list[bytes], tasks: list[Task], draws: int
) -> Iterator[Outcome]:
    """Stages and grids at the middle size, then sizes, crops and steps for the best of them.

    Every combination meets every task, with the same draws for all.
    """
    measure = partial(_outcomes, encoder, calibration, tasks, draws)
    first = []
    for grid in GRIDS:
        for outcome in measure(InputBlock(size=SIZES[1]), grid, product(STAGES, [USUAL])):
            first.append(outcome)
            yield outcome
    best = max(first, key=lambda outcome: outcome.mean)
    for size, crop in product(SIZES, CROPS):
        for outcome in measure(
            InputBlock(size=size, crop=crop), best.grid, product([best.stages], STEPS)
        ):
            if outcome not in first:
                yield outcome


def _outcomes(
    encoder: Encoder,
    calibration: list[bytes],
    tasks: list[Task],
    draws: int,
    block: InputBlock,
    grid: int,
    layers: Iterable[tuple[tuple[Stage, ...], Steps]],
) -> Iterator[Outcome]:
    """Of one input and grid, which cost a pass over all images."""
    layers = list(layers)
    every = tuple(dict.fromkeys(stage for stages, _ in layers for stage in stages))
    whole = _served(encoder, Layer(stages=every, grid=grid), block)
    pooled = {task.name: _pool(whole, task.files) for task in tasks}
    reference = _pool(whole, calibration)
    for stages, steps in layers:
        served = _served(encoder, Layer(stages=stages, grid=grid, steps=steps), block)
        features = served.combine(_parts(reference, stages))
        if "whiten" in steps and features.shape[1] >= len(features):
            continue  # so many directions have no statistics
        fit_representation(served, features)
        accuracy = {}
        for task in tasks:
            features = served.combine(_parts(pooled[task.name], stages))
            vectors = served.finish(features).numpy()
            accuracy[task.name] = few_label_accuracy(vectors, task.labels, draws)
        yield Outcome(block.size, block.crop, stages, grid, steps, features.shape[1], accuracy)


def few_label_accuracy(vectors: Vectors, labels: npt.NDArray[np.int64], draws: int) -> float:
    """Mean accuracy on the images left over, fitted on five a class."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    correct = []
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(labels))
        chosen = np.concatenate(
            [order[labels[order] == c][:LABELS_A_CLASS] for c in np.unique(labels)]
        )
        rest = np.setdiff1d(order, chosen)
        classifier = heads.fit(vectors[chosen], [str(c) for c in labels[chosen]], seed=seed)
        predicted = heads.probabilities(classifier, vectors[rest]).argmax(axis=1)
        names = np.array(classifier.classes)
        correct.append(float((names[predicted] == labels[rest].astype(str)).mean()))
    return float(np.mean(correct))


def read_task(source: Path, classes: int, images: int, prefix: str = "") -> Task:
    """A random sample of the train split: `classes` classes (0 for all), `images` of each."""
    entries = [e for e in list_entries(source, "train") if e.path.startswith(prefix)]
    names = sorted({entry.label for entry in entries})
    rng = np.random.default_rng(0)
    if classes:
        names = sorted(rng.permutation(names)[:classes].tolist())
    chosen = []
    for name in names:
        rows = [i for i, entry in enumerate(entries) if entry.label == name]
        chosen += rng.permutation(rows)[:images].tolist()
    kept = [entries[i] for i in sorted(chosen)]
    files: dict[int, bytes] = dict(read_files(source, kept))
    labels = np.array([names.index(entry.label) for entry in kept])
    return Task(
        prefix.strip("/") or source_name(source), [files[i] for i in range(len(kept))], labels
    )


def _sample(source: Path, count: int) -> list[bytes]:
    """Files of a random sample of the train split."""
    entries = list_entries(source, "train")
    rows = np.random.default_rng(1).permutation(len(entries))[:count]
    return [data for _, data in read_files(source, [entries[i] for i in sorted(rows.tolist())])]


def _served(encoder: Encoder, layer: Layer, block: InputBlock) -> ServedEncoder:
    dim = encoder.pooled_dim(layer.stages, layer.grid)
    served = ServedEncoder(encoder.architecture, layer, block, dim)
    served.encoder = encoder
    return served.eval()


@torch.no_grad()
def _pool(served: ServedEncoder, files: list[bytes]) -> dict[Stage, Tensor]:
    squares = []
    for data in files:
        try:
            squares.append(read_square(data, served.block))
        except ImageError as error:
            raise SystemExit(f"an image of the study cannot be read: {error}") from error
    batches = torch.split(torch.from_numpy(np.stack(squares)), 256)
    parts = [served.pool(batch) for batch in batches]
    return {
        stage: torch.cat([part[position] for part in parts])
        for position, stage in enumerate(served.layer.stages)
    }


def _parts(pooled: dict[Stage, Tensor], stages: tuple[Stage, ...]) -> list[Tensor]:
    return [pooled[stage] for stage in stages]


def main(
    run: Annotated[Path, typer.Argument(help="a training run")],
    task: Annotated[list[str], typer.Option(help="DATA[:prefix], its train split")],
    calibrate: Annotated[list[Path], typer.Option(help="data for the statistics of the steps")],
    draws: Annotated[int, typer.Option(help="draws of five labels a class")] = 20,
    classes: Annotated[int, typer.Option(help="classes of a task, at most")] = 20,
    images: Annotated[int, typer.Option(help="images a class, at most")] = 40,
    out: Annotated[Path | None, typer.Option(help="write every outcome as JSON")] = None,
) -> None:
    """Print the combinations, best first."""
    encoder = encoder_from_run(read_run(run))
    tasks = [
        read_task(Path(source), classes, images, prefix)
        for source, _, prefix in (text.partition(":") for text in task)
    ]
    calibration = [file for source in calibrate for file in _sample(source, 1500)]
    outcomes = list(serving_choices(encoder, calibration, tasks, draws))
    outcomes.sort(key=lambda outcome: -outcome.mean)
    if out:
        out.write_text(json.dumps([asdict(o) | {"mean": o.mean} for o in outcomes], indent=1))
    table = Table(
        "size", "crop", "stages", "grid", "steps", "dim", *(t.name for t in tasks), "mean"
    )
    for o in outcomes:
        figures = (f"{100 * value:.1f}" for value in (*o.accuracy.values(), o.mean))
        stages, steps = "+".join(o.stages), " ".join(o.steps)
        table.add_row(str(o.size), f"{o.crop:g}", stages, str(o.grid), steps, str(o.dim), *figures)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
