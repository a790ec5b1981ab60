"""Ranked builds over HTTP, page by page."""

from typing import Any

import pytest

from advisor.buying.advice import advise
from advisor.buying.wish import Wish
from advisor.client import Client
from advisor.physics.knowledge import load
from tests.webapp.api.running import Server

WISH: dict[str, Any] = {"model": "Qwen3.6-35B-A3B", "kinds": ["unified", "laptop"]}


def page(server: Server, **fields: Any) -> dict[str, Any]:
    answer = server.http.post("/v1/recommendations", json=WISH | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_pages_put_together_are_the_ranking_that_python_gives(server: Server) -> None:
    ranked = advise(Wish(**WISH, limit=1000), load())
    builds: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        found = page(server, offset=offset, limit=7)
        assert (found["total"], found["offset"], found["tried"]) == (len(ranked.builds), offset, ranked.tried)
        builds += found["builds"][:7]
        behind = found["builds"][7:]  # of picks that are further down, on the first page alone
        assert offset == 0 or behind == found["picks"] == []
        offset = found["next_offset"]
    assert [item["rank"] for item in builds] == list(range(1, len(ranked.builds) + 1))
    assert [item["name"] for item in builds] == [item.name for item in ranked.builds]
    assert [item["usd_per_tok_s"] for item in builds] == pytest.approx([item.usd_per_tok_s for item in ranked.builds])
    assert found["left_out"] == list(ranked.left_out)


def test_a_wish_that_nothing_serves_is_answered_with_ways_out(server: Server) -> None:
    found = page(server, budget_usd=1)
    assert (found["builds"], found["picks"], found["total"]) == ([], [], 0)
    assert found["ways_out"]


def test_a_wish_may_name_a_task_in_place_of_a_model(server: Server) -> None:
    asked = {"task": "chat", "budget_usd": 900, "kinds": ["unified", "laptop"]}
    answer = server.http.post("/v1/recommendations", json=asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["builds"][found["picks"][0]["build"]]["model"] == found["models"][0]["model"]


@pytest.mark.parametrize("fields", [WISH, {"task": "agent", "budget_usd": 2500, "kinds": ["unified", "laptop"]}])
def test_the_first_page_has_the_builds_of_all_picks_whatever_its_limit(server: Server, fields: dict[str, Any]) -> None:
    ranked = advise(Wish.model_validate(fields | {"limit": 1000}), load())
    expected = [(pick.pick, ranked.builds[pick.build].rank, ranked.builds[pick.build].name) for pick in ranked.picks]
    assert expected
    for limit in (1, 2, 5, 200):
        answer = server.http.post("/v1/recommendations", json=fields | {"limit": limit})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        picked = [(pick["pick"], found["builds"][pick["build"]]) for pick in found["picks"]]
        assert [(name, build["rank"], build["name"]) for name, build in picked] == expected
        assert (found["total"], found["scenario"]) == (len(ranked.builds), ranked.scenario)
        extra = found["builds"][limit:]
        assert {build["rank"] for build in extra} == {rank for _, rank, _ in expected if rank > limit}


def test_a_page_behind_the_last_is_empty(server: Server) -> None:
    found = page(server, offset=5000)
    assert (found["builds"], found["next_offset"]) == ([], None)


def test_the_client_goes_through_all_pages(server: Server) -> None:
    with Client(server.url) as client:
        names = [build.name for build in client.every_build(WISH)]
    assert names == [item["name"] for item in page(server, limit=200)["builds"]]


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"budget": 5}, "invalid_scenario", "budget_usd"),
        ({"limit": 201}, "invalid_scenario", "limit must be at most 200"),
        ({"limit": 0}, "invalid_scenario", "limit must be at least 1"),
        ({"offset": -1}, "invalid_scenario", "offset must be at least 0"),
        ({"own": ["RTX 3060 12GB"] * 51}, "invalid_scenario", "own"),
        ({"model": "Qwen3.6-36B"}, "unknown_name", "nearest"),
        ({"own": ["RTX 3061"]}, "invalid_input", "RTX 3061"),
    ],
)
def test_a_wish_that_cannot_be_met_is_a_problem_that_says_why(
    server: Server, fields: dict[str, Any], code: str, said: str
) -> None:
    answer = server.http.post("/v1/recommendations", json=WISH | fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert said in answer.json()["detail"]
