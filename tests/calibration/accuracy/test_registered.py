"""Predictions made beforehand: what arrives is set beside them, what asks for other things is not."""

import json

import pytest

from advisor.cli.app import run
from advisor.prediction.case import case_of
from advisor.question import Scenario
from calibration.accuracy.registered import SPEEDS, Registered, document, judged, registered
from calibration.fit.evidence import load_runs, observe
from calibration.fit.fitting import FitRow

BESIDE = {"gpus": [{"name": "RTX 5060"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3200, "gb": 64}}


def question(quant: str = "Q4_K_M", model: str = "Qwen3.6-35B-A3B", depth: int = 0, **hardware: object) -> Scenario:
    load_ = {"context_depth": depth, "decode_depth": depth}
    said = {"model": model, "quant": quant, "hardware": BESIDE | hardware, "workload": load_}
    return Scenario.model_validate(said)


def measured(asked: Scenario, tok_s: float, kind: str = "decode") -> FitRow:
    return FitRow(case_of(asked), kind, tok_s, "m")


def prediction(asked: Scenario) -> Registered:
    said = asked.model_dump_json(exclude_defaults=True)
    return Registered("2026-11-29", said, 30.0, 20.0, 40.0, 500.0, 300.0, 700.0)


def test_what_was_measured_since_is_set_beside() -> None:
    runs = [measured(question(), 35.0), measured(question(), 41.0), measured(question(), 400.0, "prefill")]
    (found,) = judged([prediction(question())], runs)
    assert (found.decode, found.prefill) == ((35.0, 41.0), (400.0,))
    (section,) = document([found]).sections
    assert "3 speeds were measured since, 66.7 % within their range" in section.blocks[1].text


@pytest.mark.parametrize(
    "other",
    [
        question("Q5_K_M"), question(model="Qwen3-30B-A3B"), question(depth=8192),
        question(cpu="Ryzen 9 7950X", ram={"gb": 64}), question(gpus=[{"name": "RTX 5050"}]),
    ],
)
def test_runs_of_other_questions_are_not(other: Scenario) -> None:
    (found,) = judged([prediction(question())], [measured(other, 35.0)])
    assert found.decode == ()


def test_the_processor_does_not_matter_where_it_reads_nothing() -> None:
    asked, other = (question(model="Qwen3-4B", cpu=cpu, ram={"gb": 32}) for cpu in ("Ryzen 7 5800X", "Core i5-12400"))
    (found,) = judged([prediction(asked)], [measured(other, 35.0)])
    assert found.decode == (35.0,)


def test_forty_pairs_were_registered_of_which_the_evidence_of_the_day_had_none() -> None:
    rows = registered()
    assert len(rows) == 40
    assert {row.predicted_on for row in rows} == {"2026-11-29"}
    cases = [case_of(Scenario.model_validate_json(row.scenario)) for row in rows]
    assert len({(case.machine.name, case.llm.name, case.quant.name) for case in cases}) == 40
    before = [item for item in load_runs()[0] if item.as_of[:10] <= "2026-11-29"]
    seen = {(gpu.name, item.case.llm.name) for item in observe(before)[0] for gpu in item.case.machine.gpus}
    assert not seen & {(gpu.name, case.llm.name) for case in cases for gpu in case.machine.gpus}
    for row in rows:
        for kind in SPEEDS:
            low, middle, high = (getattr(row, f"{kind}_{which}") for which in ("p05", "p50", "p95"))
            assert 0 < low <= middle <= high


def test_the_command_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accuracy", "--predictions", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 40
    assert run(["accuracy", "--predictions", "--markdown"]) == 0
    assert "40 predictions" in capsys.readouterr().out
