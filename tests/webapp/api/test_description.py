"""The API describes itself: every call with an example that works, every problem documented, nothing undocumented."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.webapp.api.fuzzing import make_calls
from tests.webapp.api.running import Server
from webapp.api.problems import KINDS

CALLS_EACH = 10
"""Some 200 calls; tests/benchmarks/api_fuzz.py makes thousands."""


@pytest.fixture(scope="session")
def described(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get("/openapi.json").json()
    return found


def test_made_up_calls_get_documented_answers_and_never_a_defect(server: Server) -> None:
    assert make_calls(server.url, CALLS_EACH, run=1).total() >= 10 * CALLS_EACH


def operations(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{method} {path}": item for path, all_ in described["paths"].items() for method, item in all_.items()}


def test_it_is_openapi_3_1_with_the_calls_of_the_contract(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    assert set(operations(described)) == {
        "post /v1/predictions", "post /v1/recommendations", "post /v1/models", "post /v1/upgrades",
        "get /v1/catalog/{kind}", "get /v1/models",
        "get /v1/quants", "get /v1/prices/{part}", "post /v1/calibrations", "get /v1/calibrations",
        "get /v1/calibrations/{calibration}", "get /v1/accuracy", "get /v1/problems", "get /v1/problems/{code}",
        "get /healthz", "get /readyz", "get /metrics",
    }


def test_every_answer_has_an_example_that_its_schema_allows(described: dict[str, Any]) -> None:
    for name, operation in operations(described).items():
        for status, answer in operation["responses"].items():
            for media, content in answer.get("content", {}).items():
                shown = [item["value"] for item in content.get("examples", {}).values()] or [content["example"]]
                for example in shown if "json" in media else ():
                    check(content["schema"], example, described, f"{name} {status}")


def check(schema: dict[str, Any], example: object, described: dict[str, Any], where: str) -> None:
    whole = {**schema, "components": described["components"]}
    errors = list(Draft202012Validator(whole).iter_errors(example))
    assert errors == [], where


def test_every_example_of_a_body_is_allowed_and_works(server: Server, described: dict[str, Any]) -> None:
    for name, operation in operations(described).items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            check(content["schema"], example["value"], described, name)
            answer = server.http.post(name.split()[1], json=example["value"])
            assert answer.status_code in {200, 201}, answer.text


def test_every_kind_of_problem_is_documented_with_its_status(described: dict[str, Any]) -> None:
    shown = {
        (example["value"]["code"], int(status))
        for operation in operations(described).values()
        for status, answer in operation["responses"].items()
        for example in answer.get("content", {}).get("application/problem+json", {}).get("examples", {}).values()
    }
    assert shown == {(code, kind.status) for code, kind in KINDS.items()} - {("method_not_allowed", 405)}


@pytest.mark.parametrize("field", ["count", "pcie_gen", "cpu", "ram", "engine", "workload"])
def test_a_field_that_may_be_left_out_may_be_null_and_is_described_so(described: dict[str, Any], field: str) -> None:
    kinds = described["components"]["schemas"]
    scenario, card = kinds["Scenario-Input"]["properties"], kinds["GpuRequest-Input"]["properties"]
    (found,) = [kind[field] for kind in (scenario, kinds["Hardware-Input"]["properties"], card) if field in kind]
    assert {"type": "null"} in found["anyOf"]
