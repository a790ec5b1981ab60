"""The measured runs nearest to a scenario: laws of the distance, and what people would expect to see."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.prediction.case import case_of
from advisor.prediction.nearest import described, distance, nearest
from advisor.question import Scenario
from calibration.__main__ import EVIDENCE_READ
from calibration.fit.evidence import load_runs
from calibration.fit.tables import public_runs
from catalog import tables
from catalog.efficiency import PublicRun

RUNS = tables.public_runs()
some_run = st.sampled_from(RUNS)


def asked(model: str, quant: str | None, **hardware: Any) -> PublicRun:
    return described(case_of(Scenario.model_validate({"model": model, "quant": quant, "hardware": hardware})))


@given(some_run, some_run)
def test_a_distance_is_symmetric_and_not_negative(left: PublicRun, right: PublicRun) -> None:
    assert distance(left, right) == pytest.approx(distance(right, left), rel=1e-9)
    assert distance(left, right) >= 0


@given(some_run)
def test_a_run_is_at_no_distance_from_itself(run: PublicRun) -> None:
    assert distance(run, run) == 0


@given(some_run, st.floats(1.1, 10), st.floats(1.1, 10))
def test_a_card_of_more_different_bandwidth_is_further(run: PublicRun, factor: float, more: float) -> None:
    near, far = (
        run._replace(gpus="another", gpu_gb_s=max(run.gpu_gb_s, 1) * times) for times in (factor, factor * more)
    )
    here = run._replace(gpu_gb_s=max(run.gpu_gb_s, 1), gpus=run.gpus or "one")
    assert distance(here, near) < distance(here, far)


def test_the_same_card_model_and_quant_come_first() -> None:
    found = nearest(asked("Qwen3.6-35B-A3B", "Q4_K_M", gpus=[{"name": "RTX 3060 12GB"}], cpu="Ryzen 7 5800X"), RUNS)
    assert len(found) == 3
    assert {(run.gpus, run.model) for run in found} == {("RTX 3060 12GB", "Qwen3.6-35B-A3B")}
    assert found[0].quant == "Q4_K_M"


def test_no_machine_is_shown_twice_with_one_model_and_quant() -> None:
    found = nearest(asked("Qwen3.6-35B-A3B", "Q4_K_M", gpus=[{"name": "RTX 3060 12GB"}]), RUNS, count=20)
    assert len({(run.gpus, run.cpu, run.model, run.quant) for run in found}) == 20


def test_cpu_runs_are_near_to_cpu_questions() -> None:
    found = nearest(asked("Qwen3-30B-A3B", "Q4_K_M", cpu="Ryzen 9 7950X"), RUNS)
    assert {run.regime for run in found} == {"cpu_only"}


def test_every_run_shown_can_be_traced_and_says_a_speed() -> None:
    assert [run for run in RUNS if not (run.source and run.as_of)] == []
    assert [run for run in RUNS if run.decode_tok_s is None and run.prefill_tok_s is None] == []


def test_the_shipped_table_is_what_the_evidence_gives() -> None:
    made = public_runs(load_runs()[0], EVIDENCE_READ.isoformat())
    assert len(made) == len(RUNS)
    for ours, shipped in zip(made, RUNS, strict=True):
        for value, kept in zip(ours, shipped, strict=True):
            # Rounded to four digits; shares are computed
            assert kept == (pytest.approx(value, rel=1e-3, abs=2e-4) if isinstance(value, float) else value)
