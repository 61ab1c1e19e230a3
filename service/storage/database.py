"""Opening the database: pragmas, transactions and migrations, the same for both kinds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, make_url, text

from service.errors import InvalidInputError, ServiceError, UnavailableError

log = structlog.get_logger()

HEAD = "0003"
"""The newest migration; a test holds it equal to the folder's."""

MIGRATIONS = Path(__file__).parent / "migrations"

BUSY_SECONDS = 30
"""How long a writer waits for another before it gives up."""

_WRITES = "zoo_writes"


class DatabaseError(ServiceError):
    """A database that cannot be used; the message says what to do."""


def open_database(url: str) -> Engine:
    """Connect to the database at an SQLAlchemy URL and bring its tables up to date.

    SQLite is opened in WAL mode with `synchronous=FULL`, so that what was committed survives the
    death of the process and the loss of power. PostgreSQL is reached through psycopg.

    Raises:
        DatabaseError: not a URL that is understood, not there, made by a newer version, or (SQLite)
            in a folder where write-ahead logging does not work.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise exc.ArgumentError(parsed.get_backend_name())
        if parsed.get_backend_name() == "sqlite":
            engine = _sqlite(parsed.database, parsed)
        else:
            engine = create_engine(parsed, pool_size=16, max_overflow=32, pool_pre_ping=True)
    except (exc.ArgumentError, exc.NoSuchModuleError):
        raise DatabaseError(
            "ZOO_DATABASE_URL is not understood: use sqlite:///path/to/file.db or "
            "postgresql://user:password@host/database"
        ) from None
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"PostgreSQL needs {error.name}: pip install 'encoder-zoo[postgres]'"
        ) from None
    try:
        _migrate(engine)
    except exc.DBAPIError as error:
        engine.dispose()
        where = parsed.render_as_string(hide_password=True)
        raise DatabaseError(f"the database {where} cannot be opened: {error.orig}") from None
    except DatabaseError:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database throughout, and is never in the way.

    Raises:
        UnavailableError: the database cannot be reached, or fails.
        InvalidInputError: a value in the block is one that it cannot hold.
    """
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _working(), engine.connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is committed when the block ends well, and else leaves nothing.

    When this returns, what was written is on disk: only then may a caller be told so.

    Raises:
        UnavailableError: the database cannot be reached, or fails; or others kept SQLite's one
            writer's place for `BUSY_SECONDS`.
        InvalidInputError: a value in the block is one that it cannot hold.
    """
    with _working(), _writing(engine) as connection:
        yield connection


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    options = {_WRITES: True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def _working() -> Iterator[None]:
    """Tell a caller what of the request cannot be stored, or that the database is at fault."""
    try:
        yield
    except (exc.DataError, UnicodeEncodeError) as error:
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        raise InvalidInputError(
            f"the request holds a value that the database cannot store ({reason}); leave out NUL "
            "characters and halves of surrogate pairs"
        ) from None
    except exc.OperationalError as error:
        if "database is locked" in str(error.orig):
            detail = "the database is busy with other writes; send the request again"
        else:
            log.error("database failed", error=str(error.orig))
            detail = "the database does not answer; the gateway's log says why; send it again"
        raise UnavailableError(detail, retry_after=1) from None


def _sqlite(path: str | None, url: Any) -> Engine:
    if not path or path == ":memory:":
        raise DatabaseError("the database must be a file, as in sqlite:///path/to/file.db")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, pool_size=16, max_overflow=32, connect_args={"timeout": BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # The driver would begin transactions at moments of its own choosing; `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()
        if mode != "wal":
            raise DatabaseError(
                f"{path}: write-ahead logging does not work in this folder; use a local disk, or "
                "PostgreSQL (ZOO_DATABASE_URL)"
            )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at the start: one that began as a reader would fail at once where
        # another wrote in between.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _migrate(engine: Engine) -> None:
    """Bring the tables to `HEAD`. Alembic is loaded only where there is something to do."""
    with _writing(engine) as connection:
        if engine.dialect.name == "postgresql":  # several gateways may start at once
            connection.execute(text("SELECT pg_advisory_xact_lock(7061657253)"))
        current = _version(connection)
        if current != HEAD:
            _upgrade(connection, current)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(connection: Connection, current: str | None) -> None:
    from alembic import command  # noqa: PLC0415 - a quarter of a second at every start
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseError(
            f"the database is of version {current}, made by a newer Encoder Zoo; this one knows "
            f"versions up to {HEAD}: install the newer one, or use another database"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
