"""Heads in SQL: their labelled examples, their versions, and which version answers.

What takes an engine is one transaction; what writes has committed when it returns. All of them
block, so the event loop calls them in threads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import ConflictError, NotFoundError, SpaceMismatchError
from service.storage import schema
from service.storage.database import reading, writing
from service.storage.types import now
from zoo.arrays import Vectors

_heads, _labels, _versions = schema.heads, schema.head_labels, schema.head_versions


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled vector, unit length, float32 (dim,).

    `item_pk` is the key of the collection's item it comes from, if any: with the item it goes.
    """

    id: str
    label: str
    vector: Vectors
    digest: str | None = None
    item_pk: int | None = None


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves: classes as [{"name", "count"}], the report, the classifier's bytes."""

    classes: list[dict[str, Any]]
    report: dict[str, Any]
    classifier: bytes


@dataclass(frozen=True)
class Head:
    """A head; `live` is the version that answers, `last` the newest, `labels` how many."""

    name: str
    model: str
    space: str
    dim: int
    live: int
    last: int
    labels: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Version:
    """One fit of a head, without the classifier itself."""

    number: int
    classes: list[dict[str, Any]]
    report: dict[str, Any]
    created_at: datetime


def list_heads(database: Engine) -> list[Head]:
    """Every head, by name."""
    with reading(database) as connection:
        return [_head(row) for row in connection.execute(_select().order_by(_heads.c.name))]


def get_head(database: Engine, name: str) -> Head:
    """The head of that name. Raises NotFoundError."""
    with reading(database) as connection:
        return _find(connection, name)


def put_head(
    database: Engine,
    name: str,
    *,
    model: str,
    space: str,
    dim: int,
    examples: Sequence[Example],
    fitted: Fitted,
) -> tuple[Head, bool]:
    """Make a head, or replace the label set of one and add a version; (head, whether it is new).

    The version becomes the live one.

    Raises:
        SpaceMismatchError: the head is there with another space.
        ConflictError: two examples have the same id, or an item of theirs is gone.
    """
    there = select(_heads.c.id, _heads.c.space).where(_heads.c.name == name).with_for_update()
    with writing(database) as connection:
        created = False
        while (row := connection.execute(there).one_or_none()) is None:
            try:
                with connection.begin_nested():
                    _insert(connection, name, model, space, dim)
                    created = True
            except IntegrityError:
                continue  # another made it at this moment, and may have removed it again
        if row.space != space:
            raise SpaceMismatchError(
                f"the head {name!r} is of another model's space; delete it first, or choose "
                "another name"
            )
        connection.execute(delete(_labels).where(_labels.c.head_id == row.id))
        _insert_examples(connection, row.id, examples)
        _insert_version(connection, row.id, fitted)
        return _find(connection, name), created


def delete_head(database: Engine, name: str) -> None:
    """Remove a head, its labels and its versions. Raises NotFoundError."""
    with writing(database) as connection:
        if not connection.execute(delete(_heads).where(_heads.c.name == name)).rowcount:
            raise _missing(name)


def examples(database: Engine, name: str) -> list[Example]:
    """The label set of a head, in the order it was given. Raises NotFoundError."""
    with reading(database) as connection:
        query = select(_labels).where(_labels.c.head_id == _id(connection, name))
        return [
            Example(row.example_id, row.label, row.vector, row.digest, row.item_pk)
            for row in connection.execute(query.order_by(_labels.c.pk))
        ]


def lock(connection: Connection, name: str) -> int:
    """The head's id; other writers of the head wait until the transaction ends.

    Raises:
        NotFoundError: there is no such head.
    """
    query = select(_heads.c.id).where(_heads.c.name == name).with_for_update()
    head_id: int | None = connection.scalar(query)
    if head_id is None:
        raise _missing(name)
    return head_id


def digests(connection: Connection, head_id: int) -> dict[str, str | None]:
    """The ids of a head's examples, each with the digest of its image, None for no image."""
    query = select(_labels.c.example_id, _labels.c.digest).where(_labels.c.head_id == head_id)
    return {row.example_id: row.digest for row in connection.execute(query)}


def change_examples(
    connection: Connection, head_id: int, put: Sequence[Example] = (), remove: Iterable[str] = ()
) -> None:
    """Add examples, or replace those of the same id, and remove others by id; nothing is fitted.

    The head must be locked. Ids to remove that are not there are passed over, so that a request can
    be repeated.

    Raises:
        ConflictError: two examples have the same id, or an item of theirs is gone.
    """
    gone = [example_id for example_id in remove if "\0" not in example_id]
    gone += [example.id for example in put]
    for start in range(0, len(gone), 1000):
        some = _labels.c.example_id.in_(gone[start : start + 1000])
        connection.execute(delete(_labels).where(_labels.c.head_id == head_id, some))
    _insert_examples(connection, head_id, put)
    connection.execute(update(_heads).where(_heads.c.id == head_id).values(updated_at=now()))


def add_version(database: Engine, name: str, fitted: Fitted) -> Head:
    """Add a version, which becomes the live one. Raises NotFoundError."""
    with writing(database) as connection:
        _insert_version(connection, lock(connection, name), fitted)
        return _find(connection, name)


def versions(database: Engine, name: str) -> list[Version]:
    """The versions of a head, oldest first. Raises NotFoundError."""
    with reading(database) as connection:
        query = _select_versions().where(_versions.c.head_id == _id(connection, name))
        return [_version(row) for row in connection.execute(query.order_by(_versions.c.version))]


def version(database: Engine, name: str, number: int | None = None) -> Version:
    """One version of a head, by default the live one. Raises NotFoundError."""
    with reading(database) as connection:
        where = _this_version(connection, name, number)
        return _version(connection.execute(_select_versions().where(where)).one())


def classifier(database: Engine, name: str, number: int | None = None) -> bytes:
    """The classifier of a version as it was given, by default the live one's.

    Raises NotFoundError.
    """
    with reading(database) as connection:
        where = _this_version(connection, name, number)
        data: bytes = connection.execute(select(_versions.c.classifier).where(where)).scalar_one()
        return data


def set_live(database: Engine, name: str, number: int) -> Head:
    """Let another version answer. Raises NotFoundError: no such head or version."""
    with writing(database) as connection:
        _this_version(connection, name, number)
        change = update(_heads).where(_heads.c.name == name)
        connection.execute(change.values(live_version=number, updated_at=now()))
        return _find(connection, name)


def _select() -> Any:
    labels = (
        select(func.count()).where(_labels.c.head_id == _heads.c.id).scalar_subquery().label("n")
    )
    return select(_heads, labels)


def _head(row: Row[Any]) -> Head:
    return Head(
        row.name,
        row.model,
        row.space,
        row.dim,
        row.live_version,
        row.last_version,
        row.n,
        row.created_at,
        row.updated_at,
    )


def _find(connection: Connection, name: str) -> Head:
    row = connection.execute(_select().where(_heads.c.name == name)).one_or_none()
    if row is None:
        raise _missing(name)
    return _head(row)


def _id(connection: Connection, name: str) -> int:
    head_id: int | None = connection.scalar(select(_heads.c.id).where(_heads.c.name == name))
    if head_id is None:
        raise _missing(name)
    return head_id


def _missing(name: str) -> NotFoundError:
    return NotFoundError(f"there is no head {name!r}; make it with PUT /v1/heads/{name}")


def _insert(connection: Connection, name: str, model: str, space: str, dim: int) -> None:
    moment = now()
    connection.execute(
        insert(_heads).values(
            name=name,
            model=model,
            space=space,
            dim=dim,
            live_version=0,
            last_version=0,
            created_at=moment,
            updated_at=moment,
        )
    )


def _insert_examples(connection: Connection, head_id: int, given: Sequence[Example]) -> None:
    rows = [
        {
            "head_id": head_id,
            "example_id": example.id,
            "label": example.label,
            "vector": example.vector,
            "digest": example.digest,
            "item_pk": example.item_pk,
        }
        for example in given
    ]
    try:
        if rows:
            connection.execute(insert(_labels), rows)
    except IntegrityError:
        raise ConflictError(
            "two examples have the same id, or an item was removed meanwhile; send them again with "
            "distinct ids"
        ) from None


def _insert_version(connection: Connection, head_id: int, fitted: Fitted) -> None:
    next_number = _heads.c.last_version + 1
    change = update(_heads).where(_heads.c.id == head_id)
    number = connection.execute(
        change.values(
            last_version=next_number, live_version=next_number, updated_at=now()
        ).returning(_heads.c.last_version)
    ).scalar_one()
    connection.execute(
        insert(_versions).values(
            head_id=head_id,
            version=number,
            classes=fitted.classes,
            report=fitted.report,
            classifier=fitted.classifier,
            created_at=now(),
        )
    )


def _select_versions() -> Any:
    return select(
        _versions.c.version, _versions.c.classes, _versions.c.report, _versions.c.created_at
    )


def _version(row: Row[Any]) -> Version:
    return Version(row.version, row.classes, row.report, row.created_at)


def _this_version(connection: Connection, name: str, number: int | None) -> Any:
    """The condition that picks a version; raises NotFoundError where there is none."""
    head = _find(connection, name)
    wanted = head.live if number is None else number
    if not 1 <= wanted <= head.last:  # also what no column could hold
        raise NotFoundError(f"the head {name!r} has no version {wanted}; it has 1 to {head.last}")
    where = and_(_versions.c.head_id == _id(connection, name), _versions.c.version == wanted)
    if connection.scalar(select(func.count()).select_from(_versions).where(where)) == 0:
        raise NotFoundError(f"the head {name!r} has no version {wanted}; it has 1 to {head.last}")
    return where
