"""What a fit says about itself: accuracy with an interval, confusion, doubtful labels, warnings."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from heads.errors import HeadError
from heads.examples import Examples, examples
from heads.fit import choose_strength
from heads.interval import wilson
from heads.report_warnings import warnings
from heads.softmax import span
from heads.suspects import suspects
from heads.threads import one_thread
from heads.validation import OutOfFold, cross_validate, learning_curve


class Accuracy(TypedDict):
    """Share of right answers, 0 to 1, with a 95% interval; None where nothing can be tested."""

    mean: float | None
    low: float | None
    high: float | None
    method: str


class ClassFigures(TypedDict):
    """One class: number of its examples; figures 0 to 1, None where it cannot be tested."""

    name: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None


class CurvePoint(TypedDict):
    """Accuracy (0 to 1) on the other examples when trained on `per_class` labels of each class."""

    per_class: int
    accuracy: float


class Suspect(TypedDict):
    """An example whose label looks wrong, the class suggested, and its probability."""

    id: str
    label: str
    suggested: str
    probability: float


class Report(TypedDict):
    """The report, in its JSON shape.

    per_class: in the order of the classifier's classes.
    confusion: c x c numbers of examples, rows = label, columns = prediction out of fold, in the
        order of the classifier's classes. Means over the repeats, so not whole numbers; a row
        sums to the number of tested examples of its class.
    suspects: most suspicious first.
    warnings: sentences for a person, most important first.
    """

    accuracy: Accuracy
    per_class: list[ClassFigures]
    confusion: list[list[float]]
    learning_curve: list[CurvePoint]
    suspects: list[Suspect]
    warnings: list[str]


@one_thread
def report(
    vectors: npt.ArrayLike,
    labels: Sequence[str],
    ids: Sequence[str],
    *,
    seed: int = 0,
    strength: float | None = None,
) -> Report:
    """Estimate how well `fit(vectors, labels)` does, from predictions of examples held out.

    vectors: (n, d). labels, ids: n names; ids name the examples in `suspects` and `warnings`.
    strength: that of the classifier fitted to the same examples, to save choosing it again.
    Raises HeadError as `fit` does, and when the number of ids differs.

    Every example is predicted in up to ten stratified cross-validations of at most five folds.
    The repeats steady the mean, but they are about the same few examples, so the interval does
    not shrink with them: it is Wilson's at the mean accuracy with n = the distinct examples
    tested. It leaves out the luck of which examples were there to train on, so with few labels it
    is somewhat too narrow: with six labels of four overlapping Gaussian classes it held the true
    accuracy in 33 of 40 draws, where 38 are due. The
    strength was chosen on all the examples, which flatters the mean a little; the folds train on
    fewer examples than the classifier, which does the opposite.
    """
    if len(ids) != len(labels):
        raise HeadError(f"{len(labels)} labels but {len(ids)} ids; give exactly one id for each")
    data = examples(vectors, labels)
    names = [ids[index] for index in data.order]
    coordinates = span(data.vectors).coordinates
    if strength is None:
        strength = choose_strength(data, coordinates, seed)
    generator = np.random.default_rng(seed)
    seen = cross_validate(data, coordinates, strength, generator)
    curve = learning_curve(data, coordinates, strength, seen.trained, generator)
    accuracy = _accuracy(data, seen)
    if accuracy["mean"] is not None:
        # The cross-validation itself is the last point.
        curve.append((seen.trained, accuracy["mean"]))
    return Report(
        accuracy=accuracy,
        per_class=_per_class(data, seen),
        confusion=seen.confusion.tolist(),
        learning_curve=[CurvePoint(per_class=size, accuracy=share) for size, share in curve],
        suspects=[
            Suspect(
                id=names[row],
                label=data.classes[data.labels[row]],
                suggested=data.classes[suggested],
                probability=probability,
            )
            for row, suggested, probability in suspects(data, seen)
        ],
        warnings=warnings(data, names, seen),
    )


def _accuracy(data: Examples, seen: OutOfFold) -> Accuracy:
    if not seen.tested.any():
        return Accuracy(mean=None, low=None, high=None, method="not tested: one example a class")
    mean = float(seen.right[seen.tested].mean())
    count = len(np.unique(data.groups[seen.tested]))
    low, high = wilson(mean, count)
    times = f"{seen.repeats} times repeated " if seen.repeats > 1 else ""
    method = (
        f"{times}stratified cross-validation; 95% Wilson interval for {count} distinct examples"
    )
    return Accuracy(mean=mean, low=low, high=high, method=method)


def _per_class(data: Examples, seen: OutOfFold) -> list[ClassFigures]:
    figures = []
    counts = np.bincount(data.labels, minlength=len(data.classes))
    for number, name in enumerate(data.classes):
        right = seen.confusion[number, number]
        actual, predicted = seen.confusion[number].sum(), seen.confusion[:, number].sum()
        precision = float(right / predicted) if predicted and actual else None
        recall = float(right / actual) if actual else None
        f1 = float(2 * right / (actual + predicted)) if actual else None
        figures.append(
            ClassFigures(
                name=name, count=int(counts[number]), precision=precision, recall=recall, f1=f1
            )
        )
    return figures
