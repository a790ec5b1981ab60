"""What bounds a request, what every answer carries, and what those who run the server see."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from advisor.cli.app import run
from advisor.errors import InputError
from tests.webapp.api.running import SCENARIO, Server, free_port, serving
from webapp.api.answers import Entity
from webapp.api.gate import CLIENTS, LOOP_BURST_S, LOOP_SHARE, CallRates, LoopShares
from webapp.api.settings import load_settings

ELSEWHERE = {"x-forwarded-for": "203.0.113.7"}
"""As a proxy on this computer passes a client's address on."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits."""
    environment = {
        "ADVISOR_MAX_BODY_BYTES": "20000", "ADVISOR_BODY_TIMEOUT_S": "1", "ADVISOR_HEADER_TIMEOUT_S": "1",
        "ADVISOR_RATE_PER_S": "0.01", "ADVISOR_RATE_BURST": "3", "ADVISOR_MAX_REQUESTS": "8",
        "ADVISOR_ANSWER_TIMEOUT_S": "0.05", "ADVISOR_MAX_COMPUTATIONS": "1",
        "ADVISOR_CORS_ORIGINS": "https://example.org",
    }
    with serving(tmp_path_factory.mktemp("strict"), **environment) as running:
        yield running


def test_a_client_that_asks_too_often_is_told_when_to_come_back(strict: Server) -> None:
    codes = [strict.predict(headers=ELSEWHERE).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    refused = strict.predict(headers=ELSEWHERE | {"origin": "https://example.org"})
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["access-control-allow-origin"] == "https://example.org"  # or a page could not read it
    assert 1 <= int(refused.headers["retry-after"]) <= 101
    assert strict.predict(headers={"x-forwarded-for": "203.0.113.8"}).status_code == 200
    assert strict.predict().status_code == 200


@pytest.mark.parametrize("size", [20_001, 100_000, 50_000_000])
def test_a_body_that_is_too_large_is_refused_and_the_server_goes_on(strict: Server, size: int) -> None:
    content = b'{"model": "' + b"x" * (size - 13) + b'"}'
    if size > 8 * 20_000:  # so much is not even read: the answer comes first
        with strict.connect() as line:
            head = f"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
            line.sendall(head.encode() + content[:1000])
            assert line.recv(100).startswith(b"HTTP/1.1 413 ")
    else:
        answer = strict.http.post("/v1/predictions", content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert strict.predict().status_code == 200


def test_a_body_without_a_length_is_bounded_too(strict: Server) -> None:
    chunks = (b" " * 10_000 for _ in range(5))
    answer = strict.http.post("/v1/predictions", content=chunks, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_answer_that_takes_too_long_is_given_up(strict: Server) -> None:
    wish = strict.http.post("/v1/recommendations", json={"model": "Qwen3.6-35B-A3B"})
    assert (wish.status_code, wish.json()["code"]) == (503, "too_slow")
    assert strict.predict().status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{", b"408"),
        (b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\n", b"408"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000, b"431"),
        (b"this is no HTTP\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
    ],
)
def test_what_is_no_whole_request_is_answered_and_closed(strict: Server, sent: bytes, status: bytes) -> None:
    with strict.connect() as line:
        line.sendall(sent)
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    assert answer.split(b" ", 2)[1] == status
    assert b"application/problem+json" in answer
    assert strict.predict().status_code == 200


def test_a_client_that_leaves_half_way_costs_nothing(strict: Server) -> None:
    for sent in (b"", b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"):
        with strict.connect() as line:
            line.sendall(sent)
    assert strict.predict().status_code == 200


def test_more_requests_than_are_taken_at_a_time_are_told_to_come_back(strict: Server) -> None:
    open_requests = [strict.connect() for _ in range(8)]
    try:
        for line in open_requests:
            line.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        time.sleep(0.3)
        refused = strict.predict()
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "busy", "1")
        assert strict.http.get("/healthz").status_code == 200
    finally:
        for line in open_requests:
            line.close()
    time.sleep(0.3)
    assert strict.predict().status_code == 200


def test_a_page_of_a_named_origin_may_ask_and_of_no_other(server: Server) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    good = server.http.options("/v1/predictions", headers={"origin": "https://example.org", **asked})
    assert (good.status_code, good.headers["access-control-allow-origin"]) == (200, "https://example.org")
    other = server.http.options("/v1/predictions", headers={"origin": "https://example.net", **asked})
    assert "access-control-allow-origin" not in other.headers


def test_every_answer_has_an_id_which_the_client_may_give(server: Server) -> None:
    given = server.http.get("/healthz", headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    made = [server.http.get("/v1/nothing", headers={"x-request-id": bad}) for bad in ("a b", "x" * 65, "{}")]
    ids = {answer.headers["x-request-id"] for answer in made}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", item) for item in ids)


def test_each_request_is_one_line_of_json_in_the_log(server: Server) -> None:
    server.predict(headers={"x-request-id": "in-the-log"})
    until = time.monotonic() + 10  # the line is written after the answer
    while not (found := [item for item in server.log_lines() if item.get("request_id") == "in-the-log"]):
        assert time.monotonic() < until
    (line,) = found
    assert (line["event"], line["method"], line["route"], line["status"]) == ("request", "POST", "/v1/predictions", 200)
    assert line["seconds"] > 0
    assert line["bytes"] > 1000


def test_no_address_breaks_a_line_of_the_log(server: Server) -> None:
    server.http.get("/v1/prices/%E2%80%A8%C2%85%0A%22", headers={"x-request-id": "strange"})
    until = time.monotonic() + 10
    while not (found := [item for item in server.log_lines() if item.get("request_id") == "strange"]):
        assert time.monotonic() < until
    assert found[0]["path"] == '/v1/prices/\u2028\x85\n"'


def test_metrics_count_requests_and_predictions(server: Server) -> None:
    def value(name: str) -> float:
        text = server.http.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    requests = 'advisor_requests_total{method="POST",route="/v1/predictions",status="200"}'
    answered, refused = (f'advisor_predictions_total{{outcome="{name}"}}' for name in ("answered", "refused"))
    before = [value(name) for name in (requests, answered, refused)]
    server.predict({"scenarios": [SCENARIO, SCENARIO, 3]})
    assert [value(name) for name in (requests, answered, refused)] == [before[0] + 1, before[1] + 2, before[2] + 1]


def test_the_server_says_that_it_lives_and_that_it_can_answer(server: Server) -> None:
    for path in ("/healthz", "/readyz"):
        assert server.http.get(path).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ADVISOR_WORKERS", "0"), ("ADVISOR_MAX_BODY_BYTES", "x"), ("ADVISOR_DATABASE_URL", "mysql://x/y"),
     ("ADVISOR_DATABASE_URL", "nonsense"), ("ADVISOR_LOG_LEVEL", "LOUD")],
)
def test_a_setting_that_is_none_is_refused_in_one_sentence(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert run(["serve", "--port", str(free_port())]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert variable in err


def test_a_port_that_is_taken_is_said_in_one_sentence(server: Server, tmp_path: Path) -> None:
    for workers in ("1", "2"):
        done = subprocess.run(
            (sys.executable, "-m", "advisor", "serve", "--port", str(server.port), "--workers", workers),
            capture_output=True, text=True, env={"PATH": "", "ADVISOR_HOME": str(tmp_path)}, check=False,
        )
        assert done.returncode == 2
        assert f"port {server.port}: address already in use" in done.stderr.splitlines()[-1]


def test_settings_come_from_the_environment_and_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_WORKERS", "3")
    monkeypatch.setenv("ADVISOR_DATABASE_URL", "postgres://user@host/name")
    monkeypatch.setenv("ADVISOR_CORS_ORIGINS", "https://a.example, https://b.example")
    found = load_settings(host="0.0.0.0")
    assert (found.workers, found.host, found.is_local) == (3, "0.0.0.0", False)
    assert found.database == "postgresql+psycopg://user@host/name"
    assert found.cors_origins == ("https://a.example", "https://b.example")
    assert load_settings(workers=2).workers == 2
    with pytest.raises(InputError, match="ADVISOR_WORKERS is refused"):
        load_settings(workers=1000)


def test_a_bucket_fills_again_and_clients_asked_long_ago_are_forgotten() -> None:
    """Two a second and a burst of two, by hand: at 0 s two go through, at 0.4 s none (0.8 there), at 0.5 s one."""
    clock = [0.0]
    rates = CallRates(2, 2, lambda: clock[0])
    assert [rates.wait_s("a") for _ in range(3)] == [0, 0, 0.5]
    clock[0] = 0.4
    assert rates.wait_s("a") == pytest.approx(0.1)
    clock[0] = 0.5
    assert rates.wait_s("a") == 0
    for number in range(CLIENTS):
        rates.wait_s(f"client {number}")
    assert rates.wait_s("a") == 0  # forgotten, and so with a full bucket
    assert CallRates(0, 1).wait_s("a") == 0


def test_who_has_taken_his_share_of_the_loop_has_none_until_it_has_come_back() -> None:
    """By hand: twice what may be taken at once is owed back after as long as that takes to come; others have theirs."""
    clock = [0.0]
    shares = LoopShares(lambda: clock[0])
    shares.took("a", LOOP_BURST_S * 0.9)
    assert shares.has_left("a")
    shares.took("a", LOOP_BURST_S * 1.1)
    clock[0] = LOOP_BURST_S / LOOP_SHARE - 0.01
    assert not shares.has_left("a")
    assert shares.has_left("b")
    clock[0] += 0.02
    assert shares.has_left("a")
    shares.took("127.0.0.1", 100.0)
    assert shares.has_left("127.0.0.1")


def test_a_tag_tells_contents_apart() -> None:
    assert Entity(b"1").tag == Entity(b"1").tag != Entity(b"2").tag


def test_long_computations_do_not_hold_up_short_ones(server: Server) -> None:
    threads = [threading.Thread(target=server.predict, args=({"scenarios": [SCENARIO] * 3000},)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert all(server.http.get("/healthz").status_code == 200 for _ in range(20))
    finally:
        for thread in threads:
            thread.join()
