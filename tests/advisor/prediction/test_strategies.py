"""Ways to place experts: the break-even of favourites on the card and of a cache that streams, and measured runs."""

import json

import pytest

from advisor.cli.app import run
from advisor.physics.knowledge import load
from advisor.prediction.case import Case, case_of
from advisor.prediction.prediction import answers
from advisor.prediction.strategies import Compared, verdict, ways_of
from advisor.question import Scenario

Captured = pytest.CaptureFixture[str]


def ask(gpu: str = "RTX 3060 12GB", model: str = "Qwen3.6-35B-A3B", lanes: int = 16) -> tuple[Case, Compared | None]:
    hardware = {
        "gpus": [{"name": gpu, "pcie_gen": 4, "pcie_lanes": lanes}], "cpu": "Core i5-12400F",
        "ram": {"type": "DDR4", "mt_s": 3200, "gb": 64},
    }
    case = case_of(Scenario.model_validate({"model": model, "quant": "Q4_K_M", "hardware": hardware}))
    return case, ways_of(case, answers([case], load())[0])


def test_favourites_on_the_card_gain_what_was_measured() -> None:
    """RTX 3060, Qwen3.6-35B-A3B: 42.3 tok/s with n_cpu_moe, 51.3 with 124 of 256 experts resident by profile
    (thecodacus/llama.cpp pull 5): 1.21 times.
    """
    _, found = ask()
    assert found is not None
    static, listed, _ = found.rows
    assert found.resident_share == pytest.approx(124 / 256, abs=0.06)
    assert listed.local_tok_s / static.local_tok_s == pytest.approx(51.3 / 42.3, rel=0.15)


def test_at_the_break_even_a_way_is_as_fast_as_llama_cpps() -> None:
    _, found = ask()
    assert found is not None
    for row in found.rows[1:]:
        assert row.break_even_hits is not None
        # Seconds fall in a straight line with hits: through both given speeds it meets the first way's there.
        slope = (1 / row.local_tok_s - 1 / row.even_tok_s) / (row.local_hits - row.even_hits)
        step_s = 1 / row.even_tok_s + slope * (row.break_even_hits - row.even_hits)
        assert 1 / step_s == pytest.approx(found.rows[0].even_tok_s, rel=1e-6)


def test_a_narrow_link_needs_more_hits_of_a_cache() -> None:
    needed = []
    for lanes in (16, 8, 4, 1):
        _, found = ask(lanes=lanes)
        assert found is not None
        hits = found.rows[2].break_even_hits
        needed.append(2.0 if hits is None else hits)
    assert needed == sorted(needed)
    assert needed[0] < needed[-1]


def test_nothing_is_compared_where_no_experts_lie_in_ram() -> None:
    assert ask("RTX 5090")[1] is None
    assert ask(model="Llama-3.3-70B")[1] is None


def test_the_verdict_names_a_way_and_the_command_shows_it(capsys: Captured) -> None:
    _, found = ask()
    assert found is not None
    assert any(row.words in verdict(found) for row in found.rows)
    options = ["predict", "--model", "Qwen3.6-35B-A3B", "--gpu", "RTX 3060 12GB", "--strategies"]
    assert run(options) == 0
    shown = capsys.readouterr().out
    assert "Ways to place experts" in shown
    assert "llama.cpp pull 27861" in shown
    assert run([*options, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["strategies"]["rows"]) == 3
