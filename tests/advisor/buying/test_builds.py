"""Builds of the shipped catalog are whole and go together. The check reads the tables, not the code under test."""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import catalog
from advisor.buying.recommendation import KIND_WORDS, RankedBuild

DATA = Path(catalog.__file__).parent / "data"
Everything = Callable[[str], tuple[RankedBuild, ...]]
FRAME = "Open frame for 8 cards"


@cache
def table(name: str) -> dict[str, dict[str, str]]:
    with (DATA / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def parts(build: RankedBuild, kind: str) -> list[str]:
    return [part.name for part in build.parts if part.kind == kind]


def row(build: RankedBuild, kind: str, name: str) -> dict[str, str]:
    (only,) = parts(build, kind)
    return table(name)[only]


def is_assembled(build: RankedBuild) -> bool:
    """Whether it is put together from parts; what goes into an office PC is tested beside its rules."""
    return build.kind == "desktop" and not parts(build, "office")


def test_desktops_are_whole_and_each_part_is_there_once(everything: Everything) -> None:
    desktops = [build for build in everything("any") if is_assembled(build)]
    assert desktops
    for build in desktops:
        counts = {kind: len(parts(build, kind)) for kind in ("cpu", "board", "ssd", "cooler")}
        assert counts == dict.fromkeys(counts, 1)
        frames, joints = parts(build, "accessory").count(FRAME), len(parts(build, "psu")) - 1
        assert len(parts(build, "case")) + frames == 1
        assert joints in {0, 1}
        assert bool(joints) == any(note.code == "two_supplies" for note in build.notes)
        assert not joints or frames
        assert parts(build, "ram")
        assert len(set(parts(build, "gpu"))) <= 1
        assert len(parts(build, "gpu")) <= 4
    assert {len(parts(build, "gpu")) for build in desktops} == {0, 1, 2, 3, 4}


def test_every_desktop_goes_together_by_the_tables_alone(everything: Everything) -> None:
    for build in everything("any"):
        if is_assembled(build):
            cpu, board = row(build, "cpu", "cpus"), row(build, "board", "boards")
            assert cpu["socket"] == board["socket"], build.name
            check_memory(build, cpu, board)
            check_shell(build, cpu, board)
            check_cards(build, board)
            check_power(build, cpu)


def check_memory(build: RankedBuild, cpu: dict[str, str], board: dict[str, str]) -> None:
    kits = [table("ram_kits")[name] for name in parts(build, "ram")]
    assert {kit["ram_type"] for kit in kits} == {board["ram_type"]}
    assert board["ram_type"] in cpu["memory_types"].split(";")
    modules = sum(int(kit["modules"]) for kit in kits)
    gib = sum(int(kit["modules"]) * float(kit["module_gib"]) for kit in kits)
    assert modules <= int(board["dimm_slots"])
    assert gib <= min(float(board["max_memory_gib"]), float(cpu["max_memory_gib"]))
    assert {kit["form_factor"] for kit in kits} == {"DIMM"}
    ram = build.prediction.scenario.hardware.ram
    assert ram.gb == pytest.approx(gib)
    assert ram.mt_s is not None
    assert ram.mt_s <= min(int(kit["mt_s"]) for kit in kits)
    assert ram.channels == min(int(cpu["memory_channels"]), modules)


def check_shell(build: RankedBuild, cpu: dict[str, str], board: dict[str, str]) -> None:
    cooler = row(build, "cooler", "coolers")
    assert cpu["socket"] in cooler["sockets"].split(";")
    assert float(cooler["max_tdp_w"]) >= float(cpu["tdp_w"])
    if parts(build, "case"):
        case = row(build, "case", "cases")
        assert board["form_factor"] in case["board_form_factors"].split(";")
        assert float(cooler["height_mm"]) <= float(case["max_cooler_height_mm"])


def check_cards(build: RankedBuild, board: dict[str, str]) -> None:
    names = parts(build, "gpu")
    case = row(build, "case", "cases") if parts(build, "case") else None
    asked = build.prediction.scenario.hardware.gpus
    assert sum(gpu.count for gpu in asked) == len(names)
    assert all(board[f"slot{slot}_pcie_lanes"] for slot in range(1, len(names) + 1))
    if case is None:
        risers = [name for name in parts(build, "accessory") if "riser" in name]
        assert len(risers) == len(names) >= 2
    for gpu in asked:
        card = table("gpus")[gpu.name]
        assert card["form"] not in {"laptop", "integrated"}
        if case:
            assert float(card["length_mm"] or 0) <= float(case["max_gpu_length_mm"])
            assert float(card["slots"] or 2) * len(names) <= float(case["gpu_slots"])
        assert gpu.pcie_gen is not None
        assert gpu.pcie_lanes is not None
        fastest = max(int(board[f"slot{slot}_pcie_gen"] or 0) for slot in (1, 2, 3, 4))
        assert gpu.pcie_gen <= min(int(card["pcie_gen"]), fastest)
        assert gpu.pcie_lanes <= int(card["pcie_lanes"])


def check_power(build: RankedBuild, cpu: dict[str, str]) -> None:
    watts = sum(float(table("psus")[name]["watts"]) for name in parts(build, "psu"))
    cards = sum(float(table("gpus")[name]["power_w"]) for name in parts(build, "gpu"))
    assert watts >= (cards + float(cpu["tdp_w"])) * 1.1
    assert cards + float(cpu["tdp_w"]) <= build.power_w <= watts


@pytest.mark.parametrize("condition", ["new", "used", "any"])
def test_the_price_is_the_sum_of_quoted_parts(everything: Everything, condition: str) -> None:
    for build in everything(condition):
        assert build.price_usd == pytest.approx(sum(part.price_usd for part in build.parts), rel=1e-6)
        for part in build.parts:
            assert part.price_usd > 0
            assert part.price_source
            assert part.price_as_of is not None
            assert part.condition in ({"new"} if condition == "new" else {"new", "used"})


def test_used_builds_say_which_parts_are_priced_new(everything: Everything) -> None:
    for build in everything("used"):
        new = {part.kind for part in build.parts if part.condition == "new"}
        said = " ".join(note.message for note in build.notes if note.code == "priced_new")
        assert all(KIND_WORDS[kind][0] in said for kind in new)


FAN = ["Arctic P12 PWM fan", "Printed blower shroud"]


def test_passive_cards_carry_a_shroud_and_a_fan_each_and_modules_their_adapter(everything: Everything) -> None:
    passive = [
        (build, cards)
        for build in everything("any")
        if (cards := [name for name in parts(build, "gpu") if table("gpus")[name]["form"] == "datacentre"])
    ]
    assert passive
    for build, cards in passive:
        each = ["V100 SXM2 to PCIe adapter"] if "SXM2" in cards[0] else FAN
        assert sorted(beside_cards(build)) == sorted(each * len(cards))
    those = {build.rank for build, _ in passive}
    assert all(build.rank in those for build in everything("any") if beside_cards(build))


def beside_cards(build: RankedBuild) -> list[str]:
    """Accessories but those of several cards: frame, risers, and what joins two supplies."""
    return [name for name in parts(build, "accessory") if name != FRAME and "riser" not in name]
