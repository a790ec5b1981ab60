"""Which models a machine runs: what is listed runs as it says, and more of a machine never lists less."""

from functools import cache
from typing import Any

import pytest

from advisor.choosing.quality import has_projector
from advisor.choosing.runnable import Runnable, models_on, worth_trying
from advisor.choosing.tasks import TASKS, TaskName
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from catalog.tables import llms
from catalog.units import GIB

CARD = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3600, "gb": 32}}
LARGER = CARD | {"gpus": [{"name": "RTX 4090"}], "ram": {"type": "DDR4", "mt_s": 3600, "gb": 128}}
PI = {"cpu": "Raspberry Pi 5", "ram": {"gb": 8}}


def scenario(hardware: dict[str, Any], **said: Any) -> Scenario:
    return Scenario.model_validate({"model": llms()[0].name, "hardware": hardware} | said)


@cache
def found(name: str, task: TaskName) -> tuple[Runnable, ...]:
    machines: dict[str, dict[str, Any]] = {"card": CARD, "larger": LARGER, "pi": PI}
    return tuple(models_on(scenario(machines[name]), task, load()))


def test_what_is_listed_runs_as_the_prediction_says() -> None:
    first = found("card", "coding")[0]
    asked = {
        "model": first.llm.name, "quant": first.answer.quant, "engine": {"n_ctx": TASKS["coding"].context},
        "workload": {"prompt_tokens": TASKS["coding"].reads, "gen_tokens": TASKS["coding"].writes},
    }
    alone = predict(scenario(CARD, **asked), load())
    assert alone.decode_tok_s == first.answer.decode_tok_s
    assert alone.placement == first.answer.placement
    assert all(row.answer.fits and row.case.placement.storage_bytes == 0 for row in found("card", "coding"))
    assert all((row.longest_context or 0) >= TASKS["coding"].context for row in found("card", "coding"))


def test_lengths_are_the_tasks_where_none_are_said() -> None:
    """An agent's context is 64K full when it writes, which is slower than the start of an empty one."""
    usual = {row.llm.id: row.answer for row in found("card", "agent")}
    short = models_on(scenario(CARD, workload={"prompt_tokens": 512}), "agent", load())
    same = [row for row in short if row.llm.id in usual and row.answer.quant == usual[row.llm.id].quant]
    assert same
    for row in same:
        assert usual[row.llm.id].decode_tok_s.p50 < row.answer.decode_tok_s.p50
    little = models_on(scenario(CARD, engine={"n_ctx": 8192}), "agent", load())
    assert {row.case.scenario.workload.prompt_tokens for row in little} == {8192 - TASKS["agent"].writes}


AGENT = TASKS["agent"]


@pytest.mark.parametrize(
    ("context", "said", "prompt", "gen"),
    [
        (None, {}, AGENT.context - AGENT.writes, AGENT.writes),
        (None, {"gen_tokens": 100}, AGENT.context - AGENT.writes, 100),
        (None, {"prompt_tokens": 512}, 512, AGENT.writes),
        (8192, {"prompt_tokens": 8000}, 8000, 192),
        (8192, {"gen_tokens": 8000}, 192, 8000),
        (8192, {"context_depth": 4096}, 4096 - AGENT.writes, AGENT.writes),
        (8192, {"prompt_tokens": 512, "gen_tokens": 3}, 512, 3),
    ],
)
def test_of_two_lengths_the_one_that_is_not_said_is_the_tasks(
    context: int | None, said: dict[str, int], prompt: int, gen: int
) -> None:
    engine = {"n_ctx": context} if context else {}
    rows = models_on(scenario(CARD, engine=engine, workload=said), "agent", load(), 3)
    assert {row.case.scenario.workload.prompt_tokens for row in rows} == {prompt}
    assert {row.case.scenario.workload.gen_tokens for row in rows} == {gen}


def test_the_best_for_the_task_come_first_and_slow_ones_behind() -> None:
    rows = found("card", "coding")
    serving = [row for row in rows if row.serves]
    assert list(rows[: len(serving)]) == serving
    assert all(row.decode_tok_s >= TASKS["coding"].least_tok_s for row in serving)
    known = [row.quality for row in serving if row.choice]
    assert known == sorted(known, reverse=True)
    assert len({row.llm.id for row in rows}) == len(rows)


def test_a_larger_machine_runs_all_that_a_smaller_one_runs_and_more() -> None:
    small, large = ({row.llm.id for row in found(name, "coding") if row.serves} for name in ("card", "larger"))
    assert small < large


def test_a_small_board_runs_small_models_only() -> None:
    rows = found("pi", "chat")
    assert rows
    assert all(row.answer.placement.ram_gb < 8 for row in rows)
    dense = [row for row in rows if not row.llm.n_experts and row.case.demand.footprint.file_bytes > GIB]
    assert dense
    for row in dense:  # 32 bit of LPDDR4X-4267 read 17.1 GB/s, and every token reads the weights that are active
        print_ = row.case.demand.footprint
        assert row.decode_tok_s < 17.1e9 / (print_.file_bytes * print_.parameters_active / print_.parameters)


def test_pictures_need_a_model_that_sees() -> None:
    assert all(has_projector(row.llm.id) for row in found("card", "vision"))


@pytest.mark.parametrize("task", TASKS)
def test_each_task_says_what_it_needs(task: TaskName) -> None:
    asked = TASKS[task]
    assert asked.pleasant_tok_s > asked.least_tok_s > 0
    assert asked.reads + asked.writes <= asked.context
    assert asked.source


def test_of_what_fits_on_the_gpu_as_it_is_nothing_smaller_is_tried() -> None:
    machine = machine_of(scenario(LARGER).hardware)
    by_id = {llm.id: llm for llm in llms()}
    assert worth_trying(by_id["qwen3-4b"], machine)[0] == "Q8_0"
    assert len(worth_trying(by_id["qwen3-4b"], machine)) == 2
    assert worth_trying(by_id["deepseek-v3"], machine) == ()
