"""Plans for a device of little memory: as much on it as llama.cpp's own figures leave room for, matrix by matrix."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.detection import detect
from advisor.engine.layout import CPU
from advisor.engine.plan import Plan
from advisor.engine.plan_report import as_data, commands
from advisor.engine.planning import look_around, plan_here
from advisor.engine.preparation import prepare
from advisor.engine.remote import RpcServer
from advisor.engine.settings import EngineSettings
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe, write_model
from advisor.physics.knowledge import load
from advisor.physics.placement import FILLED
from advisor.question import Scenario
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.units import MIB

LAYERS, CONTEXT = 6, 512
CUTS = {
    "Qwen3-30B-A3B": Cut(layers=LAYERS, experts=16, vocabulary=2048),
    "Qwen3-4B": Cut(layers=LAYERS, vocabulary=2048),
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with RpcServer.start(threads=1, devices=["CPU"]) as server:
        yield str(server.endpoint)


def model(name: str, folder: Path) -> Path:
    """A header and a hole: a plan reads no weights."""
    path = folder / f"{name}.gguf"
    recipe = Recipe(resolve_llm(name).row.llm, resolve_quant("Q4_K_M").row, CUTS[name])
    path.write_bytes(recipe.header)
    os.truncate(path, recipe.size_bytes)
    return path


def whole_bytes(path: Path, endpoint: str) -> float:
    """What all of it takes on the device."""
    own = EngineSettings(rpc=(endpoint,), n_gpu_layers=99, n_ctx=CONTEXT)
    return prepare(path, own).layout.shares["RPC0"].total


def planned(path: Path, endpoint: str, budget_bytes: float, **engine: int) -> Plan:
    found = detect()
    asked = Scenario.model_validate({
        "model": {"gguf": path.name}, "hardware": found.hardware, "engine": {"n_ctx": CONTEXT, "threads": 1, **engine},
    })
    here = look_around(path, found, asked, (endpoint,))
    gpus = tuple(replace(gpu, vram_bytes=budget_bytes) for gpu in here.machine.gpus)
    devices = tuple(
        item.model_copy(update={"free_bytes": int(budget_bytes)}) if item.name == "RPC0" else item
        for item in here.devices
    )
    here = replace(here, machine=replace(here.machine, gpus=gpus), devices=devices)
    return plan_here(path, here, asked, read_model_file(path), load(), (endpoint,))


@pytest.mark.parametrize("share", [0.4, 0.55, 0.7, 0.85])
def test_no_other_matrix_of_experts_would_find_room(share: float, endpoint: str, tmp_path: Path) -> None:
    path = model("Qwen3-30B-A3B", tmp_path)
    budget = whole_bytes(path, endpoint) * share
    plan = planned(path, endpoint, budget)
    held = plan.layout.shares["RPC0"].total
    in_ram = [tensor for tensor in read_model_file(path).tensors if plan.layout.moved.get(tensor.name) == CPU]
    assert in_ram
    assert all(tensor.group == "routed_experts" for tensor in in_ram)
    assert held <= budget * FILLED
    lowest = min(tensor.layer for tensor in in_ram if tensor.layer is not None)
    assert {tensor.layer for tensor in in_ram} == set(range(lowest, LAYERS))
    largest = max(tensor.bytes for tensor in in_ram if tensor.layer == lowest)
    assert budget * FILLED - held < largest + MIB  # compute buffers change a little

    lies, guess = plan.candidate.case.placement, plan.candidate.prediction
    assert sum(lies.vram_bytes) == pytest.approx(held)
    assert guess.fits
    assert guess.placement.n_cpu_moe_last == LAYERS - lowest
    assert any(f"layers {lowest} to {LAYERS - 1}" in reason for reason in plan.reasons)


def test_the_commands_of_such_a_plan_move_the_same_tensors(endpoint: str, tmp_path: Path) -> None:
    path = model("Qwen3-30B-A3B", tmp_path)
    plan = planned(path, endpoint, whole_bytes(path, endpoint) * 0.6)
    data = as_data(plan, "model.gguf")
    assert data["prediction"]["flags"]["llama-server"] == data["flags"]["llama-server"]
    words = shlex.split(commands(plan, "model.gguf")["llama-server"])
    told = [words[place + 1] for place, word in enumerate(words) if word == "-ot"]
    assert told == [f"{item.pattern}=CPU" for item in plan.settings.overrides]
    assert "-ncmoe" not in words
    again = plan.settings.model_copy(update={"n_cpu_moe": 0})
    assert prepare(path, again).layout.moved == plan.layout.moved


def test_what_is_named_is_kept(endpoint: str, tmp_path: Path) -> None:
    path = model("Qwen3-30B-A3B", tmp_path)
    budget = whole_bytes(path, endpoint) * 0.7
    first, last = (planned(path, endpoint, budget, **{name: 5}) for name in ("n_cpu_moe", "n_cpu_moe_last"))
    assert (first.settings.n_cpu_moe, first.settings.overrides) == (5, ())
    assert {name.split(".")[1] for name in last.layout.moved} == {"1", "2", "3", "4", "5"}
    assert len(last.settings.overrides) == 1


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_no_other_layer_of_a_dense_model_would_find_room(share: float, endpoint: str, tmp_path: Path) -> None:
    path = model("Qwen3-4B", tmp_path)
    budget = whole_bytes(path, endpoint) * share
    plan = planned(path, endpoint, budget)
    more = plan.settings.model_copy(update={"n_gpu_layers": plan.settings.n_gpu_layers + 1})
    assert plan.layout.shares["RPC0"].total <= budget * FILLED
    assert prepare(path, more).layout.shares["RPC0"].total > budget * FILLED


def test_a_plan_with_a_part_of_a_layer_on_the_device_writes(endpoint: str, tmp_path: Path) -> None:
    """What llama.cpp reports of the load is checked against the plan."""
    name = "Qwen3-30B-A3B"
    path = tmp_path / "whole.gguf"
    write_model(Recipe(resolve_llm(name).row.llm, resolve_quant("Q4_K_M").row, CUTS[name]), path)
    plan = planned(path, endpoint, whole_bytes(path, endpoint) * 0.6)
    with prepare(path, plan.settings).open() as session:
        assert session.loaded.report.overridden == plan.layout.moved
        assert session.logits((1, 2, 3)).shape == (3, 2048)
