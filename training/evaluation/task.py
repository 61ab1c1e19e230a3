"""What a protocol gets to work with: encoders, one labelled set, and what was asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sources import Entry
from training.evaluation.features import (
    EvaluatedModel,
    Features,
    StageProgress,
    embed_source,
    gather,
)
from training.evaluation.sets import Division, LabelledSet

Size = Literal["paper", "cpu"]


@dataclass(frozen=True)
class Options:
    """Settings of the protocols.

    labels_per_class, draws: of few-label. percents: of the labels, in finetune. size: how long
    finetune trains, as the paper or for two CPU cores.
    """

    train_split: str = "train"
    test_split: str | None = None
    labels_per_class: Sequence[int] = (1, 5, 10)
    draws: int = 100
    percents: Sequence[int] = (1, 5, 10, 50, 100)
    size: Size = "cpu"
    seed: int = 0


DEFAULTS = Options()


@dataclass(frozen=True)
class Task:
    """Encoders on one set. `cache` is a folder for features and pixels."""

    embedders: Sequence[EvaluatedModel]
    data: LabelledSet
    options: Options
    cache: Path
    progress: StageProgress | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    def division(self) -> Division:
        """Train and test split, as the options name them."""
        return self.data.division(self.options.train_split, self.options.test_split)

    def features(self, embedder: EvaluatedModel, entries: list[Entry]) -> Features:
        """Features of some entries of the set, each computed once for all protocols.

        They are cached a split at a time, so that protocols that ask for other parts share them.
        """
        splits = sorted({entry.split for entry in entries})
        parts = [
            embed_source(
                embedder, self.data.source, self.data.of_split(split),
                self.cache / "features", self.progress,
            )
            for split in splits
        ]  # fmt: skip
        found = gather(parts, entries)
        self.unreadable.update(found.unreadable)
        return found

    def report(self, what: str) -> Callable[[int, int], None] | None:
        """Progress of one piece of work under its name: called with done and total."""
        progress = self.progress
        return None if progress is None else lambda done, total: progress(what, done, total)
