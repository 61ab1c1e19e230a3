"""Whole runs of recipes, resumed call after call, and what their encoders reach."""

import json
import time
from pathlib import Path

from benchmarks.gpu.parts.toy import small, write_photos
from benchmarks.gpu.results import Settings
from benchmarks.gpu.shards import whole_sources, write_shards
from benchmarks.gpu.weights import write_weights
from benchmarks.gpu.work import PausedError, SkippedError, Work
from training.data import pack
from training.evaluation import embedder_of, evaluate, read_sets
from training.journal import Step
from training.loop import train
from training.precision import usable
from training.recipe import Recipe, load_recipe
from zoo.encoders import read_run

_SAVE_EVERY, _MONITOR_EVERY = 1000, 2000  # steps


def simclr_cifar10(work: Work) -> None:
    """200 epochs; about 83% by kNN and 86% to 88% by a linear classifier are expected."""
    recipe = load_recipe("simclr-r18-cifar10").model_copy(update={"epochs": 200.0})
    _run(work, recipe, [_source(work, "cifar10")])


def cpc_cifar10(work: Work) -> None:
    """100 epochs."""
    recipe = load_recipe("cpc-v2-cifar10").model_copy(update={"epochs": 100.0})
    _run(work, recipe, [_source(work, "cifar10")])


def small_photos(work: Work) -> None:
    """The built-in model's recipe from random weights, at 64 px throughout, in larger batches."""
    changes = {"phases": (), "batch": 1024, "epochs": 50.0, "compile": True}
    recipe = load_recipe("simclr-r18-small-cpu").model_copy(update=changes)
    _source(work, "cifar10")  # which it is evaluated on
    _run(work, recipe, list(whole_sources(_data(work)).values()))


def _run(work: Work, recipe: Recipe, sources: list[Path]) -> None:
    recipe = small(recipe) if work.toy else recipe
    run, cache, began = work.folder / "run", work.folder_of("cache"), time.perf_counter()
    packed = [pack(source, cache, recipe.stored_side, "train") for source in sources]
    steps: list[Step] = []
    if not train(recipe, packed, run, steps.append, _SAVE_EVERY, _MONITOR_EVERY):
        raise PausedError(f"at step {steps[-1].step} of {steps[-1].steps}" if steps else "")
    settings: Settings = {
        "recipe": recipe.name, "epochs": recipe.epochs, "batch": recipe.batch,
        "images": sum(map(len, packed)), "precision": usable(recipe.precision),
    }  # fmt: skip
    for what, value, unit in _training_figures(run, recipe):
        work.record(what, value, unit, began, settings)
    write_weights(run, work.home / "weights" / (f"toy-{work.part}" if work.toy else work.part))
    labelled = read_sets([whole_sources(_data(work))["cifar10"]], ())
    for protocol in ("knn", "linear"):
        began = time.perf_counter()
        found = evaluate([embedder_of(read_run(run))], labelled, [protocol], cache=cache)
        (accuracy,) = found.accuracies
        work.record(
            f"CIFAR-10, {protocol}", 100 * accuracy.value, "%", began,
            {**settings, "95% interval": f"{100 * accuracy.low:.1f}-{100 * accuracy.high:.1f}"},
        )  # fmt: skip


def _training_figures(run: Path, recipe: Recipe) -> list[tuple[str, float, str]]:
    """Of all calls, by the run's log, in which a step that was repeated counts once."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = {line["step"]: line for line in lines}
    seconds = sum(recipe.batch / step["images_per_second"] for step in steps.values())
    return [
        ("training", len(steps) * recipe.batch / seconds, "images/s"),
        ("time of training", seconds / 60, "min"),
        ("loss at the end", steps[max(steps)]["loss"], "nats"),
    ]


def _source(work: Work, name: str) -> Path:
    found = whole_sources(_data(work)).get(name)
    if found is None:
        raise SkippedError(
            f"{work.data} has no {name}, or not all of its shards: see docs/gpu.md for how to "
            "pack and bring them"
        )
    return found


def _data(work: Work) -> Path:
    """The folder of sources; a toy's are pieces of two photos."""
    if not work.toy:
        return work.data
    data = work.folder_of("data")
    if not whole_sources(data):
        photos = work.folder_of("photos") / "cifar10"
        write_photos(photos)
        write_shards(photos, data, bytes_each=20_000)
    return data
