"""Databases that keep what a person or a server stores: SQLite in a file, PostgreSQL by ADVISOR_DATABASE_URL.

One place opens them, so that every store waits for others in the same way, refuses an address in the same words, and
brings its tables to their present form by the same steps. Imported only where something is stored or read.
"""

import sqlite3
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from advisor.errors import InputError

VARIABLE = "ADVISOR_DATABASE_URL"
BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for the others of a SQLite file."""
RETRY_S = 0.02
LOCK = 7_263_541_902
"""Number of the PostgreSQL advisory lock that programs which start together take in turn."""


def with_driver(url: str) -> str:
    """An address with the driver that is installed.

    >>> with_driver("postgres://me@host/prices")
    'postgresql+psycopg://me@host/prices'
    """
    scheme, colon, rest = url.partition("://")
    return f"postgresql+psycopg{colon}{rest}" if scheme in {"postgres", "postgresql"} else url


def engine_of(url: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """The database at an address. Raises `InputError` for one that cannot be used."""
    try:
        parts = make_url(url)
        backend = parts.get_backend_name()
        if backend == "sqlite":
            return _sqlite(url, parts.database, busy_timeout_s)
        if backend == "postgresql":
            return create_engine(
                url, pool_pre_ping=True, pool_size=4, max_overflow=4, pool_timeout=5,
                connect_args={"connect_timeout": 5, "options": "-c statement_timeout=10000"},
            )
    except (SQLAlchemyError, ImportError, ValueError):
        raise InputError(f"{VARIABLE} is not understood: give postgresql://USER@HOST/NAME") from None
    raise InputError(f"{VARIABLE} names {backend}: give postgresql://... or sqlite:///FILE")


def _sqlite(url: str, path: str | None, busy_timeout_s: float) -> Engine:
    if path and path != ":memory:":
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the folder of {path!r} cannot be made: {(error.strerror or '').lower()}") from None
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s})

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        _write_ahead(connection, busy_timeout_s)
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def _write_ahead(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Let readers and a writer work side by side. SQLite does not wait by itself for others that do the same at once,
    as servers that start together do (https://www.sqlite.org/c3ref/busy_handler.html: it would risk a deadlock).
    """
    end_s = time.monotonic() + busy_timeout_s
    while not _switched(connection, last_try=time.monotonic() >= end_s):
        time.sleep(RETRY_S)


def _switched(connection: sqlite3.Connection, *, last_try: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if last_try or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def migrate(engine: Engine, steps: str, version_table: str) -> None:
    """Bring the tables of one store to their present form by the alembic steps of a package.

    Each store counts its steps in a `version_table` of its own, so that several may share a database. Safe when several
    programs start together. Raises `InputError` for a database that cannot be used.
    """
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with as_file(files(steps)) as folder:
                known = ScriptDirectory(str(folder))

                def steps_from(revision: Any, _: Any) -> Any:
                    return known._upgrade_revs("head", revision)

                with EnvironmentContext(Config(), known, fn=steps_from) as environment:
                    environment.configure(connection=connection, version_table=version_table, transactional_ddl=True)
                    environment.run_migrations()
    except SQLAlchemyError as error:
        raise unusable(engine, error) from None


def unusable(engine: Engine, error: SQLAlchemyError) -> InputError:
    """What is said of a database that fails, in its own words."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return InputError(f"the database {repr(file) if file else f'of {VARIABLE}'} cannot be used: {said}")
