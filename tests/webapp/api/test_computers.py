"""What a computer there is runs, and what to buy for it, over HTTP."""

from typing import Any

import pytest

from advisor.buying.upgrades import UpgradeWish, upgrades_wished
from advisor.choosing.runnable import models_told
from advisor.client import Client, Problem
from advisor.market.market import shipped_market
from advisor.physics.knowledge import load
from advisor.question import Engine, Hardware, Scenario
from tests.webapp.api.running import CARD, PROFILE, Server

ASKED: dict[str, Any] = {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": CARD}
MACHINE: dict[str, Any] = {"machine": "M4 Max 64GB"}


@pytest.mark.parametrize("goal", ["faster", "longer", "people"])
def test_purchases_over_http_are_those_of_python(server: Server, goal: str) -> None:
    answer = server.http.post("/v1/upgrades", json=ASKED | {"goal": goal, "budget_usd": 600, "condition": "used"})
    assert answer.status_code == 200, answer.text
    wish = UpgradeWish.model_validate({"goal": goal, "budget_usd": 600, "condition": "used"})
    expected = upgrades_wished(Scenario.model_validate(ASKED), wish, shipped_market(), load())
    found = answer.json()
    assert [item["buy"] for item in found["purchases"]] == [item.buy for item in expected.purchases]
    assert [item["gain"] for item in found["purchases"]] == pytest.approx([item.gain for item in expected.purchases])
    assert (found["goal"], found["best"], found["said"]) == (goal, expected.best, list(expected.said))
    assert all(item["price_usd"] <= 600 for item in found["purchases"])


def test_a_machine_that_is_sold_whole_is_told_what_to_do_instead(server: Server) -> None:
    found = server.http.post("/v1/upgrades", json={"hardware": MACHINE}).json()  # a usual model where none is named
    assert (found["purchases"], found["best"]) == ([], None)
    assert "advisor recommend" in found["said"][0]
    assert found["now_model"] == "Qwen3.6-35B-A3B"


def test_the_client_asks_for_purchases_and_models(server: Server) -> None:
    with Client(server.url) as client:
        found = client.upgrades(Scenario.model_validate(ASKED), "faster", budget_usd=600)
        assert found.purchases[found.best or 0].gain >= 1.1
        assert client.upgrades(ASKED, budget_usd=600) == found
        runs = client.models_on(Hardware.model_validate(CARD), "coding", limit=3, context=16_384)
        assert len(runs.models) == 3
        assert all((row.longest_context or 0) >= 16_384 for row in runs.models)
        best, *_ = client.models("coding")
        assert best["index"]["p50"] > 0
        with pytest.raises(Problem, match="budget_usd must be more than 0"):
            client.upgrades(ASKED, budget_usd=-1)


def test_models_of_a_computer_are_those_of_python_whether_hardware_stands_alone_or_not(server: Server) -> None:
    scenario = Scenario(model="gpt-oss-20b", hardware=Hardware.model_validate(CARD), engine=Engine(n_ctx=65_536))
    expected = models_told(scenario, "coding", load(), 4)
    body = {"hardware": CARD, "task": "coding", "context": 65_536, "limit": 4}
    found = server.http.post("/v1/models", json=body).json()
    assert [row["id"] for row in found["models"]] == [row.id for row in expected.models]
    assert [row["decode_tok_s"]["p50"] for row in found["models"]] == pytest.approx(
        [row.decode_tok_s.p50 for row in expected.models if row.decode_tok_s]
    )
    alone = server.http.post("/v1/models", json=MACHINE).json()
    assert alone == server.http.post("/v1/models", json={"hardware": MACHINE, "task": "chat"}).json()
    assert alone["models"][0]["serves_task"]


def test_a_stored_calibration_counts(server: Server) -> None:
    server.http.post("/v1/calibrations", json=PROFILE)
    body = {"hardware": CARD, "limit": 1}
    plain, own = (
        server.http.post("/v1/models", json=body, params=asked).json() for asked in ({}, {"calibration": "Office box"})
    )
    assert plain["models"][0]["id"]
    assert plain != own
    lost = server.http.post("/v1/upgrades", json=ASKED, params={"calibration": "nobody's"})
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("/v1/upgrades", ASKED | {"goal": "cheaper"}, "invalid_scenario", "goal"),
        ("/v1/upgrades", ASKED | {"limit": 3}, "invalid_scenario", "limit"),
        ("/v1/upgrades", {"model": "gpt-oss-20b"}, "invalid_scenario", "hardware"),
        ("/v1/upgrades", ASKED | {"model": "gpt-oss-21b"}, "unknown_name", "gpt-oss-20b"),
        ("/v1/upgrades", ASKED | {"model": {"gguf": "x.gguf"}}, "invalid_input", "name the model"),
        ("/v1/upgrades", [], "invalid_scenario", "object"),
        ("/v1/models", {"hardware": {"gpus": [{"name": "RTX 3061"}]}}, "unknown_name", "RTX 3060"),
        ("/v1/models", {"hardware": {}}, "invalid_scenario", "hardware"),
        ("/v1/models", {"hardware": CARD, "model": "gpt-oss-20b"}, "invalid_scenario", "model"),
        ("/v1/models", {"hardware": CARD, "limit": 0}, "invalid_scenario", "limit"),
        ("/v1/models", {}, "invalid_scenario", "hardware"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(
    server: Server, path: str, body: Any, code: str, said: str
) -> None:
    answer = server.http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert said in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
