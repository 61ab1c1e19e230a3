"""Warnings of a report: what makes its figures or its classifier doubtful, and what helps."""

import itertools
from collections.abc import Sequence

import numpy as np

from heads.examples import Examples
from heads.interval import wilson
from heads.near_names import near_names
from heads.validation import OutOfFold

IMBALANCE = 5
WIDE = 0.1


def warnings(data: Examples, ids: Sequence[str], seen: OutOfFold) -> list[str]:
    """Sentences for a person, most important first; `ids` are in the order of `data`."""
    return [
        *_untested(data, seen),
        *_conflicts(data, ids),
        *_near_names(data),
        *_chance(data, seen),
        *_width(data, seen),
        *_few(data),
        *_imbalance(data),
    ]


def _untested(data: Examples, seen: OutOfFold) -> list[str]:
    if not seen.tested.any():
        return [
            "Accuracy cannot be estimated: no class has two different examples, so none can be "
            "held back for a test. Label at least one more of each class."
        ]
    single = [name for name, count in zip(data.classes, data.distinct, strict=True) if count == 1]
    if not single:
        return []
    return [
        f"Only one different example of {_listed(single)}: not tested, and left out of the "
        "accuracy. Label at least one more of each."
    ]


def _conflicts(data: Examples, ids: Sequence[str]) -> list[str]:
    found: dict[bytes, dict[int, int]] = {}
    for row, label in enumerate(data.labels):
        same = found.setdefault(data.vectors[row].astype(np.float32).tobytes(), {})
        same.setdefault(int(label), row)
    pairs = [
        " and ".join(f"{ids[row]!r} ({data.classes[label]})" for label, row in same.items())
        for same in found.values()
        if len(same) > 1
    ]
    if not pairs:
        return []
    return [
        f"Identical vectors carry different labels: {_listed(pairs, quote=False)}. Correct them."
    ]


def _near_names(data: Examples) -> list[str]:
    counts = dict(zip(data.classes, np.bincount(data.labels).tolist(), strict=True))
    pairs = near_names(data.classes, list(counts.values()))
    if not pairs:
        return []
    shown = [f"{a!r} ({counts[a]}) and {b!r} ({counts[b]})" for a, b in pairs]
    return [
        f"Names of classes that are nearly the same: {_listed(shown, quote=False)}. If they mean "
        "one class, give its examples one label."
    ]


def _chance(data: Examples, seen: OutOfFold) -> list[str]:
    if not seen.tested.any():
        return []
    shares = np.bincount(data.labels[seen.tested], minlength=len(data.classes)) / seen.tested.sum()
    common = int(shares.argmax())
    if (
        wilson(float(seen.right[seen.tested].mean()), _distinct_tested(data, seen))[0]
        > shares[common]
    ):
        return []
    return [
        f"Accuracy is not clearly above {shares[common]:.0%}, which always answering "
        f"{data.classes[common]!r} would reach. Check the labels and label more; if it stays, this "
        "encoder may not see what tells the classes apart."
    ]


def _width(data: Examples, seen: OutOfFold) -> list[str]:
    if not seen.tested.any():
        return []
    mean, count = float(seen.right[seen.tested].mean()), _distinct_tested(data, seen)
    low, high = wilson(mean, count)
    if high - low <= 2 * WIDE:
        return []
    enough = next(n for n in itertools.count(count) if np.ptp(wilson(mean, n)) <= 2 * WIDE)
    more = -(-(enough - count) // len(data.classes))
    return [
        f"Accuracy is only known to lie between {low:.0%} and {high:.0%}. About {more} more "
        f"label{'s' if more > 1 else ''} a class would tell it to within {100 * WIDE:.0f} points "
        "either way."
    ]


def _few(data: Examples) -> list[str]:
    few = [name for name, count in zip(data.classes, data.distinct, strict=True) if count == 2]
    if not few:
        return []
    return [f"The figures for {_listed(few)} rest on two different examples each. Label more."]


def _imbalance(data: Examples) -> list[str]:
    counts = np.bincount(data.labels)
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] < IMBALANCE * counts[least]:
        return []
    return [
        f"{data.classes[most]!r} has {counts[most]} examples and {data.classes[least]!r} "
        f"{counts[least]}: answers lean towards the larger class. Label more of the smaller."
    ]


def _distinct_tested(data: Examples, seen: OutOfFold) -> int:
    return len(np.unique(data.groups[seen.tested]))


def _listed(names: Sequence[str], *, quote: bool = True, most: int = 5) -> str:
    shown = [repr(name) if quote else name for name in names[:most]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
