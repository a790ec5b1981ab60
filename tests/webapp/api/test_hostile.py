"""Bodies and clients that mean no good or know no better, over a real connection: refused, and the server goes on."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.webapp.api.running import CARD, PROFILE, SCENARIO, Server, serving

POSTED = ("/v1/predictions", "/v1/recommendations", "/v1/calibrations")
LARGE = 50_000_000


def sent(server: Server, path: str, content: bytes) -> tuple[int, str]:
    """Status and code of the refusal of a body, sent as it is; the server must answer others afterwards."""
    answer = server.http.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert server.predict().status_code == 200
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "invalid_json"),
        (b'{"scenarios":' * 50_000 + b"1" + b"}" * 50_000, "invalid_json"),
        (b'{"model": NaN}', "invalid_json"),
        (b'{"model": [Infinity, -Infinity]}', "invalid_json"),
        (b'{"model": "\xff\xfe"}', "invalid_utf8"),
        (b'{"model": "\xed\xa0\x80"}', "invalid_utf8"),
        (b"", "invalid_json"),
    ],
)
def test_what_is_no_json_is_refused_wherever_it_is_sent(server: Server, path: str, content: bytes, code: str) -> None:
    assert sent(server, path, content) == (400, code)


@pytest.mark.parametrize("number", [b"1e308", b"-1e308", b"1e999", b"123456789012345678901234567890"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/predictions", SCENARIO | {"workload": {"context_depth": "?"}}),
        ("/v1/predictions", SCENARIO | {"hardware": CARD | {"storage": {"read_gb_s": "?"}}}),
        ("/v1/predictions", SCENARIO | {"engine": {"n_ctx": "?"}}),
        ("/v1/recommendations", {"model": "gpt-oss-20b", "kinds": ["unified"], "context": "?"}),
        ("/v1/calibrations", PROFILE | {"effects": [PROFILE["effects"][0] | {"standard_error": "?"}]}),
    ],
)
def test_numbers_beyond_all_sense_are_refused(server: Server, path: str, body: dict[str, Any], number: bytes) -> None:
    status, _ = sent(server, path, json.dumps(body).encode().replace(b'"?"', number))
    assert status in {400, 422}


@pytest.mark.parametrize("field", ["storage", "ram"])
def test_a_number_next_to_nothing_is_answered_or_refused(server: Server, field: str) -> None:
    tiny = {"storage": {"read_gb_s": 1e-320}, "ram": {"gb": 1e-320}}[field]
    answer = server.predict(SCENARIO | {"hardware": CARD | {field: tiny}})
    assert answer.status_code in {200, 422}
    assert server.predict().status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_fifty_megabytes_are_read_to_their_end_and_refused(server: Server, chunked: bool) -> None:
    part = b"x" * 1_000_000
    parts: Any = (part for _ in range(LARGE // len(part))) if chunked else part * (LARGE // len(part))
    answer = server.http.post("/v1/predictions", content=parts, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert server.predict().status_code == 200


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that soon has enough of slow clients."""
    environment = {"ADVISOR_SEND_TIMEOUT_S": "1", "ADVISOR_BODY_TIMEOUT_S": "1"}
    with serving(tmp_path_factory.mktemp("impatient"), **environment) as running:
        yield running


def test_a_client_that_does_not_take_its_answers_is_dropped_with_them(impatient: Server) -> None:
    table = impatient.http.get("/v1/catalog/gpus", headers={"accept-encoding": "identity"}).content
    count = LARGE // len(table)
    with impatient.connect() as line:
        line.sendall(b"GET /v1/catalog/gpus HTTP/1.1\r\nHost: x\r\n\r\n" * count)
        until = time.monotonic() + 30
        while not any(item["event"] == "answer not taken" for item in impatient.log_lines()):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert impatient.predict().status_code == 200
    said = impatient.http.get("/metrics").text
    assert re.search(r"^advisor_requests_under_way 1\.0$", said, re.MULTILINE)  # this one


def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(impatient: Server) -> None:
    with impatient.connect() as line:
        line.sendall(b"GET /v1/catalog/gpus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := line.recv(16_384):
            answer += part
            time.sleep(0.02)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"content-length: {len(content)}".encode() in head


def test_a_body_that_comes_byte_by_byte_is_given_up(impatient: Server) -> None:
    with impatient.connect() as line:
        line.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n")
        line.settimeout(0.1)
        answer = b""
        while not answer:
            line.sendall(b" ")
            with suppress(TimeoutError):
                answer = line.recv(100)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert impatient.predict().status_code == 200


def test_half_a_body_and_then_nothing_costs_nothing(server: Server) -> None:
    for left in (b"", b'{"model": "gpt-', b"0\r\n"):
        for head in (b"Content-Length: 500", b"Transfer-Encoding: chunked"):
            with server.connect() as line:
                line.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + left)
    assert server.predict().status_code == 200
