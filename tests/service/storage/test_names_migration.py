"""Ids, labels and classes of a database of 0002, as they are after 0003."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, create_engine, insert, make_url
from structlog.testing import capture_logs

from heads import Classifier, from_bytes, to_bytes
from service.storage import collections, head_rows, items
from service.storage.database import MIGRATIONS, open_database
from tests.service.storage.conftest import SPACE

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
MOMENT = datetime(2026, 1, 31, tzinfo=UTC)
VECTOR = np.array([1, 0, 0, 0], "<f4").tobytes()
NFD, NFC = "Ka\u0308fer", "K\u00e4fer"


@contextmanager
def database_of_0002(url: str) -> Iterator[tuple[Connection, MetaData]]:
    engine = create_engine(make_url(url).set(drivername=DRIVERS[make_url(url).get_backend_name()]))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        tables = MetaData()
        tables.reflect(connection)
        yield connection, tables
    engine.dispose()


def add_items(
    connection: Connection, tables: MetaData, name: str, given: Sequence[tuple[str, str | None]]
) -> None:
    row = {"name": name, "model": "m@1", "space": SPACE, "dim": 4, "keep": "nothing"}
    row |= {"metadata_schema": {}, "sequence": 1, "created_at": MOMENT}
    table = tables.tables["collections"]
    key = connection.execute(insert(table).values(row).returning(table.c.id)).scalar_one()
    shared = {"collection_id": key, "sequence": 1, "created_at": MOMENT, "updated_at": MOMENT}
    rows = [{"item_id": i, "label": label, "metadata": {}, **shared} for i, label in given]
    connection.execute(insert(tables.tables["items"]), rows)


def add_head(
    connection: Connection,
    tables: MetaData,
    name: str,
    given: Sequence[tuple[str, str]],
    versions: Sequence[tuple[str, ...]] = (),
    report: dict[str, Any] | None = None,
) -> None:
    row = {"name": name, "model": "m@1", "space": SPACE, "dim": 4}
    row |= {"live_version": 1, "last_version": len(versions)}
    row |= {"created_at": MOMENT, "updated_at": MOMENT}
    table = tables.tables["heads"]
    key = connection.execute(insert(table).values(row).returning(table.c.id)).scalar_one()
    examples = [
        {"head_id": key, "example_id": i, "label": label, "vector": VECTOR} for i, label in given
    ]
    connection.execute(insert(tables.tables["head_labels"]), examples)
    for number, classes in enumerate(versions, 1):
        listed = [{"name": one, "count": 2} for one in classes]
        fitted = {"classes": listed, "report": report or {}, "classifier": classifier(classes)}
        values = {"head_id": key, "version": number, "created_at": MOMENT, **fitted}
        connection.execute(insert(tables.tables["head_versions"]).values(values))


@cache  # two files of one classifier need not have the same bytes
def classifier(classes: tuple[str, ...]) -> bytes:
    count = len(classes)
    weights = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    return to_bytes(Classifier(classes, weights, np.ones(count, np.float32), 0.5))


def test_labels_and_ids_of_items(url: str) -> None:
    many = [(f"a\u0308{i}", f" cat{i}\u200b") for i in range(1500)]
    given = [
        ("plain", "cat"),
        (NFD, f"{NFD} "),
        ("blank", "  "),
        ("filler", "\u3164"),
        ("none", None),
        # One that another is already, and two that would both be one.
        ("e\u0301x", "1"),
        ("\u00e9x", "2"),
        ("u\u0304\u0308", "3"),
        ("\u016b\u0308", "4"),
        *many,
    ]
    with database_of_0002(url) as (connection, tables):
        add_items(connection, tables, "photos", given)
        add_items(connection, tables, "others", [("\u00e9x", None), ("e\u0301y", None)])
    with capture_logs() as logged:
        database = open_database(url)

    def read(name: str) -> dict[str, str | None]:
        with database.connect() as connection:
            found = collections.get_collection(database, name)
            keys = items.matching_keys(connection, found, None).tolist()
            stored = items.by_keys(connection, found, keys)
        return {stored[key].id: stored[key].label for key in keys}

    assert read("photos") == {
        "plain": "cat",
        NFC: NFC,
        "blank": None,
        "filler": None,
        "none": None,
        "e\u0301x": "1",
        "\u00e9x": "2",
        "u\u0304\u0308": "3",
        "\u016b\u0308": "4",
        **{f"\u00e4{i}": f"cat{i}" for i in range(1500)},
    }
    assert read("others") == {"\u00e9x": None, "\u00e9y": None}
    stay = {(one["collection"], one["id"]) for one in logged if "keeps its id" in one["event"]}
    both = ("u\u0304\u0308", "\u016b\u0308")
    assert stay == {("photos", one) for one in ("e\u0301x", *both)}
    database.dispose()


def test_two_that_would_be_the_same_both_stay(url: str) -> None:
    one, other = "a\u0323\u0302", "a\u0302\u0323"
    with database_of_0002(url) as (connection, tables):
        add_items(connection, tables, "photos", [(one, None), (other, None)])
        add_head(connection, tables, "h", [("x/1", "a"), ("x:1", "b"), ("x/2", "b")])
    with capture_logs() as logged:
        database = open_database(url)
    photos = collections.get_collection(database, "photos")
    assert [item.id for item in items.scroll(database, photos)[0]] == [one, other]
    assert [example.id for example in head_rows.examples(database, "h")] == ["x/1", "x:1", "x:2"]
    assert {one["id"] for one in logged} == {one, other, "x/1"}
    database.dispose()


def test_examples_and_versions_of_heads(url: str) -> None:
    report = {
        "per_class": [{"name": f"{NFD} ", "count": 2}, {"name": "cat", "count": 2}],
        "suspects": [{"id": "a/1", "label": f"{NFD} ", "suggested": "cat", "probability": 0.9}],
        "warnings": [f"Label more of '{NFD} '.", f"'a/1' ({NFD} ) and 'b' (cat). Correct them."],
    }
    versions = [(f"{NFD} ", "cat"), ("cat", "cat ", NFD), ("cat", "dog"), ("cat", "\u2800")]
    given = [("a/1", f"{NFD} "), ("b", "cat"), ("c", "\u2800")]
    with database_of_0002(url) as (connection, tables):
        add_head(connection, tables, "h", given, versions, report)
        add_head(connection, tables, "plain", [("a", "x"), ("b", "y")], [("x", "y")])
    with capture_logs() as logged:
        database = open_database(url)
    found = [(one.id, one.label) for one in head_rows.examples(database, "h")]
    assert found == [("a:1", NFC), ("b", "cat"), ("c", "\u2800")]

    first, second, third, fourth = head_rows.versions(database, "h")
    assert first.classes == [{"name": NFC, "count": 2}, {"name": "cat", "count": 2}]
    assert first.report == {
        "per_class": [{"name": NFC, "count": 2}, {"name": "cat", "count": 2}],
        "suspects": [{"id": "a:1", "label": NFC, "suggested": "cat", "probability": 0.9}],
        "warnings": [f"Label more of '{NFC}'.", f"'a:1' ({NFC}) and 'b' (cat). Correct them."],
    }
    before, after = (from_bytes(data) for data in (classifier(versions[0]), bytes_of(database, 1)))
    assert after.classes == (NFC, "cat")
    np.testing.assert_array_equal(after.weights, before.weights)
    np.testing.assert_array_equal(after.bias, before.bias)
    assert after.strength == before.strength
    for number, version in ((2, second), (3, third), (4, fourth)):
        assert tuple(one["name"] for one in version.classes) == versions[number - 1]
        assert bytes_of(database, number) == classifier(versions[number - 1])
        assert version.report["suspects"][0]["id"] == "a:1"
    assert bytes_of(database, 1, "plain") == classifier(("x", "y"))
    stay = [(one["version"], one["classes"]) for one in logged if "classes" in one]
    assert stay == [(2, sorted(("cat ", NFD))), (4, ["\u2800"])]
    assert [one["label"] for one in logged if "label" in one] == ["\u2800"]
    database.dispose()


def bytes_of(database: Any, number: int, head: str = "h") -> bytes:
    return head_rows.classifier(database, head, number)
