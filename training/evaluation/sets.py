"""Labelled sets: a folder or tar, or a part of one, and how its images are divided."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sources import DataError, Entry, Subset, list_entries, source_name


@dataclass(frozen=True)
class Division:
    """Images to learn from and images to test on; `name` of the set so divided."""

    name: str
    train: list[Entry]
    test: list[Entry]


@dataclass(frozen=True)
class LabelledSet:
    """A subset of a source; `entries` are those of the whole source."""

    source: Path
    entries: list[Entry]
    subset: Subset = field(default_factory=Subset)

    @property
    def name(self) -> str:
        """Source and folder, such as `photos/caltech`."""
        return "/".join(filter(None, (source_name(self.source), self.subset.prefix)))

    def images(self) -> list[Entry]:
        """The images of the subset.

        Raises:
            DataError: there are none, or one has no label.
        """
        return self._labelled(self.subset)

    def of_split(self, split: str) -> list[Entry]:
        """All images of the subset's folder that are of a split ("" for those without one)."""
        return Subset(self.subset.prefix, split).select(self.entries)

    def division(self, train: str = "train", test: str | None = None) -> Division:
        """The train split and the test split of the subset's folder; its own split is not asked.

        Where `test` is not given, it is `test` if the data have one, else `val`.

        Raises:
            DataError: a split is not there, or a tested class is not among the training images.
        """
        test = test or self._test_split()
        learned, tested = (self._labelled(Subset(self.subset.prefix, s)) for s in (train, test))
        if missing := {e.label for e in tested} - {e.label for e in learned}:
            raise DataError(
                f"{self.name}: no training image of class {min(missing)!r}, which is tested"
            )
        return Division(self.name, learned, tested)

    def division_or_halves(self, seed: int) -> Division:
        """The splits where the data have them, else a random half of each class to learn from."""
        if {"test", "val"} & self._splits():
            return self.division()
        rng, train, test = np.random.default_rng(seed), [], []
        by_label: dict[str, list[Entry]] = {}
        for entry in self.images():
            by_label.setdefault(entry.label, []).append(entry)
        for label in sorted(by_label):
            order = rng.permutation(len(by_label[label]))
            shuffled = [by_label[label][i] for i in order]
            half = len(shuffled) // 2
            train += shuffled[:half]
            test += shuffled[half:]
        if short := [label for label, members in by_label.items() if len(members) < 4]:
            raise DataError(
                f"{self.name}: class {min(short)!r} has {len(by_label[min(short)])} images; half "
                "of a class is learned from, so four are the least: add images"
            )
        return Division(f"{self.name} (halves)", train, test)

    def _splits(self) -> set[str]:
        return {entry.split for entry in Subset(self.subset.prefix).select(self.entries)}

    def _test_split(self) -> str:
        for split in ("test", "val"):
            if split in self._splits():
                return split
        raise DataError(
            f"{self.source}: no split 'test' or 'val' to test on, only {sorted(self._splits())}: "
            "give a labels.csv with a train and a test split; few-label and transfer need none"
        )

    def _labelled(self, subset: Subset) -> list[Entry]:
        chosen = subset.found(self.source, self.entries)
        for entry in chosen:
            if not entry.label:
                raise DataError(
                    f"{self.source}: {entry.path} has no label; evaluation needs one for every "
                    "image: add a labels.csv (path,label,split) or a folder a class"
                )
        return chosen


def read_sets(sources: Sequence[Path], subsets: Sequence[str] = ()) -> list[LabelledSet]:
    """The sets that `--data` and `--subset` name.

    With one source a subset is `folder`, `folder:split` or `:split` of it. With several it begins
    with the name of its source (`photos/caltech`); sources without a subset are taken whole.

    Raises:
        DataError: a source that cannot be read, or a subset of none of them.
    """
    listed = {source: list_entries(source) for source in sources}
    if len(sources) == 1:
        parsed = [Subset.parse(text) for text in subsets] or [Subset()]
        return [LabelledSet(sources[0], listed[sources[0]], subset) for subset in parsed]
    wanted: dict[Path, list[Subset]] = {source: [] for source in sources}
    names = {source: source_name(source) for source in sources}
    for text in subsets:
        named = [s for s, n in names.items() if text == n or text.startswith((f"{n}/", f"{n}:"))]
        if len(named) != 1:
            raise DataError(
                f"{text!r} is no subset of the data given: with several, a subset begins with one "
                f"of {sorted(names.values())}, as in {names[sources[0]]}/folder"
            )
        wanted[named[0]].append(Subset.parse(text.removeprefix(names[named[0]]).lstrip("/")))
    return [
        LabelledSet(source, listed[source], subset)
        for source in sources
        for subset in wanted[source] or [Subset()]
    ]
