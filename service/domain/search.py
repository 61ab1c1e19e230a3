"""What is asked of a collection: the nearest items to a vector, or to items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine

from service.embedding.encoders import check_space
from service.errors import InvalidInputError, NotFoundError
from service.rules.vectors import unit_vector
from service.search import filters
from service.search.index import VectorIndex
from service.storage import items
from service.storage.collections import Collection
from service.storage.item_rows import Item
from zoo.arrays import Vector

MAX_K = 1000
MAX_EXAMPLES = 100

Aim = Callable[[Connection, Collection], tuple[Vector, Sequence[int]]]
"""The query vector, and the keys of the items that are not to be found."""


@dataclass(frozen=True)
class Match:
    """A found item; `score` is the cosine similarity to what was asked."""

    item: Item
    score: float


def near_vector(values: Sequence[float], space: str | None = None) -> Aim:
    """Aim at a vector of the collection's dim, and of its space where one is named."""

    def aim(_: Connection, collection: Collection) -> tuple[Vector, Sequence[int]]:
        check_space(space, collection.space, f"the collection {collection.name!r}")
        return unit_vector(values, collection.dim), ()

    return aim


def near_items(positive: Sequence[str], negative: Sequence[str] = ()) -> Aim:
    """Aim at items by id; they themselves are not found.

    The direction is p + (p - n), where p and n are the means of the unit vectors of the positive
    and negative items; without negative ones it is p. (The average-vector recommendation of
    Qdrant.)
    """
    if not positive:
        raise InvalidInputError("give at least one positive id; negative ones only push away")
    if len(positive) + len(negative) > MAX_EXAMPLES:
        raise InvalidInputError(f"at most {MAX_EXAMPLES} positive and negative ids can be given")

    def aim(connection: Connection, collection: Collection) -> tuple[Vector, Sequence[int]]:
        keys = items.keys_of(connection, collection, [*positive, *negative])
        for item_id in (*positive, *negative):
            if item_id not in keys:
                raise NotFoundError(
                    f"there is no item {item_id!r} in the collection {collection.name!r}"
                )
        found = items.by_keys(connection, collection, list(keys.values()), vectors=True)

        def mean(ids: Sequence[str]) -> npt.NDArray[np.float64]:
            rows = np.array([found[keys[item_id]].vector for item_id in ids], np.float64)
            average: npt.NDArray[np.float64] = rows.mean(axis=0)
            return average

        direction = mean(positive)
        if negative:
            direction = 2 * direction - mean(negative)
        if np.linalg.norm(direction) < 1e-6:
            raise InvalidInputError(
                "the positive and negative items cancel out, so there is no direction to search in"
            )
        return unit_vector(direction.tolist(), collection.dim), list(keys.values())

    return aim


def search(
    database: Engine, index: VectorIndex, name: str, aim: Aim, *, k: int, filter: Any = None
) -> tuple[Collection, list[Match]]:
    """The k items of greatest cosine similarity that the filter holds for, best first.

    Everything committed before is seen, by whichever process.

    Raises:
        NotFoundError: there is no such collection, or no item of an id.
        SpaceMismatchError: the vector is of another space.
        InvalidInputError, ItemFailedError: k, the vector or the filter cannot be used.
    """
    if not 1 <= k <= MAX_K:
        raise InvalidInputError(f"k must be from 1 to {MAX_K}, not {k}")
    with index.view(database, name) as view:
        query, excluded = aim(view.connection, view.collection)
        where = None if filter is None else filters.condition(filter, view.collection)
        nearest = view.nearest(query, k, where, excluded)
        found = items.by_keys(view.connection, view.collection, [key for key, _ in nearest])
        return view.collection, [Match(found[key], score) for key, score in nearest]
