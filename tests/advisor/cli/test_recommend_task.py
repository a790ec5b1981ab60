"""`advisor recommend` without a model: it chooses one, picks computers and says why, or names the nearest ways out."""

import json
from functools import cache
from typing import Any

import pytest

from advisor.cli.app import run

Captured = pytest.CaptureFixture[str]


@cache
def told(*arguments: str) -> str:
    """What the command prints, once for all tests."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(["recommend", *arguments]) == 0
    return out.getvalue()


def answer(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(told(*arguments, "--json")))


AGENT = ("--task", "agent", "--budget", "2000", "--condition", "used")


def test_picks_are_of_different_objectives_and_of_different_cards() -> None:
    found = answer(*AGENT)
    picks = {pick["pick"]: found["builds"][pick["build"]] for pick in found["picks"]}
    assert next(iter(picks)) == "value"
    assert set(picks) <= {"value", "cheapest", "fastest", "ready_made"}
    cards = [build["name"].removeprefix("2 x ") for build in picks.values()]
    assert len(set(cards)) == len(cards)
    assert all(build["price_usd"] <= 2000 for build in picks.values())
    if "cheapest" in picks:
        assert picks["cheapest"]["price_usd"] < picks["value"]["price_usd"]
    if "ready_made" in picks:
        assert len(picks["ready_made"]["parts"]) == 1
    assert all(pick["why"] and pick["against"] for pick in found["picks"])


def test_each_build_says_its_model_and_the_models_say_how_good_they_are() -> None:
    found = answer(*AGENT)
    assert found["task"] == "agent"
    chosen = {(model["model"], model["quant"]) for model in found["models"]}
    builds = [found["builds"][pick["build"]] for pick in found["picks"]]
    assert chosen == {(build["model"], build["quant"]) for build in builds}
    for model in found["models"]:
        assert 0 < model["low"] < model["quality"] < model["high"]
        assert model["model"] in model["why"]


def test_terminal_markdown_and_json_say_the_same() -> None:
    found, words = answer(*AGENT), " ".join(told(*AGENT).split())
    page = told(*AGENT, "--markdown")
    for pick in found["picks"]:
        assert found["builds"][pick["build"]]["name"] in words
        for reason in (*pick["why"], *pick["against"]):
            assert reason in words
            assert reason in page
    assert found["builds"][found["picks"][0]["build"]]["predict_command"] in told(*AGENT)


def test_a_wish_that_nothing_serves_is_told_its_nearest_ways_out() -> None:
    few = ("--task", "agent", "--budget", "200")
    found = answer(*few)
    assert (found["builds"], found["picks"]) == ([], [])
    assert 1 <= len(found["ways_out"]) <= 3
    for way in found["ways_out"]:
        assert way["build"]["prediction"]["decode_tok_s"]["p50"] > 0
        assert way["change"] in " ".join(told(*few).split())


def test_a_model_that_nothing_holds_is_told_its_ways_out() -> None:
    found = answer("--model", "Qwen3.6-35B-A3B", "--kinds", "unified", "--budget", "100")
    assert found["builds"] == []
    assert found["ways_out"]


@pytest.mark.parametrize("pc", ["OptiPlex 7050 SFF", "HP Elite 9999"])
def test_a_computer_and_what_is_in_it_are_named_together(pc: str) -> None:
    found = answer("--own-pc", f"{pc}, Core i7-7700, DDR4-2400 2x16", "--model", "gpt-oss-20b", "--budget", "300")
    free = [build for build in found["builds"] if build["price_usd"] == 0]
    assert free
    assert {part["kind"] for part in free[0]["parts"]} == {"office", "cpu", "ram"}


def test_a_laptop_gets_a_card_in_a_dock_with_its_price() -> None:
    asked = ("--own-pc", "Lenovo Legion 5 Pro 16ACH6H 32GB", "--model", "Qwen3-32B", "--budget", "1500")
    found = answer(*asked, "--condition", "any")
    docked = [build for build in found["builds"] if "in a USB4 dock beside" in build["name"]]
    assert docked
    for build in docked:
        assert any("dock" in part["name"] and part["price_usd"] > 0 for part in build["parts"])
        assert "--pcie usb4" in build["predict_command"]


def test_a_computer_that_is_owned_costs_nothing() -> None:
    found = answer("--own-pc", "OptiPlex 3060 SFF", "--budget", "400", "--condition", "any")
    owned = [part for build in found["builds"] for part in build["parts"] if part["condition"] == "owned"]
    assert owned
    assert all(part["price_usd"] == 0 for part in owned)
