"""A person's own observations of prices, in a database; what is there is never changed, only added to.

Typed and imported ones are his to export. Fetched ones stay on his computer, as the shops' terms ask, and some may be
kept for hours only. Imported where a price is stored, and by questions only where something has been stored.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from advisor.databases import engine_of, migrate, unusable, with_driver
from catalog.prices import Observation

VERSION_TABLE: Final = "price_schema_version"
NEWEST_STEP: Final = "0001"
"""The last of the steps in `advisor.market.migrations`."""
Origin = Literal["typed", "imported", "fetched"]
TABLES = MetaData()
OBSERVATIONS = Table(
    "price_observations", TABLES,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("digest", String(32), nullable=False, unique=True),
    Column("origin", String(20), nullable=False),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("keep_until", DateTime(timezone=True)),
    Column("part_kind", String(20), nullable=False),
    Column("part", String(200), nullable=False, index=True),
    Column("memory_gib", Float),
    Column("condition", String(10), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("seller", String(20), nullable=False),
    Column("price", Float, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("source", String(500), nullable=False),
    Column("note", String(500), nullable=False),
)
FIELDS: Final = tuple(Observation.model_fields)
BATCH = 2_000
"""Rows of one statement; more would be more variables than PostgreSQL takes."""


class PriceStore:
    """The observations in one database; safe for several programs at once.

    Every method raises `InputError` where the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._engine = engine_of(with_driver(url))
        if self._step() != NEWEST_STEP:
            migrate(self._engine, "advisor.market.migrations", VERSION_TABLE)

    def _step(self) -> str | None:
        """The step that the database is at; None where it has none. Asking is quicker than starting alembic."""
        try:
            with self._engine.connect() as connection:
                found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        except OperationalError as error:
            if self._engine.dialect.name == "sqlite" and "no such table" in str(error):
                return None
            raise unusable(self._engine, error) from None
        except DatabaseError as error:
            if "UndefinedTable" in type(getattr(error, "orig", None)).__name__:
                return None
            raise unusable(self._engine, error) from None
        return found

    def add(self, observations: Sequence[Observation], origin: Origin, keep_until: datetime | None = None) -> int:
        """Store all or, whatever happens, none of them; how many were not there before.

        The same observation imported or fetched twice is one; typed twice it is two. `keep_until`: with a time zone.
        """
        now = datetime.now(UTC)
        common = {"origin": origin, "entered_at": now, "keep_until": keep_until}
        rows = []
        for item in observations:
            told = sha256(item.model_dump_json().encode()).hexdigest()[:32]  # what is typed twice is two observations
            rows.append({**item.model_dump(), **common, "digest": token_hex(16) if origin == "typed" else told})
        try:
            with self._engine.begin() as connection:
                if self._engine.dialect.name == "sqlite":
                    # Writers wait for each other from here on; a read that turns into a write would fail instead.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                before = connection.scalar(select(func.count()).select_from(OBSERVATIONS)) or 0
                for start in range(0, len(rows), BATCH):
                    connection.execute(self._insert(), rows[start : start + BATCH])
                return (connection.scalar(select(func.count()).select_from(OBSERVATIONS)) or 0) - before
        except SQLAlchemyError as error:
            raise unusable(self._engine, error) from None

    def _insert(self) -> Any:
        dialect: Any = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        return dialect.insert(OBSERVATIONS).on_conflict_do_nothing(index_elements=["digest"])

    def observations(self, *, exported: bool = False) -> tuple[Observation, ...]:
        """All that may still be kept, in the order they were entered; `exported`: only what a person may hand on."""
        table, now = OBSERVATIONS.c, datetime.now(UTC)
        asked = select(*(table[name] for name in FIELDS)).order_by(table.number)
        asked = asked.where(or_(table.keep_until.is_(None), table.keep_until > now))
        if exported:
            asked = asked.where(table.origin != "fetched")
        try:
            with self._engine.connect() as connection:
                self._forget_expired(connection, now)
                rows = connection.execute(asked).all()
        except SQLAlchemyError as error:
            raise unusable(self._engine, error) from None
        return tuple(Observation.model_validate(dict(row._mapping)) for row in rows)

    @staticmethod
    def _forget_expired(connection: Connection, now: datetime) -> None:
        """Delete what may be kept no longer."""
        expired = OBSERVATIONS.c.keep_until <= now
        if connection.scalar(select(func.count()).select_from(OBSERVATIONS).where(expired)):
            connection.execute(delete(OBSERVATIONS).where(expired))
            connection.commit()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()
