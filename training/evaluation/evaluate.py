"""Evaluate encoders on labelled images: kNN, linear, and few labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from heads.interval import wilson
from training.data import DataError, Entry, list_entries
from training.evaluation.features import Embedder, Features, Progress, embed_source
from training.evaluation.few_label import few_label, interval
from training.evaluation.knn import knn_accuracy
from training.evaluation.linear import linear_accuracy

Protocol = Literal["knn", "linear", "few-label"]
LABELS_PER_CLASS = (1, 5, 10)


@dataclass(frozen=True)
class Subset:
    """The images of a source under the folder `prefix` ("" for all), of one split or of all."""

    prefix: str = ""
    split: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Subset":
        """`folder`, `folder:split` or `:split`."""
        prefix, _, split = text.partition(":")
        return cls(prefix.strip("/"), split or None)

    def select(self, entries: list[Entry]) -> list[Entry]:
        """The entries that belong to it."""
        inside = f"{self.prefix}/" if self.prefix else ""
        return [
            entry
            for entry in entries
            if entry.path.startswith(inside) and self.split in (None, entry.split)
        ]


class Accuracy(BaseModel):
    """One method's accuracy on one set by one protocol (`knn`, `linear`, `few-label-5`, ...).

    The 95% interval is over test images (Wilson) for knn and linear, and over draws of the labels
    (t) for few-label. `images` were tested (in each draw).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    data: str
    protocol: str
    value: float
    low: float
    high: float
    images: int
    classes: int


class Difference(BaseModel):
    """Few-label accuracy of `method` minus that of `other` on the same draws, with its interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    other: str
    data: str
    protocol: str
    value: float
    low: float
    high: float


class Evaluation(BaseModel):
    """All figures of one evaluation; `unreadable` images were left out, each with the reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracies: tuple[Accuracy, ...]
    differences: tuple[Difference, ...]
    unreadable: dict[str, str]
    draws: int
    seed: int


def evaluate(
    embedders: Sequence[Embedder],
    data: Path,
    protocols: Sequence[Protocol],
    *,
    subsets: Sequence[Subset] = (Subset(),),
    train_split: str = "train",
    test_split: str | None = None,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    draws: int = 100,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure every embedder by every protocol on every subset of a folder or tar.

    knn and linear learn from `train_split` and are tested on `test_split` (where it is not given,
    on `test` if the data have one, else on `val`); a subset's own split is not used by them.
    few-label draws its labels from the images of the subset and is tested on the rest of them.
    The first embedder is compared with each of the others (the baselines), draw by draw.

    Raises:
        DataError: a subset, split or label that the data do not have, or too few images.
        ValueError: an unknown protocol, or fewer than two draws.
    """
    for protocol in protocols:
        if protocol not in ("knn", "linear", "few-label"):
            raise ValueError(f"unknown protocol {protocol!r}; there are knn, linear and few-label")
    if draws < 2:
        raise ValueError(f"an interval needs at least two draws, not {draws}")
    entries = list_entries(data)
    accuracies: list[Accuracy] = []
    differences: list[Difference] = []
    unreadable: dict[str, str] = {}

    def features(embedder: Embedder, subset: Subset) -> Features:
        chosen = _entries(data, entries, subset)
        found = embed_source(embedder, data, chosen, cache, progress)
        unreadable.update(found.unreadable)
        return found

    for subset in subsets:
        name = "/".join(filter(None, (data.stem, subset.prefix)))
        if "knn" in protocols or "linear" in protocols:
            train = Subset(subset.prefix, train_split)
            test = Subset(subset.prefix, test_split or _test_split(data, entries, subset.prefix))
            for embedder in embedders:
                accuracies += _on_splits(
                    embedder, name, features(embedder, train), features(embedder, test),
                    [p for p in ("knn", "linear") if p in protocols], seed, progress,
                )  # fmt: skip
        if "few-label" in protocols:
            if subset.split:
                name += f" ({subset.split})"
            sets = [features(embedder, subset) for embedder in embedders]
            for count in labels_per_class:
                found = [
                    few_label(f, count, draws, seed, _named(progress, f"{e.name}: {count} labels"))
                    for e, f in zip(embedders, sets, strict=True)
                ]
                methods = [embedder.name for embedder in embedders]
                accuracies += [
                    _few_label_accuracy(method, name, count, values, f)
                    for method, values, f in zip(methods, found, sets, strict=True)
                ]
                differences += [
                    Difference(
                        method=methods[0], other=other, data=name, protocol=f"few-label-{count}",
                        **_bounds(found[0] - values),
                    )
                    for other, values in zip(methods[1:], found[1:], strict=True)
                ]  # fmt: skip
    return Evaluation(
        accuracies=tuple(accuracies),
        differences=tuple(differences),
        unreadable=unreadable,
        draws=draws,
        seed=seed,
    )


def _on_splits(
    embedder: Embedder,
    name: str,
    train: Features,
    test: Features,
    protocols: Sequence[str],
    seed: int,
    progress: Progress | None,
) -> list[Accuracy]:
    """kNN and linear accuracy on a test split."""
    missing = sorted(set(test.classes) - set(train.classes))
    if missing:
        raise DataError(f"{name}: no training image of class {missing[0]!r}, which is tested")
    number = {label: index for index, label in enumerate(train.classes)}
    labels = np.array([number[test.classes[label]] for label in test.labels], np.int64)
    result = []
    for protocol in protocols:
        if protocol == "knn":
            value = knn_accuracy(train.vectors, train.labels, test.vectors, labels)
        else:
            report = _named(progress, f"{embedder.name}: linear")
            value = linear_accuracy(
                train.vectors, train.labels, test.vectors, labels, seed, report
            ).accuracy
        low, high = wilson(value, len(labels))
        result.append(
            Accuracy(
                method=embedder.name, data=name, protocol=protocol, value=value, low=low,
                high=high, images=len(labels), classes=len(train.classes),
            )
        )  # fmt: skip
    return result


def _few_label_accuracy(
    method: str, name: str, count: int, values: npt.NDArray[np.float64], features: Features
) -> Accuracy:
    classes = len(features.classes)
    return Accuracy(
        method=method,
        data=name,
        protocol=f"few-label-{count}",
        images=len(features.labels) - count * classes,
        classes=classes,
        **_bounds(values),
    )


def _bounds(values: npt.NDArray[np.float64]) -> dict[str, float]:
    found = interval(values)
    return {"value": found.mean, "low": found.low, "high": found.high}


def _entries(data: Path, entries: list[Entry], subset: Subset) -> list[Entry]:
    chosen = subset.select(entries)
    if not chosen:
        folders = sorted({e.path.split("/")[0] for e in entries if "/" in e.path})
        splits = sorted({e.split for e in Subset(subset.prefix).select(entries)})
        wanted = f"under {subset.prefix!r}" if subset.prefix else ""
        wanted += f" of split {subset.split!r}" if subset.split else ""
        raise DataError(
            f"{data}: no images {wanted.strip()}; "
            + (f"its splits are {splits}" if splits else f"its folders are {folders}")
        )
    return chosen


def _test_split(data: Path, entries: list[Entry], prefix: str) -> str:
    splits = {entry.split for entry in Subset(prefix).select(entries)}
    for split in ("test", "val"):
        if split in splits:
            return split
    raise DataError(
        f"{data}: no split 'test' or 'val' to test on, only {sorted(splits)}: knn and linear need "
        "a labels.csv with a train and a test split; few-label does not"
    )


def _named(progress: Progress | None, what: str) -> "_Report | None":
    return None if progress is None else _Report(progress, what)


@dataclass(frozen=True)
class _Report:
    """Progress of one piece of work under its name."""

    progress: Progress
    what: str

    def __call__(self, done: int, total: int) -> None:
        self.progress(self.what, done, total)
