"""Which of several encoders answers best from few labels, and which one to take.

All learn from the same draws of labels and are tested on the same images, so that they are compared
draw by draw: what is easy or hard in a draw is so for each of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heads.errors import HeadError
from heads.few_label_accuracy import Interval, few_label_accuracies, interval


@dataclass(frozen=True)
class Ranked:
    """One encoder.

    accuracy: over the draws; its interval is cut at 0 and 1. behind: the best one's accuracy minus
    this one's, paired by draw.
    """

    name: str
    accuracy: Interval
    behind: Interval

    @property
    def level(self) -> bool:
        """Whether it cannot be told apart from the best: 0 is in the interval of the difference."""
        return self.behind.low <= 0 <= self.behind.high


@dataclass(frozen=True)
class Choice:
    """The encoder to take, and all that are level with the best, which comes first."""

    name: str
    level: tuple[str, ...]


def rank(
    vectors: Mapping[str, npt.NDArray[np.float32]],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    per_class: int,
    draws: int,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Ranked]:
    """Fit heads on `per_class` random labels a class, test them on the other images; best first.

    vectors: (n, d) by name of the encoder, of the same n images; d may differ.
    labels, groups: (n,), as `heads.few_label_accuracy.few_label_accuracies` has them.
    draws: at least two. progress: called with the encoder's name, draws done, and of how many.

    Returns:
        The encoders by mean accuracy; those of the same mean in the order given.
    """
    found: dict[str, npt.NDArray[np.float64]] = {}
    for name, rows in vectors.items():

        def report(done: int, total: int, name: str = name) -> None:
            if progress:
                progress(name, done, total)

        found[name] = few_label_accuracies(rows, labels, per_class, draws, seed, report, groups)
    order = sorted(found, key=lambda name: -found[name].mean())
    return [
        Ranked(name, _within(interval(found[name])), interval(found[order[0]] - found[name]))
        for name in order
    ]


def choose(ranking: Sequence[Ranked], speed: Mapping[str, float]) -> Choice:
    """The fastest of those that are level with the best. speed: images a second, by name."""
    level = tuple(ranked.name for ranked in ranking if ranked.level)
    return Choice(max(level, key=lambda name: speed[name]), level)


def check_enough(
    classes: Sequence[str],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    per_class: int,
) -> None:
    """That every class has labels to learn from and a different photo to be tested on.

    Raises:
        HeadError: there are fewer than two classes, or one has too few photos.
    """
    if len(classes) < 2:
        raise HeadError(f"two classes or more are needed; all photos are of {classes[0]!r}")
    photos = np.bincount(labels, minlength=len(classes))
    different = np.array([len(np.unique(groups[labels == c])) for c in range(len(classes))])
    short = [c for c in np.argsort(different, kind="stable") if different[c] <= per_class]
    if not short:
        return
    first = int(short[0])
    count = f"{photos[first]} {'photo' if photos[first] == 1 else 'photos'}"
    if different[first] < photos[first]:
        count += f", of which {different[first]} are different,"
    others = len(short) - 1
    more = f", and {others} more {'class has' if others == 1 else 'classes have'} too few"
    further = more if others else ""
    least = int(different[first]) - 1
    instead = f", or ask for fewer labels a class, at most {least}" if least > 0 else ""
    raise HeadError(
        f"class {classes[first]!r} has {count} and needs {per_class + 1}: {per_class} to learn "
        f"from and one to be tested on{further}; add photos{instead}"
    )


def _within(found: Interval) -> Interval:
    """The t interval does not know that a share ends at 0 and 1."""
    return Interval(found.mean, max(found.low, 0.0), min(found.high, 1.0))
