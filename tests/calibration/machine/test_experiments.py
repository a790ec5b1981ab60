"""Which runs are chosen: those that tell most per second, checked against another way to work that out."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.question import Hardware
from calibration.fit.fitting import FitProblem, FitRow
from calibration.fit.pooling import Column, OneMachine, columns_of
from calibration.machine.experiments import (
    EXPECTED_NOISE,
    Experiment,
    Ground,
    candidates,
    chosen,
    everyday,
    most_telling,
)
from tests.calibration.machine.tiny import DENSE, HARDWARE, MOE, ground, tiny

MODELS = (tiny("Q8_0"), tiny("Q4_0"), tiny("F16"), tiny("Q4_K_M", MOE, layers=2))
THREADS = (1, 8)
ASKED = ("Llama-3.1-8B", "gpt-oss-20b")


@cache
def could_be() -> tuple[Experiment, ...]:
    """Sixteen: four models on one thread and on eight, each with a deep context too or without."""
    return tuple(candidates(MODELS, THREADS, ground()))


@cache
def questions() -> tuple[FitRow, ...]:
    return tuple(everyday(ground(), ASKED))


@cache
def pooling() -> OneMachine:
    return OneMachine(ground().knowledge.efficiencies)


@cache
def columns() -> list[Column]:
    seen = (*(run for item in could_be() for run in item.expected), *questions())
    return columns_of((item.case.setting for item in seen), pooling())


def order(items: Sequence[Experiment], budget_s: float) -> list[Experiment]:
    return chosen(items, questions(), columns(), pooling(), budget_s)


def at(items: Sequence[Experiment], seconds: float, writing_s: float = 0.0) -> list[Experiment]:
    """The same runs, each of which takes so long."""
    return [replace(item, seconds=seconds, writing_s=writing_s) for item in items]


def shallow() -> list[Experiment]:
    """One run of each load."""
    return [item for item in could_be() if len(item.measures) == 1]


def cost_s(items: Sequence[Experiment]) -> float:
    writing = {item.file: item.writing_s for item in items}
    return sum(item.seconds for item in items) + sum(writing.values())


@cache
def slopes(items: tuple[FitRow, ...]) -> np.ndarray:
    problem = FitProblem(sorted(items, key=lambda item: item.kind), columns(), pooling())
    return problem.jacobian(problem.prior).toarray()


def doubt(known: Sequence[Experiment]) -> float:
    """Mean deviation of the everyday predictions once these runs are known, by the inverse of the summed precisions."""
    precision = np.diag([column.deviation**-2.0 for column in columns()])
    for item in known:
        runs = slopes(item.expected)
        precision += runs.T @ runs / EXPECTED_NOISE**2
    target = slopes(questions())
    return float(np.sqrt(np.diag(target @ np.linalg.inv(precision) @ target.T)).mean())


def greedy(items: Sequence[Experiment]) -> list[Experiment]:
    """All of them, at each step the best gain per second of all that are left, each worked out anew."""
    left, found = list(items), []
    while left:
        written = {item.file for item in found}
        gains = [
            (doubt(found) - doubt([*found, item])) / (item.seconds + (item.file not in written) * item.writing_s)
            for item in left
        ]
        found.append(left.pop(int(np.argmax(gains))))
    return found


def test_the_order_is_that_of_the_gains_worked_out_one_by_one() -> None:
    items = [replace(item, seconds=3.0 + number % 3, writing_s=2.0) for number, item in enumerate(shallow())]
    assert [(item.file, item.settings.threads) for item in order(items, 1e6)] == [
        (item.file, item.settings.threads) for item in greedy(items)
    ]


def test_the_first_run_gains_most_for_its_time_however_little_that_is() -> None:
    items = at(shallow(), 10.0)
    gains = [doubt([]) - doubt([item]) for item in items]
    best, worst = items[int(np.argmax(gains))], items[int(np.argmin(gains))]
    assert order(items, 1e6)[0] is best
    hasty = [replace(item, seconds=0.01) if item is worst else item for item in items]
    assert order(hasty, 1e6)[0].file == worst.file


def test_of_one_more_model_that_is_told_whose_runs_leave_the_least_doubt() -> None:
    """Of those that can be had (gpt-oss came in MXFP4), each worked out by the inverse of the summed precisions."""
    prior = np.diag([column.deviation**2 for column in columns()])
    found = most_telling(questions(), columns(), pooling(), prior)
    assert found is not None
    groups: dict[tuple[str, str], list[FitRow]] = {}
    for item in questions():
        if item.case.llm.name == "Llama-3.1-8B":
            groups.setdefault((item.case.llm.name, item.case.quant.name), []).append(item)
    left = {pair: doubt([replace(could_be()[0], expected=tuple(rows))]) for pair, rows in groups.items()}
    assert (found.llm.name, found.quant.name) == min(left, key=left.__getitem__)
    assert found.now == pytest.approx(doubt([]), rel=1e-9)
    assert found.then == pytest.approx(min(left.values()), rel=1e-6)
    assert found.then < found.now


def test_nothing_is_asked_for_where_nothing_is_open() -> None:
    assert most_telling(questions(), columns(), pooling(), np.zeros((len(columns()), len(columns())))) is None


@pytest.mark.parametrize("budget_s", [1.0, 5.0, 12.0, 20.0, 31.0, 60.0, 1e6])
def test_the_time_there_is_suffices(budget_s: float) -> None:
    found = order(could_be(), budget_s)
    assert cost_s(found) <= budget_s
    left = [item for item in could_be() if not any(same_load(item, other) for other in found)]
    assert all(cost_s([*found, item]) > budget_s for item in left)  # whatever else fits is made


def same_load(one: Experiment, other: Experiment) -> bool:
    return (one.file, one.settings) == (other.file, other.settings)


def test_no_time_no_runs() -> None:
    assert order(could_be(), 0.0) == []
    assert order(could_be(), -5.0) == []
    assert order([], 100.0) == []


def test_each_load_is_made_once() -> None:
    found = order(could_be(), 1e6)
    assert len(could_be()) == 2 * len(found) == 4 * len(MODELS)
    assert len({(item.file, item.settings) for item in found}) == len(found)


def test_with_more_time_the_first_runs_stay_the_same() -> None:
    items = at(shallow(), 10.0)
    orders = [order(items, 10.0 * count) for count in range(1, len(items) + 1)]
    for count, found in enumerate(orders, 1):
        assert found == orders[-1][:count]
        assert len(found) == count


def test_a_file_is_written_once() -> None:
    """Two loads of one file take 1 + 1 seconds and 10 for its writing; of two files twice as long for that."""
    same = [item for item in at(shallow(), 1.0, 10.0) if item.file == MODELS[0].file]
    assert len(same) == 2
    assert len(order(same, 12.0)) == 2
    assert len(order(same, 11.9)) == 1
    other = [item for item in at(shallow(), 1.0, 10.0) if item.settings.threads == 1]
    assert len(order(other, 12.0)) == 1
    assert len(order(other, 21.9)) == 1
    assert len(order(other, 22.0)) == 2


def test_a_file_that_is_there_comes_before_one_that_tells_as_much() -> None:
    first, *others = order(at(shallow(), 1.0, 30.0), 1e6)
    assert first.file == others[0].file


def test_what_the_runs_tell_is_worth_their_time() -> None:
    found = order(could_be(), 60.0)
    assert doubt(found) < 0.6 * doubt([])
    halves = [doubt(found[:count]) for count in range(len(found) + 1)]
    assert halves == sorted(halves, reverse=True)


def test_candidates_say_what_they_measure_and_how_long_it_takes() -> None:
    for item in could_be():
        assert [run.kind for run in item.expected] == ["decode", "prefill"] * len(item.measures)
        busy_s = sum(
            (asked.repeats * asked.gen + asked.warm_up) / decode.tok_s
            for asked, decode in zip(item.measures, item.expected[::2], strict=True)
        )
        assert item.seconds > busy_s > 0
    assert {item.file.partition("-Q")[0].partition("-F16")[0] for item in could_be()} == {DENSE.lower(), MOE.lower()}


def test_beside_a_card_experts_in_ram_are_asked_of_and_measured() -> None:
    """Also where the card would hold the whole model."""
    hardware = Hardware.model_validate(HARDWARE.model_dump() | {"gpus": [{"name": "RTX 5090"}]})
    beside = Ground(machine_of(hardware), hardware, load(), 1)
    asked = everyday(beside, ["gpt-oss-20b"])
    assert {item.case.regime for item in asked} == {"full_gpu", "expert_offload"}
    found = candidates(MODELS, THREADS, beside)
    seen = [*(run for item in found for run in item.expected), *asked]
    every = columns_of((item.case.setting for item in seen), pooling())
    placed = {item.settings.n_cpu_moe for item in chosen(found, asked, every, pooling(), cost_s(found) / 3)}
    assert placed & {1, 2}
    assert 0 in placed


def test_without_a_card_fewer_threads_are_asked_of_too() -> None:
    """Of weights that the CPU unpacks one thread does not tell what two do."""
    here = ground()
    both = everyday(here, ASKED, THREADS[:-1])
    assert {item.case.scenario.engine.threads for item in both} == {None, THREADS[0]}
    assert len(both) == 2 * len(everyday(here, ASKED))
