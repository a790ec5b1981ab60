"""Where bytes lie, as llama.cpp places them: nothing is lost, what is asked is done, more room is used."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.placement import BACKEND_CONTEXT_BYTES, CPU, Demand, Placement, demand_of, place, place_each
from advisor.question import Hardware
from advisor.sizes.footprint import footprint
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.units import GIB

ROUNDING = 1e-9
"""Sums of some thousand 64-bit floats."""
MODELS = ("Qwen3.6-35B-A3B", "Qwen3-32B", "gpt-oss-120b", "Llama-3.1-8B")


@cache
def demand(model: str = "Qwen3.6-35B-A3B", quant: str = "Q4_K_M", n_ctx: int = 8192) -> Demand:
    print_ = footprint(resolve_llm(model).row.llm, resolve_quant(quant).row)
    return demand_of(print_, n_ctx, ("f16", "f16"), 512, True, 1)


@cache
def computer(gpus: int = 1, vram_gib: float = 12.0, ram_gib: float | None = 64.0) -> Machine:
    parts = {
        "gpus": [{"name": "RTX 3060 12GB", "count": gpus}] if gpus else [],
        "cpu": "Ryzen 7 5800X",
        "ram": {"gb": ram_gib},
    }
    machine = machine_of(Hardware.model_validate(parts))
    return replace(machine, gpus=tuple(replace(gpu, vram_bytes=vram_gib * GIB) for gpu in machine.gpus))


def gpu_weights(needs: Demand, found: Placement) -> float:
    """Weights on GPUs, from the device of each layer and of its experts."""
    on_gpu = found.layer_device != CPU
    output = needs.output if found.output_device != CPU else 0.0
    return float(needs.resident[on_gpu].sum() + needs.experts[on_gpu & ~found.experts_on_cpu].sum()) + output


@settings(max_examples=60)
@given(
    st.sampled_from(MODELS), st.integers(0, 3), st.floats(2, 96), st.one_of(st.none(), st.floats(1, 256)),
    st.one_of(st.none(), st.integers(0, 100)), st.one_of(st.none(), st.integers(0, 100)), st.booleans(),
)
def test_no_byte_is_lost_or_counted_twice(
    model: str, gpus: int, vram: float, ram: float | None, layers: int | None, experts: int | None, last: bool
) -> None:
    needs = demand(model)
    [found] = place_each([needs], [computer(gpus, vram, ram)], [(layers, experts, None)], [last])
    on_gpu = gpu_weights(needs, found)
    caches = needs.kv + needs.state
    used = sum(need > 0 for need in found.vram_bytes)
    compute = needs.compute_offload if found.experts_on_cpu.any() else needs.compute
    computing, cpu_buffer = used * compute, needs.compute_cpu if found.n_gpu_layers else needs.compute
    on_cpu = found.layer_device == CPU
    if used > 1 and not on_cpu.any() and not found.experts_on_cpu.any():  # they work in turn
        computing, cpu_buffer = (used - 1) * needs.compute_piped + needs.compute_piped_last, needs.compute_cpu_piped
    buffers = computing + used * BACKEND_CONTEXT_BYTES["cuda"]
    assert sum(found.vram_bytes) == pytest.approx(on_gpu + caches[~on_cpu].sum() + buffers, rel=ROUNDING)
    in_ram = found.ram_bytes + found.storage_bytes
    assert in_ram == pytest.approx(needs.weights_bytes - on_gpu + caches[on_cpu].sum() + cpu_buffer, rel=ROUNDING)


@given(st.floats(4, 48), st.floats(4, 48))
def test_more_gpu_memory_moves_no_more_experts_out(first: float, second: float) -> None:
    small, large = sorted((first, second))
    assert (
        place(demand(), computer(1, large), None, None, None).n_cpu_moe
        <= place(demand(), computer(1, small), None, None, None).n_cpu_moe
    )


def test_cards_of_6_to_24_gib_keep_different_numbers_of_experts_out() -> None:
    numbers = [place(demand(), computer(1, vram), None, None, None).n_cpu_moe for vram in (6, 8, 12, 16, 24)]
    assert numbers == sorted(set(numbers), reverse=True)
    assert numbers[-1] == 0


@given(st.sampled_from(MODELS), st.floats(3, 90))
def test_the_plan_fits_and_one_step_less_would_not(model: str, vram: float) -> None:
    needs, machine = demand(model), computer(1, vram)
    found = place(needs, machine, None, None, None)
    if found.n_gpu_layers == 0:
        return
    assert found.fits
    assert max(found.vram_bytes) <= vram * GIB
    if found.strategy == "expert_offload" and found.n_gpu_layers > needs.footprint.n_layers:
        assert not place(needs, machine, found.n_gpu_layers, found.n_cpu_moe - 1, None).fits
    elif found.strategy == "layer_split":
        assert not place(needs, machine, found.n_gpu_layers + 1, found.n_cpu_moe, None).fits


@given(st.integers(0, 41), st.integers(0, 40))
def test_an_explicit_placement_is_obeyed(layers: int, experts: int) -> None:
    found = place(demand(), computer(1, 96), layers, experts, None)
    assert (found.n_gpu_layers, found.n_cpu_moe) == (layers, experts)
    # The last layers and the output go to the GPU: the output counts as one (llama.cpp load_tensors).
    assert int((found.layer_device != CPU).sum()) == max(0, layers - 1)
    assert np.all(found.layer_device[: 40 - max(0, layers - 1)] == CPU)
    kept = found.experts_on_cpu & (found.layer_device != CPU)
    assert np.flatnonzero(kept).tolist() == [layer for layer in range(40 - max(0, layers - 1), 40) if layer < experts]


@given(st.integers(0, 41), st.integers(0, 40))
def test_experts_of_the_last_layers_are_in_ram_where_that_is_asked_for(layers: int, experts: int) -> None:
    [found] = place_each([demand()], [computer(1, 96)], [(layers, experts, None)], [True])
    on_gpu = found.layer_device != CPU
    assert int(on_gpu.sum()) == max(0, layers - 1)
    kept = set(np.flatnonzero(on_gpu & found.experts_on_cpu).tolist())
    assert kept == set(np.flatnonzero(on_gpu).tolist()) & set(range(40 - experts, 40))


@given(st.sampled_from(MODELS), st.floats(3, 90), st.integers(1, 3))
def test_as_few_of_the_last_layers_as_fit_have_their_experts_in_ram(model: str, vram: float, gpus: int) -> None:
    needs, machine = demand(model), computer(gpus, vram)
    [found] = place_each([needs], [machine], [(None, None, None)], [True])
    if found.strategy == "expert_offload" and found.n_gpu_layers > needs.footprint.n_layers:
        [fewer] = place_each([needs], [machine], [(found.n_gpu_layers, found.n_cpu_moe - 1, None)], [True])
        assert (found.fits, fewer.fits) == (True, False)
        assert np.flatnonzero(found.experts_on_cpu).tolist()[-1] == needs.footprint.n_layers - 1


@pytest.mark.parametrize("number", [99, 999, 100_000])
def test_numbers_beyond_the_model_mean_all(number: int) -> None:
    found = place(demand(), computer(1, 96), number, number, None)
    # Qwen3.6-35B-A3B has 40 layers (its config.json, num_hidden_layers); the output is the 41st.
    assert (found.n_gpu_layers, found.n_cpu_moe) == (41, 40)
    assert found.experts_on_cpu.all()


def test_a_dense_model_has_no_experts_to_move() -> None:
    found = place(demand("Qwen3-32B"), computer(1, 96), 99, 99, None)
    assert found.n_cpu_moe == 0
    assert found.strategy == "full_gpu"


@given(st.integers(1, 64), st.integers(1, 64))
def test_longer_contexts_need_no_less_memory(first: int, second: int) -> None:
    short, long = sorted((first * 1024, second * 1024))
    needs = [sum(place(demand(n_ctx=n), computer(1, 96), 99, 0, None).vram_bytes) for n in (short, long)]
    assert needs[0] <= needs[1]


def test_several_gpus_take_consecutive_layers_by_their_memory() -> None:
    machine = computer(2, 24)
    uneven = replace(machine, gpus=(replace(machine.gpus[0], vram_bytes=48 * GIB), machine.gpus[1]))
    devices = place(demand("Qwen3-32B"), uneven, 99, 0, None).layer_device
    assert np.all(np.diff(devices) >= 0)
    # 64 layers and the output: two thirds of 65 on the card with two thirds of the memory
    assert int((devices == 0).sum()) == pytest.approx(65 * 2 / 3, abs=1)


def test_what_overflows_ram_is_read_from_the_disk_unless_mmap_is_off() -> None:
    needs = demand("gpt-oss-120b")
    found = place(needs, computer(1, 12, 32), None, None, None)
    assert found.fits
    assert found.storage_bytes > 10 * GIB
    assert not place(needs, computer(1, 12, 32), None, None, False).fits
