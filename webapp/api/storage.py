"""Stored calibrations, in SQLite or PostgreSQL. Each is kept under the digest of its content and never changes."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Column, DateTime, MetaData, String, Table, Text, func, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from advisor.databases import engine_of
from catalog.profiles import Profile
from webapp.api.problems import Refused
from webapp.api.telemetry import tell

P = ParamSpec("P")
T = TypeVar("T")
ID_CHARACTERS = 32
BUSY_TIMEOUT_S = 5.0
TABLES = MetaData()
CALIBRATIONS = Table(
    "calibrations", TABLES,
    Column("id", String(ID_CHARACTERS), primary_key=True),
    Column("name", String(100), nullable=False, index=True),
    Column("fingerprint", String(128), nullable=False, index=True),
    Column("engine", String(300), nullable=False),
    Column("backend", String(300), nullable=False),
    Column("measured_on", String(10), nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False, index=True),
    Column("content", Text, nullable=False),
)
_LISTED = [column for column in CALIBRATIONS.columns if column.name != "content"]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list shows of a stored calibration."""

    id: str
    name: str
    fingerprint: str
    engine: str
    backend: str
    measured_on: str
    stored_at: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored calibration with its content, the profile as JSON."""

    id: str
    content: str


class Store:
    """The calibrations in one database; safe for many threads, workers and hosts."""

    def __init__(self, url: str, most: int) -> None:
        self._engine, self._most = engine_of(url, BUSY_TIMEOUT_S), most
        path = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        self._path = Path(path) if path and path != ":memory:" else None
        self._file = self._found()

    def _found(self) -> tuple[int, int] | None:
        """Which file the database is, where it is one."""
        try:
            seen = self._path.stat() if self._path else None
        except OSError:
            return None
        return (seen.st_dev, seen.st_ino) if seen else None

    def _check_place(self) -> None:
        """Connections go on with a file that was removed, and what they write is lost with them: that is noticed.

        Raises SQLAlchemyError where the file is gone; where another one is in its place, that is used from now on.
        """
        found = self._found()
        if self._path is not None and (found is None or found != self._file):
            self._engine.dispose()
            if found is None:
                raise SQLAlchemyError(f"the file of the database is gone: {self._path}")
            self._file = found

    def put(self, profile: Profile) -> tuple[str, bool]:
        """Store a profile: its id and whether it is new. Raises `Refused` where the store is full."""
        content = profile.model_dump_json()
        row = _row(profile, content)
        with self._engine.begin() as connection:
            if connection.scalar(select(CALIBRATIONS.c.id).where(CALIBRATIONS.c.id == row["id"])):
                return row["id"], False
            if (connection.scalar(select(func.count()).select_from(CALIBRATIONS)) or 0) >= self._most:
                raise Refused("store_full", f"{self._most:,} calibrations are stored and no more are taken")
        try:
            with self._engine.begin() as connection:
                connection.execute(CALIBRATIONS.insert().values(row))
        except IntegrityError:  # another worker has just stored the same
            return row["id"], False
        return row["id"], True

    def read(self, calibration_id: str) -> Stored | None:
        """The calibration of that id."""
        asked = select(CALIBRATIONS.c.id, CALIBRATIONS.c.content).where(CALIBRATIONS.c.id == calibration_id)
        with self._engine.connect() as connection:
            row = connection.execute(asked).first()
        return Stored(row.id, row.content) if row else None

    def id_of(self, text: str) -> str | None:
        """The id of a calibration given by its id, else by its name; of several of one name the one stored last."""
        if "\0" in text:
            return None
        table = CALIBRATIONS.c
        asked = select(table.id).where((table.id == text) | (table.name == text))
        by_id_first = (table.id == text).desc()
        with self._engine.connect() as connection:
            found: str | None = connection.scalar(
                asked.order_by(by_id_first, table.stored_at.desc(), table.id).limit(1)
            )
        return found

    def listed(self, offset: int, limit: int) -> tuple[list[Listed], int]:
        """One page of the list, the one stored last first, and how many there are in all."""
        asked = select(*_LISTED).order_by(CALIBRATIONS.c.stored_at.desc(), CALIBRATIONS.c.id)
        with self._engine.connect() as connection:
            total = connection.scalar(select(func.count()).select_from(CALIBRATIONS)) or 0
            rows = connection.execute(asked.offset(offset).limit(limit)).all()
        return [_listed(row._mapping) for row in rows], total

    def check(self) -> None:
        """Raises SQLAlchemyError where the database does not answer or lacks the table."""
        with self._engine.connect() as connection:
            connection.execute(select(CALIBRATIONS.c.id).limit(1))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    async def asked(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the store on a thread. Raises `Refused` where the database does not answer or its file is gone."""
        try:
            self._check_place()
            return await asyncio.to_thread(work, *args, **kwargs)
        except SQLAlchemyError as error:
            tell(logging.ERROR, "store failed", error)
            said = "stored calibrations cannot be reached just now; try again later"
            raise Refused("store_unavailable", said, headers={"retry-after": "5"}) from None


def calibration_id(profile: Profile) -> str:
    """The digest that a profile is kept under: the same content has the same id on every host."""
    canonical = json.dumps(profile.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()[:ID_CHARACTERS]


def _row(profile: Profile, content: str) -> dict[str, Any]:
    return {
        "id": calibration_id(profile), "name": profile.name,
        "fingerprint": profile.fingerprint, "engine": profile.engine.name, "backend": profile.engine.backend,
        "measured_on": profile.measured_on.isoformat(), "stored_at": datetime.now(UTC), "content": content,
    }


def _listed(row: Any) -> Listed:
    then: datetime = row["stored_at"]
    known = then if then.tzinfo else then.replace(tzinfo=UTC)  # SQLite forgets the zone
    values = {column.name: row[column.name] for column in _LISTED}
    return Listed(**values | {"stored_at": known.astimezone(UTC).isoformat(timespec="seconds")})
