"""Attacks of strangers: what each costs is bounded, and others are answered meanwhile."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from advisor.physics.knowledge import load
from advisor.prediction.batch import BadLine, worked_out
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from catalog import tables
from tests.webapp.api.running import CARD, PROFILE, SCENARIO, Server, request_of, serving
from tests.webapp.api.test_faults import worker_ids
from webapp.api import service
from webapp.api.gate import LoopShares
from webapp.api.problems import Refused
from webapp.api.server import listening
from webapp.api.service import Together

JSON = {"content-type": "application/json"}
WISH: dict[str, Any] = {"model": "gpt-oss-20b", "kinds": ["desktop"]}
"""A ranking of all desktop builds: seconds of work."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("attacked")) as running:
        warm(running)
        yield running


def processes(server: Server) -> list[psutil.Process]:
    """The server and what it started."""
    parent = psutil.Process(server.process.pid)
    return [parent, *parent.children(recursive=True)]


def cpu_s(server: Server) -> float:
    """Of all its processes, those that have ended included."""
    times = [process.cpu_times() for process in processes(server)]
    return sum(item.user + item.system for item in times) + times[0].children_user + times[0].children_system


def warm(server: Server) -> None:
    """Ask for what is computed in a process of its own, which starts with it."""
    server.predict({"scenarios": [SCENARIO]})


def metric(server: Server, name: str) -> float:
    lines = server.http.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(maxsplit=1)[1]) for line in lines if line.startswith(name))


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


# Bodies of megabytes. Such cost up to 86 s of work and left up to 67 MB in caches.

MANY_CARDS = {"gpus": [{"name": "RTX 3060 12GB"}] * 30_000}
LARGE: dict[str, tuple[str, Any]] = {
    "30,000 cards": ("/v1/predictions", SCENARIO | {"hardware": MANY_CARDS}),
    "30,000 cards in one of many": ("/v1/predictions", {"scenarios": [SCENARIO | {"hardware": MANY_CARDS}]}),
    "30,000 wrong cards": ("/v1/predictions", SCENARIO | {"hardware": {"gpus": [{"nam": 1}] * 30_000}}),
    "50,000 fields": ("/v1/predictions", SCENARIO | {f"field {number}": 1 for number in range(50_000)}),
    "a name of 15 MB": ("/v1/predictions", SCENARIO | {"model": "x" * 15_000_000}),
    "a field of 15 MB": ("/v1/predictions", SCENARIO | {"m" * 15_000_000: 1}),
    "30,000 wrong parts": ("/v1/recommendations", WISH | {"own": [1] * 30_000, "kinds": [2] * 30_000}),
    "30,000 own parts": ("/v1/recommendations", WISH | {"own": ["RTX 3060 12GB"] * 30_000}),
    "30,000 kinds": ("/v1/recommendations", WISH | {"kinds": ["desktop"] * 30_000}),
    "50,000 fields of a wish": ("/v1/recommendations", WISH | {f"field {number}": 1 for number in range(50_000)}),
    "30,000 effects": ("/v1/calibrations", PROFILE | {"effects": PROFILE["effects"] * 7_000}),
}


@pytest.mark.parametrize("attack", LARGE)
def test_a_body_of_megabytes_costs_little_more_than_to_read_it(attacked: Server, attack: str) -> None:
    path, body = LARGE[attack]
    content = json.dumps(body).encode()
    harmless = b"[" + b"1234567," * (len(content) // 8) + b"1]"

    def spent_s(sent: bytes) -> float:
        """Processor time of the cheapest of some tries."""
        found = []
        for _ in range(3):
            before = cpu_s(attacked)
            answer = attacked.http.post(path, content=sent, headers=JSON)
            assert answer.status_code == (200 if sent is content and "scenarios" in body else 422)
            found.append(cpu_s(attacked) - before)
        return min(found)

    def held_bytes() -> int:
        """Memory after a body, the least of some tries: what of the last one is not given back yet does not count."""
        found = []
        for _ in range(4):
            attacked.http.post(path, content=content, headers=JSON)
            attacked.http.get("/healthz")  # the answer to a body is there before the server has let go of it
            found.append(sum(process.memory_info().rss for process in processes(attacked)))
        return min(found)

    ordinary_s = spent_s(harmless)
    attack_s = spent_s(content)
    assert attack_s < 5 * ordinary_s + 0.3
    memory = held_bytes()
    assert held_bytes() - memory < 20_000_000


def test_names_that_nobody_knows_cost_no_more_the_longer_they_are(attacked: Server) -> None:
    """A name of 300 characters took 32 ms to compare with those of all processors, a short one 3."""

    def spent_s(length: int) -> float:
        asked = [{"model": f"{number:04} {'b c ' * 75}"[:length].strip(), "hardware": CARD} for number in range(200)]
        before = cpu_s(attacked)
        found = attacked.predict({"scenarios": asked}).json()["predictions"]
        assert {item["error"]["code"] for item in found} == {"unknown_name"}
        return cpu_s(attacked) - before

    spent_s(61)
    assert spent_s(299) < 3 * spent_s(62) + 0.2


# Clients that leave.

def posted(path: str, body: object, client: str = "127.0.0.1") -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def leave(server: Server, path: str, body: object) -> None:
    with server.connect() as line:
        line.sendall(posted(path, body))
        time.sleep(0.05)


def test_what_clients_asked_that_have_left_is_not_computed(attacked: Server) -> None:
    """14 such requests cost 56 s: each ranking went on to its end."""
    attacked.http.post("/v1/recommendations", json=WISH)
    before = cpu_s(attacked)
    attacked.http.post("/v1/recommendations", json=WISH | {"context": 5000})
    one_s = cpu_s(attacked) - before
    before, ranked = cpu_s(attacked), metric(attacked, "advisor_rankings_total")
    for number in range(14):
        leave(attacked, "/v1/recommendations", WISH | {"context": 6000 + number})
    assert within(20, lambda: metric(attacked, "advisor_requests_under_way") == 1)  # this one
    time.sleep(0.5)
    assert metric(attacked, "advisor_rankings_total") == ranked
    assert "_Stopped" not in attacked.log.read_text()  # no traceback of what is stopped on purpose
    assert cpu_s(attacked) - before < 3 * one_s + 2


def test_a_batch_whose_client_has_left_is_stopped(attacked: Server) -> None:
    leave(attacked, "/v1/predictions", {"scenarios": [{"model": "Qwen3-8B", "hardware": CARD}] * 10_000})
    assert within(20, lambda: metric(attacked, "advisor_requests_under_way") == 1)
    before = cpu_s(attacked)
    time.sleep(1)
    assert cpu_s(attacked) - before < 0.5


# The same at once.

def test_the_same_ranking_asked_by_many_at_once_is_computed_once(attacked: Server) -> None:
    before = metric(attacked, "advisor_rankings_total")
    wish = WISH | {"context": 7777, "limit": 3}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(httpx.post, f"{attacked.url}/v1/recommendations", json=wish, timeout=60) for _ in range(8)]
        answers = [item.result() for item in asked]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert metric(attacked, "advisor_rankings_total") == before + 1


def test_one_client_of_the_same_leaves_and_the_others_are_answered(attacked: Server) -> None:
    wish = WISH | {"context": 7778, "limit": 3}
    with ThreadPoolExecutor(1) as pool:
        leaving = threading.Thread(target=leave, args=(attacked, "/v1/recommendations", wish))
        leaving.start()
        answer = pool.submit(httpx.post, f"{attacked.url}/v1/recommendations", json=wish, timeout=60).result()
        leaving.join()
    assert answer.status_code == 200


# Time limits and turns.

@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose answers may take half a second, with room for one half-sent body or two."""
    environment = {"ADVISOR_ANSWER_TIMEOUT_S": "0.5", "ADVISOR_MAX_OPEN_BODIES": "2"}
    with serving(tmp_path_factory.mktemp("hurried"), **environment) as running:
        # Its process starts for longer than an answer may take.
        assert within(30, lambda: running.predict({"scenarios": [SCENARIO]}).status_code == 200)
        yield running


def dear(number: int) -> dict[str, Any]:
    """A question that takes long: many cards, and a processor that nobody knows."""
    cards = [row.name for row in tables.gpus()][number : number + 16]
    words = f"{'a b ' * 70}{number}"
    return {"model": "DeepSeek-V3", "hardware": {"cpu": words, "gpus": [{"name": name, "count": 16} for name in cards]}}


async def asked_together(timeout_s: float, questions: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Who was told what, in the order of the answers."""
    together, told = Together(timeout_s, LoopShares()), []

    async def ask(client: str, scenario: Any) -> None:
        try:
            outcome = await together.answer(request_of(client, json.dumps(scenario).encode()), scenario, load())
            told.append((client, "refused" if isinstance(outcome, BadLine) else "answered"))
        except Refused as refused:
            told.append((client, refused.code))

    await asyncio.gather(*(ask(client, scenario) for client, scenario in questions))
    return told


def test_the_time_limit_holds_for_single_questions_too() -> None:
    told = asyncio.run(asked_together(0.05, [("stranger", dear(number)) for number in range(60)]))
    assert {code for _, code in told} <= {"answered", "refused", "too_slow"}
    assert ("stranger", "too_slow") in told
    assert told[0] != ("stranger", "too_slow")


def test_a_client_that_asks_much_does_not_come_before_others(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[Any] = []
    monkeypatch.setattr(service, "worked_out", lambda value: worked.append(value) or worked_out(value))
    questions = [("stranger", dear(number)) for number in range(60)] + [("other", SCENARIO)]
    told = asyncio.run(asked_together(600, questions))
    assert len(told) == len(worked) == 61
    assert ("other", "answered") in told
    assert worked.index(SCENARIO) == 1


def test_a_question_of_many_kinds_of_cards_is_answered_in_a_turn_of_its_own(attacked: Server) -> None:
    """Trying which of them to use takes as long as twenty other questions: nobody waits for it."""
    asked = dear(3)
    asked["hardware"]["cpu"] = "Ryzen 7 5800X"
    answer = attacked.predict(asked)
    assert (answer.status_code, answer.json()["fits"]) == (200, True)
    assert answer.json() == predict(Scenario.model_validate(asked), load()).model_dump(mode="json")
    refused = attacked.predict(asked | {"model": "gpt-oss-21b"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_name")


def test_the_same_single_question_of_many_at_once_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[Any] = []
    monkeypatch.setattr(service, "worked_out", lambda value: worked.append(value) or worked_out(value))
    told = asyncio.run(asked_together(600, [(str(number), SCENARIO) for number in range(20)] + [("x", dear(1))]))
    assert len(told) == 21
    assert worked.count(SCENARIO) == 1


def test_what_takes_too_long_is_stopped(hurried: Server) -> None:
    answer = hurried.http.post("/v1/recommendations", json=WISH)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_slow")
    assert within(10, lambda: metric(hurried, "advisor_requests_under_way") == 1)
    time.sleep(0.3)
    before = cpu_s(hurried)
    time.sleep(1)
    assert cpu_s(hurried) - before < 0.5


def test_a_client_that_takes_all_turns_leaves_some_for_others(attacked: Server) -> None:
    """The attacker asks for as many rankings as may wait; others are answered before those are done."""
    lines = [attacked.connect() for _ in range(18)]
    try:
        for number, line in enumerate(lines):
            line.sendall(posted("/v1/recommendations", WISH | {"context": 9000 + number}, "203.0.113.66"))
        answer = attacked.predict({"scenarios": [SCENARIO] * 50}, headers={"x-forwarded-for": "203.0.113.7"})
        assert answer.status_code == 200
        for line in lines[9:]:  # half of the places, those that run included
            assert line.recv(100).startswith(b"HTTP/1.1 503 ")
        assert metric(attacked, "advisor_requests_under_way") > 5  # the others still wait
    finally:
        for line in lines:
            line.close()
    assert within(20, lambda: metric(attacked, "advisor_requests_under_way") == 1)


def test_one_client_has_few_half_sent_bodies(hurried: Server) -> None:
    head = b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.%d\r\nContent-Length: 50\r\n\r\n{"
    lines = [hurried.connect() for _ in range(2)]
    try:
        for line in lines:
            line.sendall(head % 5)
        time.sleep(0.3)
        with hurried.connect() as line:
            line.sendall(head % 5)
            assert line.recv(100).startswith(b"HTTP/1.1 429 ")
        elsewhere = {"x-forwarded-for": "203.0.113.6"}
        assert hurried.predict(headers=elsewhere).status_code == 200
    finally:
        for line in lines:
            line.close()
    assert within(5, lambda: hurried.predict(headers={"x-forwarded-for": "203.0.113.5"}).status_code == 200)


# Stored calibrations.

@pytest.fixture(scope="module")
def storing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("storing")) as running:
        yield running


@pytest.fixture
def database(storing: Server) -> Iterator[list[Path]]:
    """The files of the database, which are there again afterwards."""
    kept = {path: path.read_bytes() for path in storing.log.parent.glob("api.sqlite3*")}
    yield list(kept)
    for path, content in kept.items():
        path.write_bytes(content)
    assert storing.http.get("/readyz").status_code == 200


def test_an_id_is_no_name_and_comes_before_any(storing: Server) -> None:
    first = storing.http.post("/v1/calibrations", json=PROFILE).json()
    for name in (first["id"], first["id"].upper(), "0" * 32):
        refused = storing.http.post("/v1/calibrations", json=PROFILE | {"name": name})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_profile")
        assert "looks like an id" in refused.json()["detail"]


def test_a_profile_of_other_efficiencies_is_said_and_not_used(storing: Server) -> None:
    other = PROFILE | {"name": "Of last year", "efficiencies_digest": "cd" * 32}
    assert storing.http.post("/v1/calibrations", json=other).status_code == 201
    plain = storing.predict().json()
    for asked in (SCENARIO, {"scenarios": [SCENARIO]}):
        answer = storing.predict(asked, params={"calibration": "Of last year"}).json()
        found = answer["predictions"][0] if "predictions" in answer else answer
        (said,) = [item for item in found["warnings"] if item["code"] == "calibration_not_used"]
        assert "'Of last year'" in said["message"]
        assert found["decode_tok_s"] == pytest.approx(plain["decode_tok_s"])
        assert found["calibration"] == "global"
    assert predict(Scenario.model_validate(SCENARIO), load()).warnings == ()


def test_a_database_whose_file_was_removed_is_noticed(storing: Server, database: list[Path]) -> None:
    storing.http.post("/v1/calibrations", json=PROFILE)
    kept = {path: path.read_bytes() for path in database}
    for path in database:
        path.unlink()
    answers = [
        storing.http.get("/readyz"), storing.http.post("/v1/calibrations", json=PROFILE | {"name": "lost"}),
        storing.http.get("/v1/calibrations"), storing.predict(params={"calibration": "Office box"}),
    ]
    assert {(item.status_code, item.json()["code"]) for item in answers} == {(503, "store_unavailable")}
    assert storing.predict().status_code == 200
    for path, content in kept.items():
        path.write_bytes(content)
    assert storing.http.get("/readyz").status_code == 200
    assert storing.http.get("/v1/calibrations/Office box").status_code == 200


def test_a_store_that_goes_away_is_said_so_and_predictions_go_on(storing: Server, database: list[Path]) -> None:
    for path in database:
        path.write_bytes(b"no database any more" * 1000)
    answers = [storing.http.get("/v1/calibrations"), storing.http.get("/readyz")]
    assert {(item.status_code, item.json()["code"]) for item in answers} == {(503, "store_unavailable")}
    assert storing.predict().status_code == 200
    assert storing.http.get("/healthz").status_code == 200


# The end.

def test_workers_and_what_they_started_end_with_a_killed_parent(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as running:
        workers = [psutil.Process(pid) for pid in worker_ids(running)]
        assert running.http.get("/v1/accuracy").status_code == 202  # half a minute's work of a process
        warm(running)
        below = [child for worker in workers for child in worker.children(recursive=True)]
        assert len(below) >= 2
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        _, alive = psutil.wait_procs([*workers, *below], timeout=20)
        assert alive == []
    with listening("127.0.0.1", running.port):  # nobody holds the port any more
        pass
