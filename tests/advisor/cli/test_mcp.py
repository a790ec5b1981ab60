"""`advisor mcp` asked by the protocol's own client, over standard input and output of a process of its own."""

import asyncio
import json
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent, Tool

from advisor.buying.advice import advise
from advisor.buying.upgrades import UpgradeWish, upgrades_wished
from advisor.buying.wish import Wish
from advisor.choosing.tasks import TASKS
from advisor.market.market import shipped_market
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario

CARD = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3600, "gb": 32}}
QUESTIONS: dict[str, dict[str, Any]] = {
    "predict": {"model": "gpt-oss-20b", "hardware": CARD},
    "recommend": {"model": "gpt-oss-20b", "budget_usd": 1500, "limit": 2},
    "upgrade": {"hardware": CARD, "budget_usd": 500},
    "models": {"task": "coding", "hardware": CARD, "limit": 4},
    "quants": {"model": "Qwen3-8B", "hardware": CARD},
    "prices": {"part": "RTX 3090", "condition": "used", "as_of": "2026-11-01"},
    "compare_with_api": {"model": "Qwen3.6-35B-A3B", "hardware": CARD, "price_usd": 900, "hours_per_day": 8},
    "names": {"kind": "machines"},
}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown model": ("predict", {"model": "gpt-oss-21b", "hardware": CARD}, "gpt-oss-20b"),
    "an unknown card": ("predict", {"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3061"}]}}, "RTX 3060"),
    "an unknown part": ("prices", {"part": "RTX 3061"}, "RTX 3060"),
    "an unknown field": ("predict", {"model": "gpt-oss-20b", "hardware": {"gpu": "RTX 3090"}}, "gpu"),
    "a file that is not there": ("predict", {"model": {"gguf": "nowhere.gguf"}, "hardware": CARD}, "no such file"),
    "a quant of no model": ("recommend", {"task": "chat", "quant": "Q4_K_M"}, "quant is of a model"),
    "a purchase for an unknown card": ("upgrade", {"hardware": {"gpus": [{"name": "RTX 3061"}]}}, "RTX 3060"),
    "electricity of no country": ("compare_with_api", {"model": "Qwen3-8B", "hardware": CARD, "country": "Atlantis"},
                                  "no price of electricity"),
    "a wrong number": ("recommend", {"model": "gpt-oss-20b", "budget_usd": -5}, "budget_usd"),
    "a tool that is none": ("sell", {}, "sell"),
}


COMPARED: dict[str, dict[str, Any]] = {
    "a computer there is": {"model": "Qwen3.6-35B-A3B", "hardware": CARD, "country": "DE"},
    "a model that no API sells": {"model": "SmolLM2-135M", "hardware": CARD},
    "a model too large": {"model": "DeepSeek-V3", "hardware": {"machine": "M4 Max 64GB"}, "power_w": 300},
}
BY_TASK: dict[str, dict[str, Any]] = {
    "a task": {"task": "coding", "budget_usd": 1500, "limit": 1},
    "nothing serves": {"model": "gpt-oss-120b", "budget_usd": 100},
}


async def asked(questions: list[tuple[str, dict[str, Any]]], home: str) -> tuple[list[Tool], list[CallToolResult]]:
    """The tools that there are and the answers to calls, one after the other."""
    started = StdioServerParameters(command=sys.executable, args=["-m", "advisor", "mcp"], env={"ADVISOR_HOME": home})
    async with stdio_client(started) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        return list(tools), [await session.call_tool(name, question) for name, question in questions]


def text_of(answer: CallToolResult) -> str:
    (content,) = answer.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Tool], dict[str, CallToolResult]]:
    by_task = [("recommend", question) for question in BY_TASK.values()]
    compared = [("compare_with_api", question) for question in COMPARED.values()]
    refused = [(tool, question) for tool, question, _ in REFUSED.values()]
    questions = [*QUESTIONS.items(), *by_task, *compared, *refused]
    tools, answers = asyncio.run(asked(questions, str(tmp_path_factory.mktemp("home"))))
    return tools, dict(zip([*QUESTIONS, *BY_TASK, *COMPARED, *REFUSED], answers, strict=True))


Told = tuple[list[Tool], dict[str, CallToolResult]]


def test_each_tool_says_what_it_does_takes_and_gives(told: Told) -> None:
    tools = {tool.name: tool for tool in told[0]}
    assert set(tools) == set(QUESTIONS)
    for tool in tools.values():
        assert tool.description
        assert tool.description.endswith(".")
        assert tool.output_schema
        assert tool.output_schema["type"] == "object"
        assert tool.annotations
        assert tool.annotations.read_only_hint
    asking = [name for name, tool in tools.items() if tool.annotations and tool.annotations.open_world_hint]
    assert asking == ["predict"]


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_are_typed(told: Told, name: str) -> None:
    tools, answers = told
    schema = next(tool.output_schema for tool in tools if tool.name == name)
    answer = answers[name]
    assert not answer.is_error, text_of(answer)
    assert schema
    Draft202012Validator(schema).validate(answer.structured_content)
    assert json.loads(text_of(answer)) == answer.structured_content
    assert len(text_of(answer)) < 40_000


def test_a_prediction_is_that_of_the_command_line(told: Told) -> None:
    found = told[1]["predict"].structured_content
    assert found == predict(Scenario.model_validate(QUESTIONS["predict"]), load()).model_dump(mode="json")


def test_builds_keep_the_budget_and_models_run(told: Told) -> None:
    answers = {name: answer.structured_content or {} for name, answer in told[1].items()}
    builds = answers["recommend"]["builds"]
    picked = {pick["build"] for pick in answers["recommend"]["picks"]}
    assert len(builds) == len(picked | {0, 1})
    assert max(picked) < len(builds)
    assert all(pick["why"] for pick in answers["recommend"]["picks"])
    assert all(build["price_usd"] <= 1500 and build["decode_tok_s"]["p50"] >= 5 for build in builds)
    sums = [sum(part["price_usd"] for part in build["parts"]) for build in builds]
    assert sums == pytest.approx([build["price_usd"] for build in builds])
    assert len(answers["models"]["models"]) == 4
    assert all(row["decode_tok_s"]["p50"] > 0 for row in answers["models"]["models"])
    bits = [row["bits_per_weight"] for row in answers["quants"]["quants"]]
    assert bits == sorted(bits, reverse=True)
    assert answers["prices"]["estimate"]["low_usd"] < answers["prices"]["estimate"]["high_usd"]
    assert "DGX Spark" in answers["names"]["names"]


def test_a_task_has_its_model_chosen_and_picks_among_the_builds(told: Told) -> None:
    found = told[1]["a task"].structured_content or {}
    ranked = advise(Wish(task="coding", budget_usd=1500, limit=1), load())
    assert [(pick["pick"], pick["build"]) for pick in found["picks"]] == [(p.pick, p.build) for p in ranked.picks]
    assert [build["name"] for build in found["builds"]] == [build.name for build in ranked.builds]
    assert found["builds"][found["picks"][0]["build"]]["model"] in found["models"][0]
    assert found["ways_out"] == []


def test_where_nothing_serves_there_are_ways_out(told: Told) -> None:
    found = told[1]["nothing serves"].structured_content or {}
    assert (found["builds"], found["picks"]) == ([], [])
    assert all(way["change"] for way in found["ways_out"])
    assert found["ways_out"][0]["build"]["price_usd"] > 0


def test_purchases_are_those_of_the_command_line(told: Told) -> None:
    found = told[1]["upgrade"].structured_content or {}
    asked = Scenario.model_validate({"model": "Qwen3.6-35B-A3B", "hardware": CARD})
    expected = upgrades_wished(asked, UpgradeWish(budget_usd=500), shipped_market(), load())
    assert [item["buy"] for item in found["purchases"]] == [item.buy for item in expected.purchases]
    assert found["purchases"]
    assert (found["best"], found["now"]) == (expected.best, pytest.approx(expected.now))


def test_a_computer_is_compared_with_what_an_api_costs(told: Told) -> None:
    """By hand: the card's 170 W, the processor's 105 W in turbo (1.35) and 60 W for the rest; prices as they ship."""
    found = told[1]["compare_with_api"].structured_content or {}
    assert found["power_w"] == pytest.approx(170 + 105 * 1.35 + 60)
    assert [price["kind"] for price in found["prices"]] == ["lowest", "median"]
    assert all(price["source"] and price["as_of"] for price in found["prices"])
    (lowest, _), speeds = found["prices"], [found[name]["p05"] for name in ("prefill_tok_s", "decode_tok_s")]
    steps = 8 * 3600 * 30.4 / (TASKS["chat"].new / speeds[0] + TASKS["chat"].writes / speeds[1])
    read, written = TASKS["chat"].new * lowest["input_usd_per_m"], TASKS["chat"].writes * lowest["output_usd_per_m"]
    assert found["costs"]["api_usd_per_month"][0] == pytest.approx(steps * (read + written) / 1e6)
    assert found["costs"]["pays_back_months"][0] == pytest.approx(
        900 / (found["costs"]["api_usd_per_month"][1] - found["costs"]["power_usd_per_month"]), abs=0.06
    )
    assert "the computer pays back after" in found["said"][1]


def test_what_cannot_be_compared_is_said(told: Told) -> None:
    there, unsold, too_large = (told[1][name].structured_content or {} for name in COMPARED)
    assert there["costs"]["pays_back_months"] is None
    assert "(Germany)" in there["said"][0]
    assert "over an API" in there["said"][1]
    assert (unsold["prices"], unsold["costs"]["api_usd_per_month"]) == ([], None)
    assert "no API's price of SmolLM2-135M is known" in unsold["said"]
    assert (too_large["costs"], too_large["power_w"]) == (None, 300)
    assert any("does not fit" in sentence for sentence in too_large["said"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_told_to_the_model_with_the_way_out(told: Told, name: str) -> None:
    answer = told[1][name]
    assert answer.is_error
    assert REFUSED[name][2] in text_of(answer)
    assert "Traceback" not in text_of(answer)
