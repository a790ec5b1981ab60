"""A million machines are answered as each by itself is."""

import numpy as np
import pytest

from advisor.machines.from_parts import machine_of
from advisor.physics.fleet import Fleet, Speeds, decode_s_on, speeds_on
from advisor.physics.knowledge import load
from advisor.prediction.case import Case, asked_of, cases_of
from advisor.prediction.prediction import answers
from advisor.question import Hardware, Scenario

KNOWLEDGE = load()
CARDS = ("RTX 3060 12GB", "RTX 3090", "RTX 5090", "RX 7900 XTX", "RTX 4070", "Tesla P40")
CPUS = ("Ryzen 7 5800X", "Ryzen 9 9950X", "EPYC 7543", "Core i7-4790", None)
WHOLE = ("Strix Halo (Ryzen AI Max+ 395)", "Apple M4 Max (40-core GPU)")


def some_hardware(many: int) -> list[dict[str, object]]:
    """Machines at random, of one seed: no card to six of three kinds, processors named or not, boxes."""
    random = np.random.default_rng(11)
    found: list[dict[str, object]] = []
    for _ in range(many):
        names = random.choice(CARDS, size=random.integers(4), replace=False)
        gpus = [
            {"name": str(n), "count": int(random.integers(1, 3)), "pcie_gen": int(random.integers(2, 6))} for n in names
        ]
        ram = {"gb": float(random.choice((16, 32, 64, 128))), "mt_s": random.choice((2666.0, 3200.0, None))}
        parts = {"gpus": gpus, "cpu": random.choice(np.array(CPUS, dtype=object)), "ram": ram}
        found.append({"machine": str(random.choice(WHOLE))} if random.random() < 0.1 else parts)
    return found


def asked(model: str, quant: str, hardware: list[dict[str, object]], **engine: object) -> list[Case]:
    """Cases on machines all of whose cards are used, as llama.cpp splits by itself: none is left aside in a fleet."""
    common = {"model": model, "quant": quant, "workload": {"context_depth": 6000, "users": 2}, "engine": engine}
    scenarios = [Scenario.model_validate(common | {"hardware": item}) for item in hardware]
    return cases_of([asked_of(item, machine=machine_of(item.hardware)) for item in scenarios])


def together(cases: list[Case]) -> Speeds:
    fleet = Fleet.of([case.machine for case in cases])
    return speeds_on(fleet, cases[0], cases[0].scenario, KNOWLEDGE.efficiencies)


@pytest.mark.parametrize(
    ("model", "quant", "engine"),
    [
        ("Qwen3.6-35B-A3B", "Q4_K_M", {}),
        ("Llama-3.3-70B", "Q4_K_M", {"threads": 6}),
        ("gpt-oss-20b", "MXFP4", {"mmap": False}),
        ("Gemma-3-27B", "Q5_K_M", {"kv_type": "q8_0"}),
    ],
)
def test_a_thousand_machines_as_each_by_itself(model: str, quant: str, engine: dict[str, object]) -> None:
    cases = asked(model, quant, some_hardware(250), **engine)
    found, one_by_one = together(cases), answers(cases, KNOWLEDGE)
    assert found.runs.tolist() == [answer.decode_tok_s is not None for answer in one_by_one]
    assert found.in_memory.tolist() == [answer.placement.storage_gb <= 0 for answer in one_by_one]
    for decode_s, prefill_s, answer in zip(found.decode_s, found.prefill_s, one_by_one, strict=True):
        if answer.decode_tok_s and answer.prefill_tok_s:
            assert 1 / decode_s == pytest.approx(answer.decode_tok_s.p50, rel=1e-9)
            assert 512 / prefill_s == pytest.approx(answer.prefill_tok_s.p50, rel=1e-9)


def test_rows_do_not_depend_on_their_number_or_order() -> None:
    """More rows than a block has, each the same as where it stands alone among few."""
    cases = asked("Qwen3-8B", "Q4_K_M", some_hardware(60))
    fleet = Fleet.of([case.machine for case in cases])
    rows = np.random.default_rng(3).integers(len(cases), size=40_000)
    few = speeds_on(fleet, cases[0], cases[0].scenario, KNOWLEDGE.efficiencies)
    many = speeds_on(fleet.take(rows), cases[0], cases[0].scenario, KNOWLEDGE.efficiencies)
    np.testing.assert_allclose(many.decode_s, few.decode_s[rows], rtol=1e-12)
    np.testing.assert_allclose(many.prefill_s, few.prefill_s[rows], rtol=1e-12)


def test_coefficients_are_those_of_each_setting() -> None:
    cases = asked("Qwen3-8B", "Q4_K_M", some_hardware(40))
    settings = [case.setting for case in cases]
    tables = KNOWLEDGE.efficiencies.tables(settings, settings)
    for name, (rows, columns, table) in tables.items():
        for place, setting in enumerate(settings):
            np.testing.assert_array_equal(
                table[rows[place], columns[place]], KNOWLEDGE.efficiencies.values(setting)[name]
            )


def test_what_is_alike_stands_once() -> None:
    fleet = Fleet.of([machine_of(Hardware.model_validate(item)) for item in some_hardware(200)])
    assert len(fleet.processors) <= 4 * (len(CPUS) + len(WHOLE))
    assert len(fleet.ram_bytes) <= 4 + len(WHOLE)


@pytest.mark.parametrize("users", [1, 6])
def test_a_step_alone_is_as_with_the_rest_where_the_model_is_held(users: int) -> None:
    cases = asked("gpt-oss-120b", "MXFP4", some_hardware(120))
    scenario = cases[0].scenario
    workload = scenario.workload.model_copy(update={"users": users})
    (case,) = cases_of([asked_of(scenario.model_copy(update={"workload": workload}))])
    fleet = Fleet.of([item.machine for item in cases])
    whole = speeds_on(fleet, case, case.scenario, KNOWLEDGE.efficiencies)
    held = whole.runs & whole.in_memory
    assert 0 < held.sum() < len(held)
    alone = decode_s_on(fleet, case, case.scenario, KNOWLEDGE.efficiencies)
    np.testing.assert_allclose(alone, np.where(held, whole.decode_s, np.inf), rtol=1e-12)
