"""The lecture's semi-supervised figure: accuracy over the share of the labels that is used.

A linear classifier on frozen features and the fine-tuned network, beside a network of the same
architecture trained from scratch on the same labels. One draw of the labels, of which a larger
share holds every smaller one.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch

from sources import DataError, Entry, source_name
from training.data import Packed, pack
from training.evaluation.features import EvaluatedModel
from training.evaluation.finetune import (
    SCHEDULES,
    ConcreteSchedule,
    Labelled,
    Start,
    classifier_accuracy,
    train_classifier,
)
from training.evaluation.frozen import check_linear, numbered, split_accuracy
from training.evaluation.linear import linear_accuracy
from training.evaluation.models import load_network
from training.evaluation.results import Accuracy
from training.evaluation.task import Task
from zoo.encoders import STAGES, ServedEncoder, build_encoder
from zoo.images import InputBlock

SCRATCH = "supervised from scratch"
_LEAST = 2  # of a class, so that one can be held out to choose the penalty


def check_fractions(task: Task) -> None:
    """That every share of every class is two images, and that there is a network to train.

    Raises:
        DataError: one is not, or a share is no share.
    """
    check_linear(task)
    if not any(embedder.source for embedder in task.embedders):
        raise DataError("finetune needs a network: a training run or a package")
    counts = Counter(entry.label for entry in task.division().train)
    few = min(counts, key=lambda label: (counts[label], label))
    for percent in task.options.percents:
        if not 1 <= percent <= 100:
            raise DataError(f"{percent}% of the labels: a share is between 1 and 100")
        if _share(counts[few], percent) < _LEAST:
            raise DataError(
                f"{task.data.name}: {percent}% of the {counts[few]} training images of class "
                f"{few!r} leave {_share(counts[few], percent)} to learn from, and {_LEAST} are the "
                "least: ask for larger shares of the labels"
            )


def measure_fractions(task: Task) -> Iterator[Accuracy]:
    """Every share: each embedder frozen, those with a network fine-tuned, and from scratch."""
    division = task.division()
    networks = [embedder for embedder in task.embedders if embedder.source]
    packed = {embedder.name: _pack(task, embedder.block) for embedder in networks}
    for percent in task.options.percents:
        chosen = draw(division.train, percent, task.options.seed)
        for embedder in task.embedders:
            yield _frozen(task, embedder, chosen, percent)
        for embedder in networks:
            name = f"{embedder.name}, fine-tuned"
            images = packed[embedder.name]
            yield _trained(task, embedder, name, "fine-tuned", images, chosen, percent)
        images = packed[networks[0].name]
        yield _trained(task, networks[0], SCRATCH, "from scratch", images, chosen, percent)


def draw(entries: list[Entry], percent: int, seed: int) -> list[Entry]:
    """A share of each class; a larger share of one seed holds the smaller ones."""
    rng = np.random.default_rng(seed)
    by_label: dict[str, list[Entry]] = {}
    for entry in entries:
        by_label.setdefault(entry.label, []).append(entry)
    chosen = []
    for label in sorted(by_label):
        members = by_label[label]
        order = rng.permutation(len(members))
        chosen += [members[i] for i in order[: _share(len(members), percent)]]
    return chosen


def _share(count: int, percent: int) -> int:
    return round(count * percent / 100)


def _frozen(task: Task, embedder: EvaluatedModel, chosen: list[Entry], percent: int) -> Accuracy:
    train = task.features(embedder, chosen)
    test = task.features(embedder, task.division().test)
    labels = numbered(test, train)
    report = task.report(f"{embedder.name}, frozen: {percent}% of the labels")
    found = linear_accuracy(
        train.vectors, train.labels, test.vectors, labels, task.options.seed, report
    )
    return split_accuracy(
        f"{embedder.name}, frozen", task.data.name, f"finetune-{percent}%", found.accuracy,
        len(train.classes), len(labels), f"{len(train.labels)} labels, l2 {found.l2:.2g}",
    )  # fmt: skip


def _trained(
    task: Task,
    embedder: EvaluatedModel,
    name: str,
    start: Start,
    packed: Packed,
    chosen: list[Entry],
    percent: int,
) -> Accuracy:
    classes = sorted({entry.label for entry in task.division().train})
    train = _labelled(packed, chosen, classes)
    test = _labelled(packed, task.division().test, classes)
    assert embedder.source is not None  # only such embedders are trained
    network = load_network(embedder.source)
    if start == "from scratch":
        _forget(network, task.options.seed)
    schedule = SCHEDULES[task.options.size][start]
    plan = ConcreteSchedule.of(schedule, len(train.rows), percent)
    report = task.report(f"{name}: {percent}% of the labels")
    trained = train_classifier(
        network, train, plan, schedule.weight_decay, task.options.seed, report
    )
    accuracy = classifier_accuracy(trained, test, network.block)
    return split_accuracy(
        name, task.data.name, f"finetune-{percent}%", accuracy, len(classes), len(test.rows),
        f"{len(train.rows)} labels, {plan}",
    )  # fmt: skip


def _forget(network: ServedEncoder, seed: int) -> None:
    """Fresh weights in place of the trained ones."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = build_encoder(network.encoder.architecture)
    fresh.drop_stages_after(max(network.layer.stages, key=STAGES.index))
    network.encoder = fresh


def _pack(task: Task, block: InputBlock) -> Packed:
    """All images of the source, so large that the block's crop of them has its size."""
    report = task.report(f"reading {source_name(task.data.source)}")
    return pack(
        task.data.source, task.cache / "packed", round(block.size / block.crop), None, report
    )


def _labelled(packed: Packed, entries: list[Entry], classes: list[str]) -> Labelled:
    """The entries that could be read."""
    row = {entry.path: number for number, entry in enumerate(packed.entries)}
    kept = [entry for entry in entries if entry.path in row]
    rows = np.array([row[entry.path] for entry in kept], np.int64)
    return Labelled(packed.pixels, rows, np.array([classes.index(e.label) for e in kept], np.int64))
