"""Fitting heads from their examples, and classifying with them. Every function blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from service.domain.labels import Origin
from service.errors import InvalidInputError, ItemError
from service.results import Results
from service.storage import head_rows
from service.storage.head_rows import Example, Fitted, Head
from zoo.arrays import Vector


@dataclass(frozen=True)
class Fit:
    """What fitting a head led to."""

    head: Head
    fitted: Fitted
    created: bool


Prediction = list[tuple[str, float]]
"""The likeliest classes of one vector with their probabilities, the likeliest first."""


def put(database: Engine, name: str, origin: Origin, given: Results[Example]) -> Fit:
    """Make a head of these examples, or give one a new label set, and fit a version of it.

    The version becomes the live one.

    Raises:
        InvalidInputError: fewer than two classes remain without the bad examples.
        SpaceMismatchError: the head is there with another space.
        ConflictError: an item an example comes from was removed meanwhile.
    """
    fitted = _fit(given.values, given.errors)
    head, created = head_rows.put_head(
        database,
        name,
        model=origin.model,
        space=origin.space,
        dim=origin.dim,
        examples=given.values,
        fitted=fitted,
    )
    return Fit(head, fitted, created)


def refit(database: Engine, name: str) -> Fit:
    """Fit a further version of a head to its labels as they are now; it becomes the live one.

    Raises:
        NotFoundError: there is no such head.
        InvalidInputError: its labels are of fewer than two classes.
    """
    fitted = _fit(head_rows.examples(database, name), {})
    return Fit(head_rows.add_version(database, name, fitted), fitted, created=False)


def classify(
    database: Engine, name: str, number: int, vectors: Results[Vector], top: int
) -> Results[Prediction]:
    """The classes of vectors (dim,) by one version of a head.

    Raises:
        NotFoundError: there is no such head or version.
        EveryItemFailedError: there is no vector among them.
    """
    from heads import from_bytes, probabilities  # noqa: PLC0415 - SciPy would slow the start

    classifier = from_bytes(head_rows.classifier(database, name, number))
    vectors.require_some("no item could be classified; see errors for why")
    rows = probabilities(classifier, np.stack(vectors.values))
    best = np.argsort(-rows, axis=1, kind="stable")[:, :top]
    return vectors.replaced(
        [
            [(classifier.classes[c], float(row[c])) for c in order]
            for row, order in zip(rows, best, strict=True)
        ]
    )


def _fit(examples: Sequence[Example], errors: Mapping[int, ItemError]) -> Fitted:
    """Fit and report. `errors` are of examples that had to be left out."""
    from heads import HeadError, fit, report, to_bytes  # noqa: PLC0415 - SciPy would slow the start

    names = sorted({one.label for one in examples})
    if len(names) < 2:
        there = f"only {names[0]!r}" if names else "none"
        left_out = f"; {len(errors)} examples were left out, see errors" if errors else ""
        raise InvalidInputError(
            f"a head needs examples of at least two classes, there is {there}{left_out}", errors
        )
    vectors = np.stack([one.vector for one in examples])
    labels = [one.label for one in examples]
    try:
        classifier = fit(vectors, labels)
        said = report(vectors, labels, [one.id for one in examples], strength=classifier.strength)
    except HeadError as error:
        raise InvalidInputError(str(error), errors) from None
    classes = [{"name": name, "count": labels.count(name)} for name in classifier.classes]
    return Fitted(classes, dict(said), to_bytes(classifier))
