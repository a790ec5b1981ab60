"""What an owner measured counts in builds that keep his part, and is said to count for none where none does."""

from datetime import date
from typing import Any

import pytest

from advisor.buying.advice import advise
from advisor.buying.ownership import knowing_owned, owned_hardware, owned_parts, runs_unused
from advisor.buying.wish import Wish
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import own_machines
from advisor.profiles.own_runs import profile_of_runs
from advisor.question import Hardware, OwnRun, Scenario

RUN = OwnRun(model="Qwen3-8B", quant="Q4_K_M", decode_tok_s=30.0)
"""On an RTX 3060, of which public runs tell some 50 tok/s."""


@pytest.mark.parametrize(
    ("own", "cards", "processor", "gib"),
    [
        (("RTX 3060 12GB",), ["RTX 3060 12GB"], None, None),
        (("2x RTX 3090", "Ryzen 7 5800X", "DDR4-3200 2x16"), ["RTX 3090"] * 2, "Ryzen 7 5800X", 32),
        (("Ryzen 7 5800X", "DDR4-3200 2x16", "DDR4-3200 2x16"), [], "Ryzen 7 5800X", 64),
        (("computer: Fujitsu Esprimo", "Core i5-7500", "DDR4-2400 2x8"), [], "Core i5-7500", 16),
    ],
)
def test_owned_parts_make_a_computer(
    own: tuple[str, ...], cards: list[str], processor: str | None, gib: float | None
) -> None:
    found = owned_hardware(owned_parts(own))
    assert found is not None
    machine = machine_of(found)
    assert [gpu.name for gpu in machine.gpus] == cards
    assert processor in (None, machine.cpu.name)
    assert found.ram.gb == gib


def test_a_whole_machine_is_owned_by_its_name_and_size() -> None:
    found = owned_hardware(owned_parts(("Framework Desktop 128GB",)))
    assert found is not None
    assert machine_of(found).unified
    assert owned_hardware(owned_parts(())) is None


def test_runs_of_nothing_that_is_owned_are_refused() -> None:
    with pytest.raises(InputError, match="--own"):
        knowing_owned((RUN,), owned_parts(()), load())
    with pytest.raises(InputError, match="--own"):
        advise(Wish(model="Qwen3-8B", measured=(RUN,), budget_usd=1500), load())


def test_builds_with_the_owned_card_go_by_its_run_and_others_do_not() -> None:
    wish: dict[str, Any] = {
        "model": "Qwen3-8B", "quant": "Q4_K_M", "own": ("RTX 3060 12GB",), "budget_usd": 1200.0, "condition": "any",
        "limit": 40,
    }
    found = advise(Wish(**wish, measured=(RUN,)), load())
    usual = {build.name: build for build in advise(Wish(**wish), load()).builds}
    own = [build for build in found.builds if build.name == "RTX 3060 12GB"]
    assert own
    for build in found.builds:
        by_runs = any(note.code == "by_own_runs" for note in build.prediction.warnings)
        assert by_runs == (build.name == "RTX 3060 12GB")
        assert build.prediction.decode_tok_s
        other = usual.get(build.name)
        if by_runs and other and other.prediction.decode_tok_s:
            assert build.prediction.decode_tok_s.p50 < 0.95 * other.prediction.decode_tok_s.p50
    assert not any("counts for none" in said for said in found.assumptions)
    for pick in found.picks:
        measured = "RTX 3060 12GB" in found.builds[pick.build].name
        assert any("by your run" in said for said in pick.why) == measured
        assert not any("by your run" in said for said in pick.against)


def test_a_run_that_counts_for_no_build_is_said() -> None:
    hardware = Hardware.model_validate({"gpus": [{"name": "RTX 3090"}], "cpu": "Ryzen 7 5800X"})
    answer = predict(Scenario(model="Qwen3-8B", quant="Q4_K_M", hardware=hardware), load())
    assert "your run counts for none" in runs_unused((RUN,), [answer])[0]
    assert runs_unused((), [answer]) == ()


def test_a_stored_profile_counts_for_its_parts_only_where_they_are_owned() -> None:
    hardware = Hardware.model_validate({
        "gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 5 5600", "ram": {"type": "DDR4", "mt_s": 3200, "gb": 32},
    })
    stored = own_machines([profile_of_runs(hardware, [RUN], date(2026, 11, 1))], load()).knowledge
    elsewhere = Scenario(
        model="Qwen3-8B", quant="Q4_K_M", hardware=hardware.model_copy(update={"cpu": "Ryzen 7 5800X"})
    )
    nobody, owner = (knowing_owned((), owned_parts(own), stored) for own in ((), ("RTX 3060 12GB",)))
    assert nobody is stored
    assert predict(elsewhere, nobody).calibration == "global"
    assert predict(elsewhere, owner).calibration == "measured"
