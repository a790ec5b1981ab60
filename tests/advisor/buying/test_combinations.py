"""The table of all builds, compared with what the rules of compatibility and the builder say of each pair of parts."""

from dataclasses import replace

import numpy as np
import pytest

from advisor.buying.builds import Assembler, Cards
from advisor.buying.combinations import combinations_of
from advisor.buying.compatibility import cooler_problem, memory_channels, memory_problem, running_mt_s, socket_problem
from advisor.buying.ownership import owned_parts
from advisor.buying.platforms import Platform, platforms_of
from advisor.buying.recommendation import left_out, recommend
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load


@pytest.fixture(scope="module")
def stock() -> Stock:
    return stock_of("any", owned_parts(()))


def test_platforms_are_all_that_the_rules_allow(stock: Stock) -> None:
    """Of the boards that the table has: rules are asked of each processor, board and memory."""
    table = platforms_of(stock)
    expected = [
        (cpu.name, board.name, memory, running_mt_s(memory, cpu, board), memory_channels(cpu, board, memory.modules))
        for cpu in stock.cpus if not all(cooler_problem(row, cpu) for row in stock.coolers)
        for board in table.boards if socket_problem(cpu, board) is None
        for memory, _ in stock.memories() if memory_problem(memory, cpu, board) is None
    ]
    found = [(item.cpu.name, item.board.name, item.memory, item.mt_s, item.channels) for item in table]
    assert len(found) == len(table) > 5000
    assert set(expected) == set(found)
    assert len(expected) == len(found)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chipset", "X870"), ("form_factor", "ATX"), ("dimm_slots", 4), ("dimms_per_channel", 2),
        ("max_memory_gib", 192.0), ("registered_memory", True), ("slot1_pcie_gen", 5), ("slot1_pcie_lanes", 8),
        ("slot1_shared_lanes", 8), ("m2_slots", 0),
        *((f"slot{slot}_pcie_lanes", 4) for slot in (2, 3, 4)),
    ],
)
def test_a_dearer_board_is_left_out_only_where_a_cheaper_one_is_alike(stock: Stock, field: str, value: object) -> None:
    """Whatever a rule or the physics sees of a board: all but its name, source, socket, memory type and SATA ports."""
    fitting = (row for row in stock.boards if row.socket == "AM5")
    cheap, dear = sorted(fitting, key=lambda row: stock.usd("board", row.name))[:2]
    alike = cheap.model_copy(update={"name": dear.name, "source": dear.source, "sata_ports": 9})
    assert getattr(alike, field) != value
    few = replace(stock, boards=(cheap, alike))
    assert platforms_of(few).boards == (cheap,)
    with_it = {field.replace("lanes", "gen"): 4} if field in {f"slot{slot}_pcie_lanes" for slot in (2, 3, 4)} else {}
    other = alike.model_copy(update={field: value} | with_it)
    assert set(platforms_of(replace(few, boards=(cheap, other))).boards) == {cheap, other}


def test_a_platform_is_found_by_its_parts(stock: Stock) -> None:
    table = platforms_of(stock)
    for place in range(0, len(table), 997):
        assert table.like(table[place]).tolist() == [place]
    other = next(item for item in table if item.memory.ram_type != table[0].memory.ram_type)
    assert table.like(replace(table[0], memory=other.memory)).tolist() == []
    assert table[3:5] == [table[3], table[4]]


def test_a_place_has_a_price_where_the_builder_makes_a_build(stock: Stock) -> None:
    """A random three thousand of all pairs of cards and platform: the same go together, for the same money, and are
    the machine that their scenario says.
    """
    table, builder = combinations_of(stock), Assembler(stock, 1.0)
    random = np.random.default_rng(5)
    machines = 0
    for row, column in zip(
        random.integers(len(table.cards), size=3000), random.integers(len(table.platforms), size=3000), strict=True
    ):
        build = builder.complete(table.cards[row], table.platforms[int(column)])
        assert (build is None) == bool(np.isinf(table.usd[row, column]))
        if build is None:
            continue
        disk = sum(part.quote.price_usd for part in build.parts if part.kind == "ssd")
        assert build.price_usd - disk == pytest.approx(table.usd[row, column], abs=0.01)
        at, fleet, machine = table.machine_at[row, column], table.fleet, machine_of(build.hardware)
        assert fleet.graphics[fleet.graphics_at[at]].gpus == machine.gpus
        assert fleet.graphics[fleet.graphics_at[at]].backend == machine.backend
        assert fleet.processors[fleet.processor_at[at]].cpu == machine.cpu
        assert fleet.ram_bytes[fleet.size_at[at]] == machine.ram.capacity_bytes
        assert fleet.ram_gb_s[at] == pytest.approx(machine.ram.bandwidth_gb_s, rel=1e-12)
        machines += 1
    assert machines > 1000


@pytest.mark.parametrize("kind", ["cpus", "boards", "ram_kits", "psus", "cases", "coolers"])
def test_without_parts_of_a_kind_there_is_no_build(stock: Stock, kind: str) -> None:
    assert not np.isfinite(combinations_of(replace(stock, **{kind: ()})).usd).any()


def test_without_cards_what_shows_a_picture_is_left(stock: Stock) -> None:
    table = combinations_of(replace(stock, gpus=()))
    there = np.isfinite(table.usd[0])
    assert there.any()
    shown: list[Platform] = [item for item, has in zip(table.platforms, there, strict=True) if has]
    assert all(item.cpu.integrated_gpu for item in shown)


def test_what_a_stock_makes_is_worked_out_once_for_all_who_ask() -> None:
    shorter, longer = (Wish(model="gpt-oss-20b", context=context, limit=1) for context in (8192, 9216))
    recommend(shorter, load())
    made = combinations_of.cache_info().misses
    recommend(longer, load())
    assert combinations_of.cache_info().misses == made
    recommend(longer.model_copy(update={"own": ("RTX 3060 12GB",)}), load())
    assert combinations_of.cache_info().misses == made + 1


def test_two_wide_cards_on_a_small_board_hang_in_a_frame_on_risers_or_are_refused(stock: Stock) -> None:
    """microATX has four places for slots: two cards of three slots leave none between them there."""
    wide = next(gpu for gpu in stock.gpus if gpu.name == "RTX 3090")
    platform = next(
        item for item in platforms_of(stock)
        if item.board.form_factor == "Micro-ATX" and item.board.slot2_pcie_lanes and item.cpu.integrated_gpu
    )
    build = Assembler(stock, 20.0).complete(Cards(wide, 2), platform)
    assert build is not None
    names = [part.name for part in build.parts if part.kind in {"case", "accessory"}]
    assert names == ["Open frame for 8 cards", *["PCIe 4.0 x16 riser"] * 2]
    assert build.price_usd == pytest.approx(sum(part.quote.price_usd for part in build.parts), abs=0.01)
    table = combinations_of(stock, platforms_of(stock))
    row = next(at for at, item in enumerate(table.cards) if (item.gpu, item.count) == (wide, 2))
    column = next(at for at, item in enumerate(table.platforms) if item == platform)
    disk = next(part.quote.price_usd for part in build.parts if part.kind == "ssd")
    assert table.usd[row, column] == pytest.approx(build.price_usd - disk, abs=0.02)
    quotes = {key: quote for key, quote in stock.prices.quotes.items() if key[1] != "PCIe 4.0 x16 riser"}
    bare = replace(stock, prices=replace(stock.prices, quotes=quotes))
    assert Assembler(bare, 20.0).complete(Cards(wide, 2), platform) is None
    narrow = next(gpu for gpu in stock.gpus if gpu.name == "RTX 3060 12GB").model_copy(update={"slots": 2.0})
    beside = Assembler(stock, 20.0).complete(Cards(narrow, 2), platform)
    assert beside is not None
    assert any(part.kind == "case" for part in beside.parts)


def test_cards_that_no_supply_feeds_get_two_with_an_adapter_in_a_frame(stock: Stock) -> None:
    """Four of 350 W with a processor ask for more than any supply of the catalog gives (1650 W at most)."""
    hungry = next(gpu for gpu in stock.gpus if gpu.name == "RTX 3090")
    table = combinations_of(stock, platforms_of(stock))
    row = next(at for at, item in enumerate(table.cards) if (item.gpu, item.count) == (hungry, 4))
    column = int(np.flatnonzero(np.isfinite(table.usd[row]))[0])
    platform = table.platforms[column]
    assert len(platform.board.further_slots) == 3
    build = Assembler(stock, 20.0).complete(Cards(hungry, 4), platform)
    assert build is not None
    supplies = [part for part in build.parts if part.kind == "psu"]
    assert len(supplies) == 2
    assert len({part.name for part in supplies}) == 1
    names = [part.name for part in build.parts if part.kind in {"case", "accessory"}]
    assert sorted(names) == sorted(["Open frame for 8 cards", *["PCIe 4.0 x16 riser"] * 4])
    disk = next(part.quote.price_usd for part in build.parts if part.kind == "ssd")
    assert table.usd[row, column] == pytest.approx(build.price_usd - disk, abs=0.02)
    assert {"open_frame", "two_supplies"} <= {note.code for note in build.notes}


def test_as_many_cards_are_tried_as_boards_have_slots(stock: Stock) -> None:
    table = combinations_of(stock)
    assert {item.count for item in table.cards} == {0, 1, 2, 3, 4}
    few = replace(stock, boards=tuple(row for row in stock.boards if len(row.further_slots) < 2))
    assert {item.count for item in combinations_of(few).cards} == {0, 1, 2}


def test_a_module_carries_its_adapter_and_is_left_out_without_one(stock: Stock) -> None:
    module = next(gpu for gpu in stock.gpus if gpu.name == "Tesla V100 SXM2 16GB")
    assert (module.power_connectors, module.slots) == ("2x 8-pin", 3)
    assert [name for name, _ in stock.beside(module, 2)] == ["V100 SXM2 to PCIe adapter"] * 2
    assert {"A100 SXM4 80GB", "H100 SXM5 80GB"} <= set(stock.modules)
    assert any("A100 SXM4 80GB" in said for said in left_out(stock, Wish(model="gpt-oss-20b")))
    table = combinations_of(stock, platforms_of(stock))
    row = next(at for at, item in enumerate(table.cards) if (item.gpu, item.count) == (module, 1))
    assert np.isfinite(table.usd[row]).any()
