"""Heads: classifiers fitted from a few labelled embeddings. Every function blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from service.errors import (
    EveryItemFailedError,
    InvalidInputError,
    ItemError,
    SpaceMismatchError,
    invalid_item,
    missing_item,
)
from service.storage import collections, heads, items, schema
from service.storage.database import reading
from service.storage.heads import Example, Fitted, Head

Vector = npt.NDArray[np.float32]
Given = Sequence[Example | ItemError]
"""Labelled examples of a request, in its order; an error in the place of a bad one."""

MAX_LABEL = 256
MAX_ID = 256


@dataclass(frozen=True)
class Origin:
    """Which encoder the vectors of a head come from."""

    model: str
    space: str
    dim: int


@dataclass(frozen=True)
class Fit:
    """What fitting a head led to."""

    head: Head
    fitted: Fitted
    created: bool


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one vector with their probabilities, the likeliest first."""

    top: list[tuple[str, float]]


def example(
    example_id: str,
    label: str,
    vector: Vector | ItemError,
    digest: str | None = None,
    item_pk: int | None = None,
) -> Example | ItemError:
    """A labelled vector, or what is wrong with its vector, label or id."""
    if isinstance(vector, ItemError):
        return vector
    label = label.strip()
    if not label:
        return invalid_item("it has no label; name its class, or leave it out")
    if len(label) > MAX_LABEL or not label.isprintable():
        return invalid_item(f"a label is up to {MAX_LABEL} printable characters")
    if not 0 < len(example_id) <= MAX_ID or not example_id.isprintable():
        return invalid_item(f"an id is 1 to {MAX_ID} printable characters, not {example_id!r}")
    return Example(example_id, label, vector, digest, item_pk)


def put(database: Engine, name: str, origin: Origin, given: Given) -> Fit:
    """Make a head of these examples, or give one a new label set, and fit a version of it.

    The version becomes the live one.

    Raises:
        InvalidInputError: fewer than two classes remain without the bad examples.
        SpaceMismatchError: the head is there with another space.
        ConflictError: an item an example comes from was removed meanwhile.
    """
    good, errors = _sorted_out(given)
    fitted = _fit(good, errors)
    head, created = heads.put_head(
        database,
        name,
        model=origin.model,
        space=origin.space,
        dim=origin.dim,
        examples=good,
        fitted=fitted,
    )
    return Fit(head, fitted, created)


def refit(database: Engine, name: str) -> Fit:
    """Fit a further version of a head to its labels as they are now; it becomes the live one.

    Raises:
        NotFoundError: there is no such head.
        InvalidInputError: its labels are of fewer than two classes.
    """
    fitted = _fit(heads.examples(database, name), {})
    return Fit(heads.add_version(database, name, fitted), fitted, created=False)


def change_labels(database: Engine, name: str, given: Given, remove: Iterable[str]) -> list[bool]:
    """Add examples, or replace those of the same ids, and remove others; nothing is fitted.

    Returns:
        For each good example, whether its id is new.

    Raises:
        NotFoundError: there is no such head.
        EveryItemFailedError: nothing is left to do without the bad examples.
        ConflictError: an item an example comes from was removed meanwhile.
    """
    good, errors = _sorted_out(given)
    remove = list(remove)
    if errors and not good and not remove:
        raise EveryItemFailedError("no label could be set; see errors for why", errors)
    known = {one.id for one in heads.examples(database, name)}
    heads.change_examples(database, name, good, remove)
    return [one.id not in known for one in good]


def classify(
    database: Engine, name: str, number: int, vectors: Sequence[Vector | ItemError], top: int
) -> list[Prediction | ItemError]:
    """The classes of vectors (dim,) by one version of a head; an error stays in its place.

    Raises:
        NotFoundError: there is no such head or version.
        EveryItemFailedError: there is no vector among them.
    """
    from heads import from_bytes, probabilities  # noqa: PLC0415 - SciPy would slow the start

    classifier = from_bytes(heads.classifier(database, name, number))
    good = [vector for vector in vectors if not isinstance(vector, ItemError)]
    if not good:
        errors = {i: error for i, error in enumerate(vectors) if isinstance(error, ItemError)}
        raise EveryItemFailedError("no item could be classified; see errors for why", errors)
    rows = probabilities(classifier, np.stack(good))
    best = np.argsort(-rows, axis=1, kind="stable")[:, :top]
    answers = iter(
        Prediction([(classifier.classes[c], float(row[c])) for c in order])
        for row, order in zip(rows, best, strict=True)
    )
    return [v if isinstance(v, ItemError) else next(answers) for v in vectors]


def labelled_items(database: Engine, collection: str) -> tuple[Origin, list[Example]]:
    """The labelled items of a collection, as examples.

    Raises:
        NotFoundError: there is no such collection.
        InvalidInputError: none of its items has a label.
    """
    with reading(database) as connection:
        found = collections.find(connection, collection)
        keys = items.matching_keys(connection, found, schema.items.c.label.is_not(None)).tolist()
        stored = items.by_keys(connection, found, keys, vectors=True)
    examples = [_example_of(stored[key]) for key in keys]
    if not examples:
        raise InvalidInputError(f"no item of the collection {collection!r} has a label")
    return Origin(found.model, found.space, found.dim), examples


def find_items(
    database: Engine, collection: str, space: str, ids: Sequence[str]
) -> list[Example | ItemError]:
    """Items of a collection by id, in the order of the ids; one without a label has "".

    Raises:
        NotFoundError: there is no such collection.
        SpaceMismatchError: it is of another space.
    """
    with reading(database) as connection:
        found = collections.find(connection, collection)
        if found.space != space:
            raise SpaceMismatchError(
                f"the collection {collection!r} is of the embedding space {found.space}, the head "
                f"of {space}; use a collection of the head's model"
            )
        keys = items.keys_of(connection, found, ids)
        stored = items.by_keys(connection, found, list(keys.values()), vectors=True)
    by_id = {item.id: _example_of(item) for item in stored.values()}
    missing = f"in the collection {collection!r}"
    return [by_id.get(one) or missing_item(f"there is no item {one!r} {missing}") for one in ids]


def known_examples(
    database: Engine, head: Head, ids: Sequence[str], collection: str | None
) -> dict[str, Example | ItemError]:
    """Examples by id: items of a collection where one is named, else those the head has.

    Raises:
        NotFoundError: there is no such collection.
        SpaceMismatchError: it is of another space.
    """
    if collection is not None:
        return dict(zip(ids, find_items(database, collection, head.space, ids), strict=True))
    known = {one.id: one for one in heads.examples(database, head.name)}
    missing = f"in the head {head.name!r}; send its vector, or the collection it is in"
    return {
        one: known.get(one) or missing_item(f"there is no example {one!r} {missing}") for one in ids
    }


def _example_of(item: items.Item) -> Example:
    assert item.vector is not None  # it was asked for
    return Example(item.id, item.label or "", item.vector, item.digest, item.pk)


def _sorted_out(given: Given) -> tuple[list[Example], dict[int, ItemError]]:
    good = [one for one in given if isinstance(one, Example)]
    return good, {i: one for i, one in enumerate(given) if isinstance(one, ItemError)}


def _fit(examples: Sequence[Example], errors: dict[int, ItemError]) -> Fitted:
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
    classes: list[dict[str, Any]] = [
        {"name": name, "count": labels.count(name)} for name in classifier.classes
    ]
    return Fitted(classes, dict(said), to_bytes(classifier))
