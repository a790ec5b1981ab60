"""Predictions over HTTP: many in one call, refusals that say what to mend, and model files."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.webapp.api.running import CARD, SCENARIO, Server


def test_many_scenarios_are_answered_in_order_with_an_error_in_the_place_of_each_bad_one(server: Server) -> None:
    unknown = {"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3061"}]}}
    found = server.predict({"scenarios": [SCENARIO, unknown, 3, {"model": "x" * 301}, SCENARIO]}).json()["predictions"]
    assert [item.get("error", {}).get("code") for item in found] == [
        None, "unknown_name", "invalid_scenario", "invalid_scenario", None,
    ]
    assert found[1]["error"]["input"] == unknown
    assert "RTX 3060" in found[1]["error"]["message"]
    assert found[0] == found[4]


def test_what_a_mistake_costs_is_told_over_http_too(server: Server) -> None:
    one_module = {"type": "DDR4", "mt_s": 3200, "channels": 1, "gb": 16}
    mixed = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M"}
    asked = [mixed | {"hardware": CARD | {"ram": one_module | {"channels": channels}}} for channels in (1, 2)]
    one, two = ({item["code"]: item["message"] for item in server.predict(each).json()["warnings"]} for each in asked)
    assert "tok/s" in one["one_module"]
    assert "one_module" not in two


def test_ten_thousand_scenarios_are_taken_and_one_more_is_not(server: Server) -> None:
    found = server.predict({"scenarios": [{"model": "gpt-oss-20b"}] * 10_000}).json()["predictions"]
    assert len(found) == 10_000
    more = server.predict({"scenarios": [{"model": "gpt-oss-20b"}] * 10_001})
    assert (more.status_code, more.json()["code"]) == (422, "invalid_scenario")
    assert server.predict({"scenarios": []}).status_code == 422


@pytest.mark.parametrize(
    ("asked", "status", "code", "said"),
    [
        ({"model": "gpt-oss-20b", "hardware": {"gpu": 1}}, 422, "invalid_scenario", "has no field 'gpu'"),
        ({"scenarios": [SCENARIO], "x": 1}, 422, "invalid_scenario", "no field 'x'"),
        ({"model": "gpt-oss-21b", "hardware": CARD}, 422, "unknown_name", "gpt-oss-20b"),
        ({**SCENARIO, "hardware": {"cpu": "Ryzen 7 5800X", "ram": {"type": "DDR5"}}}, 422, "invalid_input", "DDR4"),
        ({**SCENARIO, "workload": {"prompt_tokens": 1e308}}, 422, "invalid_scenario", "prompt_tokens"),
        ({"model": "gpt-oss-20b"}, 422, "invalid_scenario", "nothing to run on"),
        ([SCENARIO], 422, "invalid_scenario", "an object"),
        (3, 422, "invalid_scenario", "an object"),
    ],
)
def test_a_question_that_has_no_answer_is_a_problem_that_says_why(
    server: Server, asked: object, status: int, code: str, said: str
) -> None:
    answer = server.predict(asked)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert said in problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    kind = server.http.get(problem["type"]).json()
    assert (kind["code"], kind["title"]) == (code, problem["title"])


def test_the_nearest_names_are_there_for_programs(server: Server) -> None:
    problem = server.predict({"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3061"}]}}).json()
    assert "RTX 3060 12GB" in problem["nearest"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "invalid_json"),
        (b"", "invalid_json"),
        (b'{"model": NaN}', "invalid_json"),
        (b'{"model": -Infinity}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"a":' * 50_000, "invalid_json"),
        (b'{"model": "\xff\xfe"}', "invalid_utf8"),
        (b'{"model": "\\ud800"}', "invalid_json"),
        (b'{"model": 1e308}', "invalid_scenario"),
        (b'{"model": 1e999}', "invalid_scenario"),
        (b'{"model": ' + b"9" * 5000 + b"}", "invalid_json"),
    ],
)
def test_what_is_no_json_or_no_number_is_refused(server: Server, content: bytes, code: str) -> None:
    answer = server.http.post("/v1/predictions", content=content, headers={"content-type": "application/json"})
    assert answer.json()["code"] == code
    assert answer.status_code in {400, 422}


def test_a_body_that_is_not_declared_as_json_is_refused(server: Server) -> None:
    answer = server.http.post("/v1/predictions", content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_large_answers_are_compressed_where_the_client_takes_that(server: Server) -> None:
    asked = {"scenarios": [SCENARIO] * 5}
    packed = server.predict(asked, headers={"accept-encoding": "gzip"})
    plain = server.predict(asked, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()


class TestModelFiles:
    def test_a_file_in_the_folder_is_predicted_from_its_header(self, server: Server, models_folder: Path) -> None:
        synth = (sys.executable, "-m", "advisor", "engine", "synth", "--model", "Qwen3-0.6B", "--quant", "Q4_0",
                 "--layers", "2", "--vocab", "512", "--output", str(models_folder / "small.gguf"))
        subprocess.run(synth, check=True, capture_output=True)
        answer = server.predict({"model": {"gguf": "small.gguf"}, "hardware": CARD})
        assert answer.status_code == 200, answer.text
        assert answer.json()["placement"]["weights_gb"] < 0.1
        assert str(models_folder) not in answer.text

    @pytest.mark.parametrize(
        "path", ["/etc/passwd", "../outside.gguf", "a/../../outside.gguf", "link.gguf", "folder/outside.gguf",
                 "no.gguf", ".", "", "\0", "x" * 290, "split-00001-of-00002.gguf"],
    )
    def test_nothing_outside_is_read_and_nothing_is_told_of_it(
        self, server: Server, models_folder: Path, path: str
    ) -> None:
        outside = models_folder.parent / "outside.gguf"
        outside.write_bytes(b"GGUF")
        for name in ("link.gguf", "split-00002-of-00002.gguf"):
            (models_folder / name).unlink(missing_ok=True)
            (models_folder / name).symlink_to(outside)
        (models_folder / "split-00001-of-00002.gguf").write_bytes(b"GGUF")
        (models_folder / "folder").unlink(missing_ok=True)
        (models_folder / "folder").symlink_to(models_folder.parent)
        answer = server.predict({"model": {"gguf": path}, "hardware": CARD})
        assert answer.status_code == 422
        assert str(models_folder.parent) not in answer.text
        if path:
            assert "no such model file" in answer.json()["detail"]

    def test_a_damaged_file_is_refused_without_its_place(self, server: Server, models_folder: Path) -> None:
        (models_folder / "damaged.gguf").write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 100)
        answer = server.predict({"model": {"gguf": "damaged.gguf"}, "hardware": CARD})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert "damaged.gguf" in answer.json()["detail"]
        assert str(models_folder) not in answer.text
