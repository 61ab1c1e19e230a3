"""Ids, labels and names of classes as they are now accepted: NFC, labels trimmed, no / in ids."""

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from alembic import op

log = structlog.get_logger()

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHUNK = 1000

# As they are after this migration, which does not change when the tables or rules of today do.
ITEMS = sa.table(
    "items",
    sa.column("pk", sa.BigInteger()),
    sa.column("collection_id", sa.BigInteger()),
    sa.column("item_id", sa.Text()),
    sa.column("label", sa.Text()),
)
EXAMPLES = sa.table(
    "head_labels",
    sa.column("pk", sa.BigInteger()),
    sa.column("head_id", sa.BigInteger()),
    sa.column("example_id", sa.Text()),
    sa.column("label", sa.Text()),
)
VERSIONS = sa.table(
    "head_versions",
    sa.column("head_id", sa.BigInteger()),
    sa.column("version", sa.Integer()),
    sa.column("classes", sa.JSON()),
    sa.column("report", sa.JSON()),
    sa.column("classifier", sa.LargeBinary()),
)
COLLECTIONS, HEADS = (
    sa.table(name, sa.column("id", sa.BigInteger()), sa.column("name", sa.Text()))
    for name in ("collections", "heads")
)
BLANK = "".join(filter(str.isspace, map(chr, range(0x3001)))) + (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
    "\u2800\u3164\uffa0"
)


def upgrade() -> None:
    """Apply. What would be as another's, or nothing, stays as it is and is listed in the log."""
    connection = op.get_bind()
    for owner in connection.execute(sa.select(COLLECTIONS)).all():
        where = ITEMS.c.collection_id == owner.id
        renamed = _rename(connection, ITEMS.c.item_id, where)
        for old in renamed.stay:
            log.warning("an item keeps its id", collection=owner.name, id=old, why=renamed.why(old))
        _relabel(connection, ITEMS, where)
    for owner in connection.execute(sa.select(HEADS)).all():
        where = EXAMPLES.c.head_id == owner.id
        renamed = _rename(connection, EXAMPLES.c.example_id, where)
        for old in renamed.stay:
            log.warning("an example keeps its id", head=owner.name, id=old, why=renamed.why(old))
        for label in _relabel(connection, EXAMPLES, where):
            log.warning("a blank label stays", head=owner.name, label=label)
        _rename_classes(connection, owner, renamed.changes)


def label_of(text: str) -> str:
    """A label as it is stored now, "" for none."""
    return unicodedata.normalize("NFC", text.strip(BLANK))


def id_of(text: str) -> str:
    """An id as it is stored now."""
    return unicodedata.normalize("NFC", text).replace("/", ":")


@dataclasses.dataclass(frozen=True)
class Renamed:
    """Ids that have changed, old to new, and those that would have but stay."""

    changes: dict[str, str]
    stay: list[str]

    def why(self, old: str) -> str:
        """What is said of an id that stays."""
        return f"another is, or would be, {id_of(old)!r}; remove one of them by a filter"


def _rename(connection: sa.Connection, column: Any, where: Any) -> Renamed:
    table = column.table
    found = {
        text: pk for pk, text in _rows(connection, table, column, where) if id_of(text) != text
    }
    wanted = Counter(map(id_of, found))
    there: set[str] = set()
    for some in _chunks(list(wanted)):
        there |= set(connection.scalars(sa.select(column).where(where, column.in_(some))))
    changes = {old: new for old in found if wanted[new := id_of(old)] == 1 and new not in there}
    _update(connection, column, {found[old]: new for old, new in changes.items()})
    return Renamed(changes, [old for old in found if old not in changes])


def _relabel(connection: sa.Connection, table: Any, where: Any) -> list[str]:
    """Bring labels to their form; those that would be blank and must not be, which stay."""
    changes: dict[int, str | None] = {}
    stay = []
    for pk, text in _rows(connection, table, table.c.label, where):
        new = label_of(text)
        if not new and table is EXAMPLES:  # a head's examples all have one
            stay.append(text)
        elif new != text:
            changes[pk] = new or None
    _update(connection, table.c.label, changes)
    return stay


def _rename_classes(connection: sa.Connection, head: Any, ids: dict[str, str]) -> None:
    """Name the classes of a head's versions as its labels are now, and the examples it reports."""
    versions = connection.execute(sa.select(VERSIONS).where(VERSIONS.c.head_id == head.id)).all()
    for version in versions:
        names = {one["name"]: label_of(one["name"]) for one in version.classes}
        changed = {old: new for old, new in names.items() if old != new}
        if changed and (len(set(names.values())) < len(names) or "" in names.values()):
            log.warning(
                "a version keeps the names of its classes, of which some would be equal or blank",
                head=head.name,
                version=version.version,
                classes=sorted(changed),
            )
            changed = {}
        values: dict[str, Any] = {"report": _reported(version.report, changed, ids)}
        if changed:
            classifier = _with_classes(version.classifier, changed)
            if classifier is None:
                log.warning("a version cannot be read", head=head.name, version=version.version)
                continue
            values["classifier"] = classifier
            values["classes"] = [
                {**one, "name": changed.get(one["name"], one["name"])} for one in version.classes
            ]
        elif values["report"] == version.report:
            continue
        this = sa.and_(VERSIONS.c.head_id == head.id, VERSIONS.c.version == version.version)
        connection.execute(sa.update(VERSIONS).where(this).values(values))


def _with_classes(data: bytes, changed: dict[str, str]) -> bytes | None:
    from heads import HeadError, from_bytes, to_bytes  # noqa: PLC0415 - SciPy would slow the start

    try:
        classifier = from_bytes(data)
    except HeadError:
        return None
    classes = tuple(changed.get(name, name) for name in classifier.classes)
    return to_bytes(dataclasses.replace(classifier, classes=classes))


def _reported(report: Any, classes: dict[str, str], ids: dict[str, str]) -> Any:
    """A report with other names of classes and examples, in its warnings too."""

    def said(sentence: str) -> str:
        for old, new in {**classes, **ids}.items():
            sentence = sentence.replace(repr(old), repr(new)).replace(f"({old})", f"({new})")
        return sentence

    def named(one: dict[str, Any]) -> dict[str, Any]:
        others = {key: classes.get(one[key], one[key]) for key in NAMED if key in one}
        return {**one, **others} | ({"id": ids.get(one["id"], one["id"])} if "id" in one else {})

    if not classes and not ids:
        return report
    changed = dict(report)
    for key in ("per_class", "suspects"):
        if key in report:
            changed[key] = [named(one) for one in report[key]]
    if "warnings" in report:
        changed["warnings"] = [said(one) for one in report["warnings"]]
    return changed


NAMED = ("name", "label", "suggested")


def _rows(
    connection: sa.Connection, table: Any, column: Any, where: Any
) -> Iterator[tuple[int, str]]:
    """The key and a text of every row that has it, in the order of the keys."""
    last = 0
    query = sa.select(table.c.pk, column).where(where, column.is_not(None)).order_by(table.c.pk)
    while rows := connection.execute(query.where(table.c.pk > last).limit(CHUNK)).all():
        last = rows[-1][0]
        yield from ((pk, text) for pk, text in rows)


def _update(connection: sa.Connection, column: Any, changes: dict[int, Any]) -> None:
    if changes:
        query = sa.update(column.table).where(column.table.c.pk == sa.bindparam("key"))
        connection.execute(
            query.values({column.name: sa.bindparam("new")}),
            [{"key": pk, "new": new} for pk, new in changes.items()],
        )


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
