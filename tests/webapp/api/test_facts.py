"""The catalog over HTTP: tables, prices and problems, each with an ETag."""

import asyncio
from asyncio.selector_events import BaseSelectorEventLoop
from pathlib import Path

import psutil
import pytest

from catalog import tables
from tests.webapp.api.running import Server
from webapp.api import facts
from webapp.api.facts import TABLES, AccuracyFigures


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_has_all_rows_with_their_sources(server: Server, kind: str) -> None:
    found = server.http.get(f"/v1/catalog/{kind}").json()
    assert (found["kind"], found["count"]) == (kind, len(found["rows"]))
    assert [row["name"] for row in found["rows"]] == [row.name for row in TABLES[kind]()]
    assert all(row["source"] and row["as_of"] for row in found["rows"])


def test_models_say_what_is_taken_where_no_quant_is_given(server: Server) -> None:
    found = {row["id"]: row for row in server.http.get("/v1/models").json()["models"]}
    assert set(found) == {row.id for row in tables.llms()}
    # gpt-oss-20b is published in MXFP4, 12.1 GB (huggingface.co/ggml-org/gpt-oss-20b-GGUF: 12,109,566,560 bytes)
    assert found["gpt-oss-20b"]["usual_quant"] == "MXFP4"
    assert found["gpt-oss-20b"]["usual_file_gib"] == pytest.approx(12_109_566_560 / 2**30, rel=0.01)


@pytest.mark.parametrize("task", ["coding", "vision"])
def test_models_for_a_task_come_best_first(server: Server, task: str) -> None:
    found = server.http.get("/v1/models", params={"task": task}).json()["models"]
    known = [row["index"]["p50"] for row in found if row["index"]]
    assert known == sorted(known, reverse=True)
    assert len(known) >= 10
    assert all(row["index"] is None for row in found[len(known) :])
    seeing = {row["id"] for row in found}
    # Their model cards on huggingface.co: openai/gpt-oss-20b takes text alone, google/gemma-3-27b-it sees.
    assert ("gpt-oss-20b" in seeing, "gemma-3-27b" in seeing) == (task != "vision", True)


def test_a_task_that_is_none_is_refused(server: Server) -> None:
    answer = server.http.get("/v1/models", params={"task": "poetry"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_quants_are_listed(server: Server) -> None:
    found = server.http.get("/v1/quants").json()
    assert [row["name"] for row in found["quants"]] == [row.name for row in tables.quants()]


@pytest.mark.parametrize("spelling", ["RTX 3060 12GB", "rtx3060-12gb", "NVIDIA GeForce RTX 3060 (12GB)"])
def test_prices_are_found_by_any_spelling_and_name_their_sources(server: Server, spelling: str) -> None:
    found = server.http.get(f"/v1/prices/{spelling}").json()
    seen = [row for row in tables.observations() if row.part == "RTX 3060 12GB"]
    assert (found["kind"], found["part"], len(found["observations"])) == ("gpu", "RTX 3060 12GB", len(seen))
    assert all(row["source"] and row["as_of"] for row in found["observations"])
    told = found["estimate"]
    assert told["low_usd"] < told["price_usd"] < told["high_usd"]
    assert told["sources"] >= 2


def test_a_price_is_of_a_size_a_condition_and_a_day(server: Server) -> None:
    sized = server.http.get("/v1/prices/Framework Desktop 128GB", params={"condition": "new"}).json()
    assert (sized["variant"], sized["condition"]) == ("128 GB", "new")
    assert {row["memory_gib"] for row in sized["observations"]} == {128}
    every = server.http.get("/v1/prices/Framework Desktop").json()
    assert every["estimate"] is None
    assert {128} < {row["memory_gib"] for row in every["variants"]}
    before = server.http.get("/v1/prices/RTX 3090", params={"condition": "used", "as_of": "2026-02-01"}).json()
    after = server.http.get("/v1/prices/RTX 3090", params={"condition": "used", "as_of": "2026-10-01"}).json()
    assert before["estimate"]["price_usd"] < after["estimate"]["price_usd"]
    assert max(row["as_of"] for row in before["observations"]) <= "2026-02-01"


def test_a_day_that_is_none_is_refused(server: Server) -> None:
    answer = server.http.get("/v1/prices/RTX 3090", params={"as_of": "soon"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_every_part_that_was_seen_can_be_asked_for(server: Server) -> None:
    for kind, part in sorted({(row.part_kind, row.part) for row in tables.observations()}):
        found = server.http.get(f"/v1/prices/{part.replace('/', '%2F')}").json()
        assert (found["kind"], found["part"]) == (kind, part)


@pytest.mark.parametrize(("path", "near"), [("/v1/catalog/gpuz", "gpus"), ("/v1/prices/RTX 3061", "RTX 3060 12GB")])
def test_an_unknown_name_is_told_the_nearest(server: Server, path: str, near: str) -> None:
    answer = server.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert near in answer.json()["nearest"]


@pytest.mark.parametrize(
    "path", ["/v1/catalog/cpus", "/v1/models", "/v1/quants", "/v1/prices/RTX 4090", "/v1/problems", "/openapi.json"]
)
def test_a_client_that_has_a_copy_is_told_that_it_is_still_right(server: Server, path: str) -> None:
    first = server.http.get(path)
    tag = first.headers["etag"]
    assert "max-age" in first.headers["cache-control"]
    for asked in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
        again = server.http.get(path, headers={"if-none-match": asked})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert server.http.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_an_address_that_is_none_and_a_method_that_is_none_are_problems(server: Server) -> None:
    nothing, wrong = server.http.get("/v1/nothing"), server.http.delete("/v1/models")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "GET, POST")


def test_accuracy_is_computed_where_the_loop_starts_no_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such is that of a worker on Windows: there uvicorn chooses this class, as it is, for several workers."""
    monkeypatch.setattr(facts, "WATCHED", "print('figures')")
    monkeypatch.setattr(facts, "WAIT_S", 60.0)
    with asyncio.Runner(loop_factory=BaseSelectorEventLoop) as runner:
        found = runner.run(AccuracyFigures(tmp_path).get())
    assert found is not None
    assert found.content == b"figures\n"


def test_what_computes_accuracy_ends_with_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "WATCHED", "import time; time.sleep(600)")
    monkeypatch.setattr(facts, "WAIT_S", 0.2)

    async def asked() -> list[psutil.Process]:
        figures = AccuracyFigures(tmp_path)
        assert await figures.get() is None
        computing = [child for child in psutil.Process().children() if "time.sleep(600)" in " ".join(child.cmdline())]
        await figures.close()
        return computing

    (process,) = asyncio.run(asked())
    assert psutil.wait_procs([process], timeout=20)[1] == []
