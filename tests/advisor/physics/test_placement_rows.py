"""Placements worked out for many rows at once are those of each row, and the best by trying every number of layers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.physics.placement import CPU, Placement, place, place_each
from advisor.prediction.case import Unplaced, asked_of
from advisor.question import Scenario

MODELS = (
    ("Qwen3.6-35B-A3B", "Q4_K_M"),
    ("gpt-oss-20b", "MXFP4"),
    ("Llama-3.3-70B", "Q4_K_M"),
    ("GLM-4.5-Air", "IQ4_XS"),
)
CARDS = ("RTX 3060 12GB", "RTX 3090", "RTX 5090", "Tesla P40")


def asked(model: tuple[str, str], cards: tuple[str, ...], gb: float, context: int = 4096) -> Unplaced:
    hardware = {"gpus": [{"name": name} for name in cards], "cpu": "Ryzen 7 5800X", "ram": {"gb": gb}}
    name, quant = model
    workload = {"context_depth": context}
    return asked_of(
        Scenario.model_validate({"model": name, "quant": quant, "hardware": hardware, "workload": workload})
    )


def same(one: Placement, other: Placement) -> bool:
    fields = ("strategy", "n_gpu_layers", "n_cpu_moe", "bounds", "experts_from", "experts_to", "output_device", "fits")
    sizes = ("vram_bytes", "ram_bytes", "storage_bytes", "exceeded", "spilled_bytes")
    return all(getattr(one, name) == getattr(other, name) for name in fields) and all(
        np.allclose(getattr(one, name), getattr(other, name), rtol=1e-12) for name in sizes
    )


QUESTIONS = st.builds(
    asked,
    st.sampled_from(MODELS),
    st.lists(st.sampled_from(CARDS), max_size=4).map(tuple),
    st.sampled_from((16.0, 64.0, 256.0)),
    st.sampled_from((0, 4096, 60_000)),
)
LIMITS = st.tuples(
    st.none() | st.integers(0, 120), st.none() | st.integers(0, 120), st.sampled_from((None, True, False))
)


@given(st.lists(st.tuples(QUESTIONS, LIMITS, st.booleans()), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_rows_do_not_depend_on_each_other(
    rows: list[tuple[Unplaced, tuple[int | None, int | None, bool | None], bool]],
) -> None:
    items, limits, from_last = zip(*rows, strict=True)
    together = place_each([item.demand for item in items], [item.machine for item in items], limits, from_last)
    for item, limit, last, found in zip(items, limits, from_last, together, strict=True):
        assert same(found, place_each([item.demand], [item.machine], [limit], [last])[0])
        assert last or same(found, place(item.demand, item.machine, *limit))


@pytest.mark.parametrize(("model", "cards"), [*itertools.product(MODELS, [CARDS[:1], CARDS[:2], CARDS[1:2] * 3])])
def test_the_chosen_numbers_are_the_best_of_all(model: tuple[str, str], cards: tuple[str, ...]) -> None:
    item = asked(model, cards, 256.0)
    layers = item.demand.footprint.n_layers

    def fits(on_gpu: int, n_cpu_moe: int) -> bool:
        return place(item.demand, item.machine, on_gpu, n_cpu_moe, None).fits

    experts = range(layers + 1) if item.demand.footprint.n_experts else (0,)
    fewest = next((number for number in experts if fits(layers + 1, number)), None)
    found = place(item.demand, item.machine, None, None, None)
    if fewest is not None:
        assert (found.n_gpu_layers, found.n_cpu_moe) == (layers + 1, fewest)
    else:
        most = next(number for number in range(layers, -1, -1) if not number or fits(number, found.n_cpu_moe))
        assert found.n_gpu_layers == most
    assert found.output_device == CPU or found.vram_bytes[found.output_device] > 0
