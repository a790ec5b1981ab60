"""Errors once runs of a rig are told, and the floor, by hand and by the posterior that `measured` runs use."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from advisor.cli.app import run
from advisor.physics.coefficients import Efficiencies
from advisor.prediction.case import case_of
from advisor.question import Scenario
from calibration.accuracy import accuracy as accuracies
from calibration.accuracy.accuracy import AccuracyTable, Comparison
from calibration.accuracy.anchoring import anchored, floors
from calibration.fit.evidence import MeasuredRun
from calibration.fit.fitting import FitRow
from calibration.fit.leaving_out import LeftOutError

GPU_ALONE = (1.0, 0.0, 0.0)


def row(author: str, measured: float, log_ratio: float, shares=GPU_ALONE, gpu: str = "RTX 3090"):
    question = Scenario.model_validate(
        {"model": "Llama-3.1-8B", "quant": "Q4_K_M", "hardware": {"gpus": [{"name": gpu}]}}
    )
    case = case_of(question)
    case = replace(case, setting=case.setting._replace(rig=f"{gpu} | unknown @ {author}"))
    run_ = MeasuredRun(question, measured, None, "", author, "", "full_gpu")
    predicted = measured * math.exp(log_ratio)
    shown = Comparison(run_, case, "decode", f"{gpu} | unknown", measured, predicted, predicted / 2, predicted * 2)
    item = FitRow(case, "decode", measured, f"{gpu} | unknown", author=author)
    return shown, LeftOutError(item, log_ratio, 0.2, 0.0, shares)


def table(rows: Sequence[tuple[Comparison, LeftOutError]]) -> AccuracyTable:
    return AccuracyTable([shown for shown, _ in rows], [error for _, error in rows], len(rows), None, [])


def test_a_rig_that_is_slower_all_over_is_met_once_a_run_is_told() -> None:
    slow = table([row("a", 100.0, 0.2) for _ in range(4)])
    (one, every) = anchored(slow, 1, Efficiencies())
    assert {one.regime, every.regime} == {"full_gpu", "all"}
    assert (one.rigs, one.rows, one.told) == (1, 4, 1)
    assert one.error_without == pytest.approx(math.expm1(0.2))
    assert one.error < 0.5 * one.error_without
    assert anchored(slow, 2, Efficiencies())[0].error < one.error


def test_time_that_no_level_moves_is_not_met() -> None:
    disk = table([row("a", 100.0, 0.2, (0.0, 0.0, 0.0)) for _ in range(4)])
    assert anchored(disk, 1, Efficiencies())[0].error == pytest.approx(math.expm1(0.2))


def test_a_rig_needs_two_more_runs_than_are_told() -> None:
    few = table([row("a", 100.0, 0.2), row("a", 100.0, 0.2), row("b", 100.0, 0.1)])
    assert anchored(few, 1, Efficiencies()) == []


def test_people_who_measured_the_same_differ_by_their_medians() -> None:
    same = table([row("a", 100.0, 0.0), row("a", 100.0, 0.0), row("b", 110.0, 0.0), row("c", 100.0, 0.0)])
    (floor,) = floors(same)
    assert (floor.speed, floor.pairs) == ("decode", 3)
    assert floor.median == pytest.approx(0.1)  # of 0.1, 0, 0.1
    other = table([row("a", 100.0, 0.0), row("b", 110.0, 0.0, gpu="RTX 4090")])
    assert floors(other) == []


def test_the_command_tells_of_so_many_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = table([row("a", 100.0, 0.2) for _ in range(6)] + [row("b", 90.0, 0.1)])
    monkeypatch.setattr(accuracies, "accuracy", lambda _again: found)
    assert run(["accuracy", "--anchor", "2", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {item["told"] for item in data["anchored"]} == {2}
    assert data["floor"][0]["pairs"] == 1
    assert run(["accuracy", "--anchor", "2"]) == 0
    assert "Given runs of the machine" in capsys.readouterr().out
    assert run(["accuracy", "--anchor", "0"]) == 2


def test_one_of_the_views_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accuracy", "--anchor", "1", "--claims"]) == 2
    assert "take one" in capsys.readouterr().err
