"""A person's own prices in SQLite and PostgreSQL: nothing is lost, changed or half there."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy

from advisor.databases import engine_of, migrate, with_driver
from advisor.errors import InputError
from advisor.market.places import FILE, address, address_to_write
from advisor.market.store import PriceStore
from catalog.prices import Observation
from tests.webapp.api.clusters import postgres

WRITER = """
import sys
from tests.advisor.market.test_store import seen
from advisor.market.store import PriceStore
store = PriceStore(sys.argv[1])
for batch in range(5):
    store.add([seen(100 + number, source=f"{sys.argv[2]}/{batch}") for number in range(10)], "imported")
"""
IMPORTER = """
import sys
from tests.advisor.market.test_store import seen
from advisor.market.store import PriceStore
store = PriceStore(sys.argv[1])
many = [seen(100 + number, source="big") for number in range(30_000)]
print("begun", flush=True)
store.add(many, "imported")
print("done", flush=True)
"""


def seen(price: float, **told: object) -> Observation:
    usual = {"part_kind": "gpu", "part": "RTX 3090", "condition": "used", "kind": "street", "as_of": date(2026, 10, 1),
             "source": "https://one.example"}
    return Observation.model_validate(usual | told | {"price": price})


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with postgres() as url:
        yield with_driver(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / FILE}"
        return
    cluster = request.getfixturevalue("cluster")
    name = f"prices_{tmp_path.name[-12:].lower()}".replace("-", "_")
    engine = sqlalchemy.create_engine(cluster, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    yield cluster.replace("/postgres?", f"/{name}?")


def held(url: str) -> tuple[Observation, ...]:
    with closing(PriceStore(url)) as store:
        return store.observations()


def test_what_is_stored_is_read_back_as_it_was(url: str) -> None:
    stored = (seen(700, currency="EUR", note="with fans"), seen(2.5, memory_gib=128.0, kind="sold", seller="own"))
    with closing(PriceStore(url)) as store:
        assert store.add(stored, "typed") == 2
    assert held(url) == stored


def test_the_same_import_twice_adds_nothing(url: str) -> None:
    with closing(PriceStore(url)) as store:
        assert store.add([seen(700), seen(800)], "imported") == 2
        assert store.add([seen(700), seen(900)], "imported") == 1
    assert [item.price for item in held(url)] == [700, 800, 900]


def test_what_is_typed_again_counts_again(url: str) -> None:
    with closing(PriceStore(url)) as store:
        for price in (700, 750, 700):
            store.add([seen(price)], "typed")
    assert [item.price for item in held(url)] == [700, 750, 700]


def test_what_a_shop_lends_for_hours_is_gone_after_them_and_never_exported(url: str) -> None:
    now = datetime.now(UTC)
    with closing(PriceStore(url)) as store:
        store.add([seen(700)], "fetched", now + timedelta(hours=72))
        store.add([seen(800)], "fetched", now - timedelta(seconds=1))
        store.add([seen(900)], "typed")
        assert [item.price for item in store.observations()] == [700, 900]
        assert [item.price for item in store.observations(exported=True)] == [900]
    engine = engine_of(url)
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT count(*) FROM price_observations")) == 2
    engine.dispose()


def test_eight_writers_at_once_lose_nothing(url: str) -> None:
    def write(number: int) -> int:
        command = [sys.executable, "-c", WRITER, url, f"writer{number}"]
        return subprocess.run(command, check=False, timeout=300).returncode

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(8))) == [0] * 8
    assert len({(item.source, item.price) for item in held(url)}) == 8 * 5 * 10


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.2])
def test_a_killed_import_leaves_all_or_nothing(url: str, delay_s: float) -> None:
    with closing(PriceStore(url)) as store:
        store.add([seen(1, source="before")], "typed")
    process = subprocess.Popen([sys.executable, "-c", IMPORTER, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    finished = "done" in process.stdout.read()
    process.stdout.close()
    process.wait()
    found = held(url)
    assert found[0].source == "before"
    assert len(found) in ((30_001,) if finished else (1, 30_001))


def test_prices_share_a_database_with_other_stores(url: str) -> None:
    engine = engine_of(url)
    migrate(engine, "webapp.api.migrations", "alembic_version")
    with closing(PriceStore(url)) as store:
        store.add([seen(700)], "typed")
    tables = sqlalchemy.inspect(engine).get_table_names()
    engine.dispose()
    assert {"calibrations", "price_observations", "alembic_version", "price_schema_version"} <= set(tables)


def test_nothing_is_stored_until_something_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADVISOR_DATABASE_URL", raising=False)
    assert address(tmp_path) is None
    with closing(PriceStore(address_to_write(tmp_path))) as store:
        store.add([seen(700)], "typed")
    found = address(tmp_path)
    assert found
    assert held(found) == (seen(700),)


def test_the_variable_names_another_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_DATABASE_URL", "postgres://me@host/prices")
    assert address(tmp_path) == "postgres://me@host/prices"


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not a database, " * 100)
    with pytest.raises(InputError, match=f"{FILE}.*cannot be used"):
        PriceStore(f"sqlite:///{tmp_path / FILE}")
