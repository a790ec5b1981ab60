"""How many fitted runs stand behind an answer, at the closest level that has any."""

from dataclasses import replace
from typing import Any

from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.case import case_of
from advisor.prediction.nearest import evidence_of, stands_behind
from advisor.prediction.prediction import answers_json, predict
from advisor.question import Scenario
from catalog import tables

BESIDE = {"gpus": [{"name": "RTX 3090"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "gb": 64}}


def asked(hardware: dict[str, Any] = BESIDE, **fields: Any) -> Scenario:
    said = {"model": "Llama-3.1-8B", "quant": "Q4_K_M", "hardware": hardware}
    return Scenario.model_validate(said | fields)


def known(*keys: tuple[str, str, str]) -> Knowledge:
    return replace(Knowledge(), behind={key: 3 + place for place, key in enumerate(keys)})


def test_the_closest_level_that_has_any_counts() -> None:
    case = case_of(asked())
    closest = stands_behind(case)
    assert closest == (
        ("this card and model", "RTX 3090", "Llama-3.1-8B"), ("this card", "RTX 3090", ""),
        ("its architecture", "ampere", ""),
    )
    for place, (level, _, _) in enumerate(closest):
        found = evidence_of(case, known(*closest[place:]))
        assert (found.level, found.runs) == (level, 3)
    nobody = evidence_of(case, Knowledge())
    assert (nobody.level, nobody.runs) == ("nobody", 0)


def test_where_no_card_takes_part_the_processor_stands_for_it() -> None:
    case = case_of(asked({"cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "gb": 64}}))
    assert [name for _, name, _ in stands_behind(case)] == ["Ryzen 7 5800X", "Ryzen 7 5800X", "Zen 3"]


def test_runs_of_the_owner_are_closest() -> None:
    told = [{"model": "Qwen3-8B", "quant": "Q4_K_M", "decode_tok_s": 100.0}] * 2
    found = predict(asked(measured=told), load()).evidence
    assert (found.level, found.runs) == ("this machine", 2)


def test_what_is_shipped_counts_the_runs_of_the_evidence() -> None:
    assert predict(asked(), load()).evidence.level == "this card and model"
    rows = tables.runs_behind()
    cards = {row.name: row.runs for row in rows if row.level == "this card"}
    for row in rows:
        if row.level == "this card and model":
            assert row.runs <= cards[row.name]
    assert len({(row.level, row.name, row.model) for row in rows}) == len(rows)


def test_a_batch_says_the_same() -> None:
    case = case_of(asked())
    (line,) = answers_json([case], load())
    assert b'"evidence":{"level":"this card and model","runs":' in line
