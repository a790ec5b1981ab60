"""Plans for models larger than the memory that is free: what they say of the disk that the model lies on."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.detection import detect
from advisor.detection.storage import Lodging, ReadAhead
from advisor.engine import planning
from advisor.engine.planning import look_around, plan_here
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe
from advisor.physics.knowledge import load
from advisor.physics.placement import SYSTEM_RAM_BYTES
from advisor.question import Scenario
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.units import GIB, MIB

EXPERTS, DENSE = "Qwen3-30B-A3B", "Qwen3-4B"
LITTLE, MUCH = 256 * MIB, 2 * GIB
"""Bytes of free RAM: the cut models have 690 and 860 MB."""
CUTS = {EXPERTS: Cut(2, 64, 512), DENSE: Cut(8, None, 512)}


def reasons(model: str, ram_bytes: float, folder: Path) -> tuple[str, ...]:
    path = folder / "model.gguf"
    recipe = Recipe(resolve_llm(model).row.llm, resolve_quant("Q8_0").row, CUTS[model])
    path.write_bytes(recipe.header)
    os.truncate(path, recipe.size_bytes)  # a plan reads no weights
    found = detect()
    asked = Scenario.model_validate({"model": {"gguf": path.name}, "hardware": found.hardware})
    here = look_around(path, found, asked, ())
    ram = replace(here.machine.ram, capacity_bytes=ram_bytes + SYSTEM_RAM_BYTES)
    here = replace(here, machine=replace(here.machine, ram=ram))
    return plan_here(path, here, asked, read_model_file(path), load()).reasons


@pytest.mark.parametrize(
    ("model", "ram_bytes", "kib", "advised"),
    [
        (EXPERTS, LITTLE, 8192, True),
        (EXPERTS, LITTLE, 128, False),
        (EXPERTS, MUCH, 8192, False),
        (DENSE, LITTLE, 8192, False),  # all that is read around a fault is read next
    ],
)
def test_a_read_ahead_is_advised_against_where_experts_come_from_the_disk(
    model: str, ram_bytes: float, kib: int, advised: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lodging = Lodging(tmp_path, "ext4", (), ReadAhead("sdz", kib))
    monkeypatch.setattr(planning, "lodging_of", lambda _path: lodging)
    found = reasons(model, ram_bytes, tmp_path)
    assert any("not repacked: RAM does not hold all" in reason for reason in found) == (ram_bytes == LITTLE)
    assert any("sdz" in reason for reason in found) == advised
