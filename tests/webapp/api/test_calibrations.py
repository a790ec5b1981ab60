"""Stored calibrations, on SQLite and on PostgreSQL: written by who may, the same for all workers."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from advisor.client import Client, Problem
from advisor.databases import engine_of, migrate
from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import knowledge_of
from advisor.question import OwnRun, Scenario
from catalog.profiles import Profile
from tests.webapp.api.running import PROFILE, SCENARIO, Server, serving
from webapp.api import migrations
from webapp.api.migrations import upgrade
from webapp.api.storage import Store

TOKEN = "correct horse"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('store') / 'api.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="module")
def storing(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers on one database, which ask for a token."""
    environment = {"ADVISOR_DATABASE_URL": store_url, "ADVISOR_API_TOKEN": TOKEN, "ADVISOR_MAX_CALIBRATIONS": "40"}
    with serving(tmp_path_factory.mktemp("storing"), "--workers", "2", **environment) as running:
        yield running


def stored(server: Server, **changes: Any) -> Any:
    return server.http.post("/v1/calibrations", json=PROFILE | changes, headers=BEARER)


def test_a_calibration_is_stored_once_listed_read_and_predicted_with(storing: Server) -> None:
    first = stored(storing)
    again = [stored(storing) for _ in range(4)]
    assert (first.status_code, {item.status_code for item in again}) == (201, {200})
    assert {item.json()["id"] for item in again} == {first.json()["id"]}
    assert storing.http.get(first.headers["location"]).json() == Profile.model_validate(PROFILE).model_dump(mode="json")
    listed = storing.http.get("/v1/calibrations").json()["calibrations"]
    assert [item["id"] for item in listed].count(first.json()["id"]) == 1

    plain = storing.predict().json()["decode_tok_s"]
    expected = predict(Scenario.model_validate(SCENARIO), knowledge_of(Profile.model_validate(PROFILE), load()))
    for name in ("Office box", first.json()["id"]):
        shifted = storing.predict(params={"calibration": name}).json()
        assert shifted["calibration"] == "profile:Office box"
        assert shifted["decode_tok_s"] == pytest.approx(expected.decode_tok_s.model_dump(), rel=1e-12)
        assert shifted["decode_tok_s"]["p50"] < plain["p50"]  # the profile's GPU reads slower than most


def test_of_several_calibrations_of_one_name_the_one_stored_last_counts(storing: Server) -> None:
    stored(storing, name="twice", measured_on="2026-01-01")
    last = stored(storing, name="twice", measured_on="2026-02-02").json()
    assert storing.http.get("/v1/calibrations/twice").json()["measured_on"] == "2026-02-02"
    assert storing.http.get("/v1/calibrations", params={"limit": 1}).json()["calibrations"][0]["id"] == last["id"]


def test_lists_come_in_pages_that_hold_each_once(storing: Server) -> None:
    for number in range(5):
        stored(storing, name=f"page {number}")
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = storing.http.get("/v1/calibrations", params={"offset": offset, "limit": 3}).json()
        seen += [item["id"] for item in page["calibrations"]]
        offset = page["next_offset"]
    assert len(seen) == len(set(seen)) == page["total"] >= 5


def test_many_that_store_the_same_at_once_store_it_once(storing: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: stored(storing, name="at once"), range(16)))
    assert {item.status_code for item in found} <= {200, 201}
    assert [item.status_code for item in found].count(201) >= 1
    assert len({item.json()["id"] for item in found}) == 1


def test_only_who_has_the_token_may_write(storing: Server) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
        refused = storing.http.post("/v1/calibrations", json=PROFILE, headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert storing.http.get("/v1/calibrations").status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"effect": 1}, "no field 'effect'"),
        ({"hardware": {"gpu": 1}}, "has no field 'gpu'"),
        ({"effects": [PROFILE["effects"][0] | {"coefficient": "gpu_streams"}]}, "no coefficient"),
        ({"effects": [PROFILE["effects"][0] | {"log_value": 1e308}]}, "effects[0].log_value"),
        ({"schema_version": 2}, "schema_version 2"),
        ({"name": "../x"}, "name"),
    ],
)
def test_what_no_calibration_exports_is_refused(storing: Server, changes: dict[str, Any], said: str) -> None:
    answer = stored(storing, **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_profile")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("name", ["nothing", "%00", "'; DROP TABLE calibrations; --", "x" * 5000])
def test_a_calibration_that_is_not_there_is_said_so(storing: Server, name: str) -> None:
    assert storing.http.get(f"/v1/calibrations/{name}").status_code == 404
    assert storing.predict(params={"calibration": name.replace("%00", "\0")}).status_code == 404


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "offset=-1", "offset=99999999999", "limit=", "limit=1e1"]
)
def test_a_page_that_is_none_is_refused(storing: Server, query: str) -> None:
    answer = storing.http.get(f"/v1/calibrations?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_the_client_stores_lists_and_reads(storing: Server) -> None:
    profile = Profile.model_validate(PROFILE | {"name": "by client"})
    with Client(storing.url, TOKEN) as client:
        found = client.store_calibration(profile)
        assert found.id in {item.id for item in client.calibrations()}
        assert client.calibration("by client") == profile
        assert client.predict(SCENARIO, calibration=found.id).calibration == "profile:by client"
    with Client(storing.url) as client, pytest.raises(Problem) as caught:
        client.store_calibration(profile)
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")


def test_runs_of_a_machine_are_stored_and_predicted_with(storing: Server) -> None:
    slow = {"model": "Qwen3-8B", "quant": "Q4_K_M", "decode_tok_s": 20.0}
    with Client(storing.url, TOKEN) as client:
        found = client.store_runs(SCENARIO["hardware"], [slow], "my runs")
        assert client.store_runs(SCENARIO["hardware"], [OwnRun.model_validate(slow)], "my runs").id == found.id
        told = client.predict(SCENARIO, calibration="my runs")
        assert told.calibration == "measured"
        plain = client.predict(SCENARIO)
        assert told.decode_tok_s
        assert plain.decode_tok_s
        assert told.decode_tok_s.p50 < plain.decode_tok_s.p50  # 20 tok/s are far less than the card can
        asked = SCENARIO | {"measured": [slow]}
        assert client.predict(asked).decode_tok_s == told.decode_tok_s


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"measured": [{"model": "Qwen3-8B", "quant": "Q4_K_M", "decode_tok_s": 9000.0}]}, "faster than this memory"),
        ({"measured": [{"model": "Qwen3-8B", "quant": "Q4_K_M"}]}, "needs decode_tok_s or prefill_tok_s"),
        ({"measured": [{"model": "Quux-9000", "decode_tok_s": 9.0}]}, "Quux-9000"),
        ({"measured": []}, "measured"),
        ({"measured": [{"model": "Qwen3-8B", "decode_tok_s": 9.0}], "colour": 1}, "colour"),
    ],
)
def test_runs_that_cannot_be_are_refused(storing: Server, body: dict[str, Any], said: str) -> None:
    answer = storing.http.post("/v1/calibrations", json=body | {"hardware": SCENARIO["hardware"]}, headers=BEARER)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_profile")
    assert said in answer.json()["detail"]


def test_a_full_store_takes_no_more_but_knows_what_it_has(store_url: str, storing: Server) -> None:
    answers = [stored(storing, name=f"full {number}") for number in range(41)]
    assert answers[-1].json()["code"] == "store_full"
    assert answers[-1].status_code == 409
    assert stored(storing, name="full 0").status_code == 200


def test_servers_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upgrade, [url] * 4)) == [None] * 4
    store = Store(url, 10)
    store.check()
    store.close()


def test_a_server_waits_for_one_that_makes_the_tables(tmp_path: Path) -> None:
    """A new file is not yet in the mode in which SQLite itself waits for a writer."""
    path = tmp_path / "new.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE of_another (number)")
        ending = Timer(0.3, other.execute, ["COMMIT"])
        ending.start()
        upgrade(f"sqlite:///{path}")
        ending.join()
    store = Store(f"sqlite:///{path}", 10)
    store.check()
    store.close()


def test_a_file_that_another_keeps_locked_is_said(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE of_another (number)")
        with pytest.raises(InputError, match=r"kept\.sqlite3' cannot be used: database is locked"):
            migrate(engine_of(f"sqlite:///{path}", 0.1), migrations.__name__, "alembic_version")


def test_without_a_token_this_computer_may_write_and_no_page_of_another_site(server: Server) -> None:
    assert server.http.post("/v1/calibrations", json=PROFILE).status_code in {200, 201}
    # A name of another site that was made to point to this computer (DNS rebinding), and a client behind a proxy
    for headers in ({"host": "evil.example"}, {"x-forwarded-for": "203.0.113.9"}):
        refused = server.http.post("/v1/calibrations", json=PROFILE, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
