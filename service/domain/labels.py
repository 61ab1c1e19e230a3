"""Label sets: examples that a head is fitted from. Every function that takes a database blocks."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from service.domain.file_ids import distinct_ids
from service.errors import InvalidInputError, SpaceMismatchError, invalid_item, missing_item
from service.results import Results
from service.rules.ids import check_id, naming
from service.rules.labels import check_class
from service.storage import collections, head_rows, items, schema
from service.storage.database import reading, writing
from service.storage.head_rows import Example, Head
from service.storage.item_rows import Item
from zoo.arrays import Vector

Finder = Callable[[str], Example]
"""An example by its id. Raises ItemFailedError: there is none."""


@dataclass(frozen=True)
class Origin:
    """Which encoder the vectors of a head come from."""

    model: str
    space: str
    dim: int


def example(
    example_id: str,
    label: str,
    vector: Vector,
    digest: str | None = None,
    item_pk: int | None = None,
) -> Example:
    """A labelled vector, unit length. Raises ItemFailedError: its label or id cannot be used."""
    checked = check_id(example_id)
    with naming(checked):
        return Example(checked, check_class(label), vector, digest, item_pk)


def distinct(given: Results[Example]) -> Results[Example]:
    """An id counts once; a further example of the same id is an error."""
    seen: set[str] = set()

    def once(one: Example) -> Example:
        if one.id in seen:
            raise invalid_item(f"the id {one.id!r} is in the request twice")
        seen.add(one.id)
        return one

    return given.each(once)


def named(
    given: Results[Example], by_file: Collection[int], taken: Mapping[str, str | None]
) -> Results[Example]:
    """Examples of distinct ids; one that was sent twice has an error.

    Args:
        given: examples. The ids of those at the positions `by_file` are names of files: one that
            another image has gets a number, so that it does not take that one's place.
        by_file: these positions.
        taken: the ids that the head has, with the digests of their images.
    """
    own = {one.id: one.digest for i, one in given.good.items() if i not in by_file}
    images = {i: one for i, one in given.good.items() if i in by_file}
    ids = distinct_ids(((one.id, one.digest) for one in images.values()), {**taken, **own})
    found = dict(zip(images, ids, strict=True))
    return distinct(given.each_at(lambda i, one: replace(one, id=found.get(i, one.id))))


def change_labels(
    database: Engine,
    name: str,
    given: Results[Example],
    remove: Iterable[str],
    by_file: Collection[int] = (),
) -> Results[tuple[Example, bool]]:
    """Add examples, or replace those of the same ids, and remove others; nothing is fitted.

    The ids of those at the positions `by_file` are names of files, see `named`.

    Returns:
        Each example, and whether its id is new.

    Raises:
        NotFoundError: there is no such head.
        EveryItemFailedError: nothing is left to do without the bad examples.
        ConflictError: an item an example comes from was removed meanwhile.
    """
    remove = list(remove)
    if not remove:
        given.require_some("no label could be set; see errors for why")
    with writing(database) as connection:
        head_id = head_rows.lock(connection, name)
        known = head_rows.digests(connection, head_id)
        changed = named(given, by_file, known)
        head_rows.change_examples(connection, head_id, changed.values, remove)
    return changed.each(lambda one: (one, one.id not in known))


def labelled_items(database: Engine, collection: str) -> tuple[Origin, Results[Example]]:
    """The labelled items of a collection, as examples.

    Raises:
        NotFoundError: there is no such collection.
        InvalidInputError: none of its items has a label.
    """
    with reading(database) as connection:
        found = collections.find(connection, collection)
        keys = items.matching_keys(connection, found, schema.items.c.label.is_not(None)).tolist()
        stored = items.by_keys(connection, found, keys, vectors=True)
    if not keys:
        raise InvalidInputError(f"no item of the collection {collection!r} has a label")
    examples = Results.of(_example_of(stored[key]) for key in keys)
    return Origin(found.model, found.space, found.dim), examples


def item_finder(database: Engine, collection: str, space: str, ids: Sequence[str]) -> Finder:
    """Finds items of a collection, among those of these ids; one without a label has "".

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
    known = {item.id: _example_of(item) for item in stored.values()}
    return _finder(known, f"there is no item {{!r}} in the collection {collection!r}")


def example_finder(
    database: Engine, head: Head, ids: Sequence[str], collection: str | None
) -> Finder:
    """Finds items of a collection where one is named, else the examples that the head has.

    Raises:
        NotFoundError: there is no such collection.
        SpaceMismatchError: it is of another space.
    """
    if collection is not None:
        return item_finder(database, collection, head.space, ids)
    known = {one.id: one for one in head_rows.examples(database, head.name)} if ids else {}
    missing = (
        f"there is no example {{!r}} in the head {head.name!r}; send its vector, or the collection "
        "it is in"
    )
    return _finder(known, missing)


def _finder(known: Mapping[str, Example], missing: str) -> Finder:
    def find(wanted: str) -> Example:
        if wanted not in known:
            raise missing_item(missing.format(wanted))
        return known[wanted]

    return find


def _example_of(item: Item) -> Example:
    assert item.vector is not None  # it was asked for
    return Example(item.id, item.label or "", item.vector, item.digest, item.pk)
