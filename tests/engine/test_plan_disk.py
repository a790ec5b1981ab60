"""Plans for models larger than the memory that is free: what they say of the disk that the model lies on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.detection import Detected, detect
from advisor.detection.storage import Lodging, ReadAhead
from advisor.engine import planning
from advisor.engine.described import read_model_file
from advisor.engine.planning import Here, look_around, plan_here
from advisor.engine.synthesis import Cut, Recipe, write_model
from advisor.knowledge import load
from advisor.placement import SYSTEM_RAM_BYTES
from advisor.scenario import Scenario
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.units import MIB

CUT = Cut(layers=2, experts=16, vocabulary=512)


@pytest.fixture(scope="module", params=["Qwen3-30B-A3B", "Qwen3-0.6B"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    llm = resolve_llm(request.param).row.llm
    cut = CUT if llm.n_experts else replace(CUT, experts=None)
    made = tmp_path_factory.mktemp("models") / f"{llm.id}.gguf"
    write_model(Recipe(llm, resolve_quant("Q8_0").row, cut), made)
    return made


def reasons(path: Path, ram_bytes: float | None) -> Iterator[str]:
    found: Detected = detect()
    asked = Scenario(model={"gguf": path.name}, hardware=found.hardware)  # type: ignore[arg-type]
    here: Here = look_around(path, found, asked, ())
    if ram_bytes is not None:
        ram = replace(here.machine.ram, capacity_bytes=ram_bytes + SYSTEM_RAM_BYTES)
        here = replace(here, machine=replace(here.machine, ram=ram))
    file = read_model_file(path)
    yield from plan_here(path, here, asked, file, load()).reasons


@pytest.mark.parametrize(("kib", "ram_bytes"), [(8192, 8 * MIB), (8192, None), (128, 8 * MIB)])
def test_a_read_ahead_is_advised_against_where_experts_come_from_the_disk(
    kib: int, ram_bytes: float | None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lodging = Lodging(path, "ext4", (), ReadAhead("sdz", kib))
    monkeypatch.setattr(planning, "lodging_of", lambda _path: lodging)
    due = kib > 512 and ram_bytes is not None and "a3b" in path.name
    assert any("sdz" in reason for reason in reasons(path, ram_bytes)) == due
