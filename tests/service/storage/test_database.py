"""Opening, migrating and refusing databases."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Engine,
    MetaData,
    create_engine,
    func,
    insert,
    inspect,
    make_url,
    select,
    text,
)

from service.errors import InvalidInputError, UnavailableError
from service.search import filters
from service.storage import collections, items, schema
from service.storage.database import (
    HEAD,
    MIGRATIONS,
    DatabaseError,
    open_database,
    reading,
    writing,
)
from tests.service.storage.conftest import SPACE, make_collection, some_items

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def test_the_migrations_make_the_tables_of_the_schema(database: Engine) -> None:
    with reading(database) as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD


@pytest.mark.parametrize("transaction", [reading, writing])
def test_a_text_that_cannot_be_stored_is_the_fault_of_the_request(
    database: Engine, transaction: Any
) -> None:
    texts = ["a\ud800b"]
    if database.dialect.name == "postgresql":  # SQLite has no objection
        texts.append("a\0b")
    for one in texts:
        query = select(schema.items.c.pk).where(schema.items.c.item_id == one)
        with pytest.raises(InvalidInputError, match="NUL"), transaction(database) as connection:
            connection.execute(query)
        with transaction(database) as connection:  # which is as good as before
            assert connection.execute(select(schema.items.c.pk)).all() == []


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_migrated_database_keeps_what_is_in_it(url: str) -> None:
    first = open_database(url)
    items.upsert(first, make_collection(first), some_items("ab"))
    first.dispose()
    second = open_database(url)
    found, _ = items.scroll(second, collections.get_collection(second, "photos"))
    assert [item.id for item in found] == ["a", "b"]
    second.dispose()


def test_what_filters_see_is_written_anew_from_a_database_of_0001(url: str) -> None:
    """Its side table had whole numbers as floats, and no long texts, objects and empty lists."""
    kept: list[dict[str, Any]] = [
        {"n": [1234567890123456788, 2.5, True], "long": "x" * 600 + "🐈"},
        {"n": 1234567890123456789, "place": {"city": "Bern", "tags": []}},
        {"n": 2**64 - 1, "none": None},
        *({"n": i} for i in range(1200)),
    ]
    engine = create_engine(make_url(url).set(drivername=DRIVERS[make_url(url).get_backend_name()]))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables = MetaData()
        tables.reflect(connection)
        moment = datetime(2026, 1, 31, tzinfo=UTC)
        collection = {"name": "photos", "model": "m@1", "space": SPACE, "dim": 4, "keep": "nothing"}
        more = {"metadata_schema": {}, "sequence": 1, "created_at": moment}
        connection.execute(insert(tables.tables["collections"]).values(id=7, **collection, **more))
        shared = {"collection_id": 7, "sequence": 1, "created_at": moment, "updated_at": moment}
        connection.execute(
            insert(tables.tables["items"]),
            [{"item_id": str(i), "metadata": data, **shared} for i, data in enumerate(kept)],
        )
        pk = connection.scalar(text("SELECT min(pk) FROM items"))
        lossy = {"item_pk": pk, "collection_id": 7, "key": "n", "number": 1.2345678901234568e18}
        connection.execute(insert(tables.tables["item_values"]), [lossy])
    engine.dispose()

    migrated = open_database(url)
    photos = collections.get_collection(migrated, "photos")

    def found(filter: Any) -> list[str]:
        where = filters.condition(filter, photos)
        return [item.id for item in items.scroll(migrated, photos, where=where)[0]]

    assert found({"metadata.n": 1234567890123456788}) == ["0"]
    assert found({"metadata.n": 1234567890123456789}) == ["1"]
    assert found({"metadata.n": {"in": [2.5, 1199]}}) == ["0", "1202"]
    assert found({"metadata.n": True}) == ["0"]
    assert found({"metadata.long": {"exists": True}}) == ["0"]
    assert found({"metadata.long": {"gt": "x" * 512}}) == ["0"]
    assert found({"metadata.place": {"exists": True}}) == ["1"]
    assert found({"metadata.place.city": "Bern"}) == ["1"]
    assert found({"metadata.place.tags": {"exists": True}}) == ["1"]
    assert found({"metadata.none": {"exists": True}}) == []
    # A number that is no longer accepted is there, and compares with nothing.
    assert found({"not": {"metadata.n": {"lt": 2**62}}, "metadata.n": {"exists": True}}) == ["2"]
    assert found({"metadata.n": {"gt": 2**62}}) == []
    stored, _ = items.scroll(migrated, photos, limit=3)
    assert [item.metadata for item in stored] == kept[:3]
    with reading(migrated) as connection:
        rows = connection.scalar(select(func.count()).select_from(schema.item_values))
    assert rows == 4 + 4 + 1 + 1200
    migrated.dispose()


def test_opening_a_migrated_database_does_not_load_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    open_database(url).dispose()
    program = (
        "import sys; from service.storage.database import open_database; "
        f"open_database({url!r}); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_database_of_a_newer_version_is_refused_and_left_alone(url: str) -> None:
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match=r"9999.*newer"):
        open_database(url)
    with pytest.raises(DatabaseError, match="install the newer one"):
        open_database(url)


def test_many_may_open_a_fresh_database_at_once(url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        engines = list(pool.map(open_database, [url] * 6))
    for engine in engines:
        assert inspect(engine).has_table("items")
        engine.dispose()


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'folder' / 'test.db'}")
    with reading(engine) as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert found == ["wal", 2, 1]
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("not a url", "not understood"),
        ("mysql://root@localhost/zoo", "sqlite:///"),
        ("oddity://x", "not understood"),
        ("sqlite://", "must be a file"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "cannot be opened"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        open_database(url)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_database(f"sqlite:///{tmp_path / 'test.db'}")


def test_a_transaction_that_fails_leaves_nothing(database: Engine) -> None:
    collection = make_collection(database)
    with pytest.raises(RuntimeError), writing(database) as connection:
        connection.execute(
            insert(schema.deletions).values(collection_id=collection.id, sequence=1, item_pk=1)
        )
        raise RuntimeError
    with reading(database) as connection:
        assert connection.execute(select(schema.deletions)).all() == []


def test_a_reader_sees_one_state_throughout(database: Engine) -> None:
    collection = make_collection(database)
    items.upsert(database, collection, some_items("a"))
    with reading(database) as connection:
        before = items.matching_keys(connection, collection, None)
        items.upsert(database, collection, some_items("b"))
        assert items.matching_keys(connection, collection, None).tolist() == before.tolist()
    with reading(database) as connection:
        assert len(items.matching_keys(connection, collection, None)) == 2


def test_a_writer_who_waits_in_vain_is_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.storage.database.BUSY_SECONDS", 0.01)
    engine = open_database(f"sqlite:///{tmp_path / 'test.db'}")
    with (
        writing(engine),
        pytest.raises(UnavailableError, match="busy"),
        writing(engine) as second,
    ):
        second.execute(select(schema.items))
    make_collection(engine)
    engine.dispose()
