"""What goes together. Expected values: makers' specification pages, named beside each, or rows of the catalog."""

from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.buying.compatibility import (
    Memory,
    case_problem,
    cooler_problem,
    display_problem,
    gpu_links,
    is_card,
    load_w,
    memory_channels,
    memory_problem,
    psu_problem,
    psu_watts_needed,
    running_mt_s,
    socket_problem,
    supply_problem,
    watts_needed,
)
from catalog import tables
from catalog.parts import Board, Cpu, Gpu, RamKit
from catalog.rows import Row

Part = TypeVar("Part", bound=Row)


def row(rows: tuple[Part, ...], name: str) -> Part:
    return next(item for item in rows if item.name == name)


def cpu(name: str) -> Cpu:
    return row(tables.cpus(), name)


def board(name: str) -> Board:
    return row(tables.boards(), name)


def gpu(name: str) -> Gpu:
    return row(tables.gpus(), name)


def kit(ram_type: str, mt_s: int, modules: int, gib: float, **more: Any) -> RamKit:
    return RamKit(
        name=f"{ram_type}-{mt_s} {modules}x{gib:g}", ram_type=ram_type, mt_s=mt_s, modules=modules, module_gib=gib,
        form_factor=more.pop("form_factor", "DIMM"), source="test", as_of="2026-11-24", **more,
    )


AM4_FOUR_SLOTS, AM4_TWO_SLOTS, H610 = "MSI MAG B550 TOMAHAWK", "ASRock A520M-HDV", "ASRock H610M/ac"
R5800X = "Ryzen 7 5800X"


def test_ddr5_does_not_go_on_am4() -> None:
    problem = memory_problem(Memory((kit("DDR5", 6000, 2, 16),)), cpu(R5800X), board(AM4_FOUR_SLOTS))
    assert problem is not None
    assert "takes DDR4, not DDR5" in problem


@pytest.mark.parametrize(
    ("kits", "on", "word"),
    [
        ((kit("DDR4", 3200, 2, 16),) * 2, AM4_TWO_SLOTS, "2 slots"),  # four modules, two slots (asrock.com: A520M-HDV)
        (
            (kit("DDR4", 3200, 2, 64),),
            AM4_FOUR_SLOTS,
            "larger than a slot",
        ),  # 128 GB in four slots: 32 GB each (msi.com)
        ((kit("DDR4", 3200, 4, 64),), AM4_FOUR_SLOTS, "more than"),  # 256 GB, the board takes 128
        ((kit("DDR4", 3200, 2, 16, registered=True, ecc=True),), AM4_FOUR_SLOTS, "unbuffered"),
        ((kit("DDR4", 3200, 2, 16, form_factor="SODIMM"),), AM4_FOUR_SLOTS, "laptops"),
        ((kit("DDR4", 3200, 1, 16), kit("DDR5", 6000, 1, 16)), AM4_FOUR_SLOTS, "do not mix"),
    ],
)
def test_memory_that_does_not_fit_is_told_why(kits: tuple[RamKit, ...], on: str, word: str) -> None:
    problem = memory_problem(Memory(kits), cpu(R5800X), board(on))
    assert problem is not None
    assert word in problem


def test_registered_modules_are_needed_where_board_and_processor_take_them() -> None:
    epyc, server = cpu("EPYC 7543"), board("Supermicro H12SSL-i")
    assert memory_problem(Memory((kit("DDR4", 3200, 8, 32, registered=True, ecc=True),)), epyc, server) is None
    assert "registered" in (memory_problem(Memory((kit("DDR4", 3200, 8, 32),)), epyc, server) or "")


def test_an_xmp_kit_runs_at_its_own_speed_with_one_module_per_channel() -> None:
    assert running_mt_s(Memory((kit("DDR4", 3600, 2, 16),)), cpu(R5800X), board(AM4_FOUR_SLOTS)) == 3600


def test_two_modules_per_channel_run_at_the_official_speed() -> None:
    # AMD: Ryzen 5000, four modules of one rank, DDR4-2933.
    assert running_mt_s(Memory((kit("DDR4", 3600, 2, 16),) * 2), cpu(R5800X), board(AM4_FOUR_SLOTS)) == 2933


def test_h610_holds_memory_at_the_official_speed() -> None:
    # Intel ARK: H610 offers no memory overclocking; Core i5-12400 up to DDR4-3200.
    assert running_mt_s(Memory((kit("DDR4", 3600, 2, 16),)), cpu("Core i5-12400"), board(H610)) == 3200
    assert (
        running_mt_s(Memory((kit("DDR4", 3600, 2, 16),)), cpu("Core i5-12400"), board("MSI PRO B760M-P DDR4")) == 3600
    )


def test_slow_memory_stays_slow() -> None:
    assert running_mt_s(Memory((kit("DDR4", 2400, 2, 8),)), cpu(R5800X), board(AM4_FOUR_SLOTS)) == 2400


@pytest.mark.parametrize(("modules", "channels"), [(1, 1), (2, 2), (4, 2)])
def test_modules_fill_channels_first(modules: int, channels: int) -> None:
    assert memory_channels(cpu(R5800X), board(AM4_FOUR_SLOTS), modules) == channels


def test_four_channels_of_threadripper() -> None:
    assert memory_channels(cpu("Threadripper 3970X"), board("Gigabyte TRX40 AORUS PRO WIFI"), 4) == 4


@pytest.mark.parametrize(
    ("card", "on", "with_cpu", "links"),
    [
        ("RTX 3060 12GB", "ASRock A520M-HDV", R5800X, [(3, 16)]),  # A520: PCIe 3.0 slot (amd.com chipsets)
        ("RTX 3060 12GB", "MSI MAG B550 TOMAHAWK", R5800X, [(4, 16)]),
        ("RTX 3060 12GB", "MSI MAG B550 TOMAHAWK", "Ryzen 5 5500", [(3, 16)]),  # Cezanne: PCIe 3.0 (amd.com)
        ("RTX 3060 12GB", "ASUS ProArt B550-CREATOR", R5800X, [(4, 8), (4, 8)]),  # asus.com: x8/x8
        ("RTX 3060 12GB", "MSI MAG B550 TOMAHAWK", R5800X, [(4, 16), (3, 4)]),  # msi.com: second slot PCIe 3.0 x4
        ("RTX 4060 Ti 16GB", "MSI MAG B550 TOMAHAWK", R5800X, [(4, 8)]),  # nvidia.com: PCIe 4.0 x8
        ("RTX 3090", "ASUS ProArt B550-CREATOR", R5800X, [(4, 8), (4, 8), (3, 4)]),  # asus.com: x8/x8, chipset x4
        ("RTX 3090", "ASRock Rack ROMED8-2T", "EPYC 7532", [(4, 16)] * 4),  # asrockrack.com: seven slots of 16 lanes
        ("RTX 3090", "ASRock Rack ROMED8-2T", "EPYC 7551P", [(3, 16)] * 4),  # amd.com: PCIe 3.0
        ("RTX 3090", "ASRock X399 Taichi", "Threadripper 1920X", [(3, 16), (3, 16), (3, 8), (3, 8)]),  # asrock.com
    ],
)
def test_links_are_the_least_of_card_slot_and_processor(
    card: str, on: str, with_cpu: str, links: list[tuple[int, int]]
) -> None:
    found = gpu_links(gpu(card), len(links), cpu(with_cpu), board(on))
    assert found is not None
    assert [(link.generation, link.lanes) for link in found] == links


def test_no_second_card_without_a_second_slot() -> None:
    assert gpu_links(gpu("RTX 3060 12GB"), 2, cpu(R5800X), board(AM4_TWO_SLOTS)) is None


def test_no_third_card_without_lanes_for_it() -> None:
    """ark.intel.com: the i7-5820K has 28 lanes, the i7-5930K 40; the board gives three cards 16, 16 and 8."""
    few, enough = (gpu_links(gpu("RTX 3090"), 3, cpu(name), board("ASRock X99 Extreme4")) for name in X99_CPUS)
    assert few is None
    assert [link.lanes for link in enough or ()] == [16, 16, 8]


CARDS = [item for item in tables.gpus() if is_card(item)]
X99_CPUS = ("Core i7-5820K", "Core i7-5930K")


@given(st.sampled_from(CARDS), st.sampled_from(tables.cpus()), st.sampled_from(tables.boards()), st.integers(1, 4))
def test_no_link_exceeds_card_or_slot(card: Gpu, with_cpu: Cpu, on: Board, count: int) -> None:
    links = gpu_links(card, count, with_cpu, on)
    if links is None:
        assert count > 1
        assert len(on.further_slots) < count - 1 or count > 2
        return
    slots = ((on.slot1_pcie_gen, on.slot1_pcie_lanes), *on.further_slots)
    for link, (generation, lanes) in zip(links, slots, strict=False):
        assert link.generation <= generation
        assert link.lanes <= lanes
    assert len(links) == count
    assert all(1 <= link.generation <= card.pcie_gen and 1 <= link.lanes <= card.pcie_lanes for link in links)
    assert links[0].generation <= min(on.slot1_pcie_gen, with_cpu.pcie_gen)
    assert links[0].lanes <= on.slot1_pcie_lanes


@pytest.mark.parametrize(
    ("card", "watts"), [("RTX 3060 12GB", 550), ("RTX 3090", 750), ("RTX 4090", 850), ("RTX 5090", 1000)]
)
def test_supplies_follow_the_makers_figures(card: str, watts: int) -> None:
    # nvidia.com, required system power of each card; with a 65 W processor the makers' figure decides.
    assert psu_watts_needed(gpu(card), 1, cpu("Ryzen 5 5600")) == pytest.approx(watts)


@given(st.sampled_from(CARDS), st.sampled_from(tables.cpus()))
def test_the_load_takes_at_most_four_fifths_of_a_supply(card: Gpu, with_cpu: Cpu) -> None:
    for count in (1, 2):
        assert load_w(card, count, with_cpu) <= psu_watts_needed(card, count, with_cpu) / 1.3 * (1 + 1e-9)
    assert (
        psu_watts_needed(card, 2, with_cpu)
        >= psu_watts_needed(card, 1, with_cpu)
        >= psu_watts_needed(None, 0, with_cpu)
    )


def test_unlike_cards_are_fed_by_the_draw_and_the_plugs_of_each() -> None:
    """nvidia.com: RTX 3090 350 W, RTX 3060 170 W; two of the larger would ask for 234 W more than both do."""
    both, with_cpu = (gpu("RTX 3060 12GB"), gpu("RTX 3090")), cpu(R5800X)
    assert watts_needed(both, with_cpu) == pytest.approx((350 + 170 + 105 * 1.35 + 60) * 1.3)
    assert watts_needed((both[1],) * 2, with_cpu) - watts_needed(both, with_cpu) == pytest.approx(180 * 1.3)
    assert watts_needed((both[0],), with_cpu) == psu_watts_needed(both[0], 1, with_cpu)
    supply = row(tables.psus(), "EVGA 1000 GQ").model_copy(update={"pcie_8pin": 3, "pcie_16pin": 0})
    old = (both[0].model_copy(update={"power_connectors": "1x 8-pin"}), gpu("RTX 2080 Ti"))  # 2 plugs: nvidia.com
    assert supply_problem(supply, old, with_cpu) is None
    assert "RTX 2080 Ti" in (supply_problem(supply.model_copy(update={"pcie_8pin": 2}), old, with_cpu) or "")
    assert "W needed" in (supply_problem(supply.model_copy(update={"watts": 600.0}), both, with_cpu) or "")


@given(st.lists(st.sampled_from(CARDS), min_size=1, max_size=4), st.sampled_from(tables.cpus()))
def test_a_supply_of_unlike_cards_lies_between_those_of_the_least_and_the_most(cards: list[Gpu], with_cpu: Cpu) -> None:
    least, most = min(cards, key=lambda item: item.power_w), max(cards, key=lambda item: item.power_w)
    needed = watts_needed(cards, with_cpu)
    assert psu_watts_needed(least, len(cards), with_cpu) <= needed <= psu_watts_needed(most, len(cards), with_cpu)
    assert needed == watts_needed(cards[::-1], with_cpu)


def test_too_small_a_supply_is_refused() -> None:
    small = row(tables.psus(), "EVGA 500 BA")
    assert "W needed" in (psu_problem(small, gpu("RTX 4090"), 1, cpu(R5800X)) or "")
    assert psu_problem(small, None, 0, cpu(R5800X)) is None


def test_a_sixteen_pin_card_takes_three_eight_pins_through_its_adapter() -> None:
    # RTX 4090, 450 W: NVIDIA's adapter joins three (450 W) or four cables.
    big = row(tables.psus(), "EVGA 1000 GQ")
    wide = gpu("RTX 4090")
    assert psu_problem(big.model_copy(update={"pcie_16pin": 0, "pcie_8pin": 3}), wide, 1, cpu(R5800X)) is None
    assert "plugs" in (
        psu_problem(big.model_copy(update={"pcie_16pin": 0, "pcie_8pin": 2}), wide, 1, cpu(R5800X)) or ""
    )
    assert psu_problem(big.model_copy(update={"pcie_16pin": 1, "pcie_8pin": 0}), wide, 1, cpu(R5800X)) is None


def test_case_limits() -> None:
    case, cooler = row(tables.cases(), "Montech AIR 100 ARGB"), row(tables.coolers(), "ID-COOLING SE-214-XT ARGB")
    small, large = board(AM4_TWO_SLOTS), board(AM4_FOUR_SLOTS)
    card = gpu("RTX 3060 12GB").model_copy(update={"length_mm": 242.0, "slots": 2.0})
    assert case_problem(case, small, cooler, card, 1) is None
    assert "not ATX" in (case_problem(case, large, cooler, card, 1) or "")
    assert "too long" in (case_problem(case, small, cooler, card.model_copy(update={"length_mm": 331.0}), 1) or "")
    assert "too high" in (case_problem(case, small, cooler.model_copy(update={"height_mm": 200.0}), card, 1) or "")
    assert "slots" in (case_problem(case, small, cooler, card, 2) or "")  # 2 + 1 free + 2 of its 4


def test_cooler_limits() -> None:
    tower = row(tables.coolers(), "ID-COOLING SE-214-XT ARGB")
    assert cooler_problem(tower, cpu(R5800X)) is None
    assert "does not fit sTRX4" in (cooler_problem(tower, cpu("Threadripper 3970X")) or "")
    assert "cools" in (cooler_problem(tower.model_copy(update={"max_tdp_w": 65.0}), cpu(R5800X)) or "")


def test_something_shows_a_picture() -> None:
    assert display_problem(None, cpu("Core i5-12400")) is None
    assert display_problem(gpu("RTX 3060 12GB"), cpu("Ryzen 5 5500")) is None
    assert "no graphics" in (display_problem(None, cpu("Ryzen 5 5500")) or "")
    assert "no graphics" in (display_problem(gpu("Tesla P40"), cpu("Ryzen 5 5500")) or "")  # datacentre: no outputs


def test_sockets() -> None:
    assert socket_problem(cpu(R5800X), board(AM4_TWO_SLOTS)) is None
    assert "AM4" in (socket_problem(cpu(R5800X), board(H610)) or "")


def test_modules_and_laptop_chips_are_no_cards() -> None:
    assert not any("SXM" in item.name or item.form in {"laptop", "integrated"} for item in CARDS)
    assert any(item.name == "RTX 3060 12GB" for item in CARDS)
