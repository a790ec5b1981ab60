"""Identities of the table of boards."""

import pytest

from catalog.parts import Board
from catalog.tables import boards, cpus

ROWS = boards()


WITHOUT_A_BOARD = {
    "LGA2066 C422", "LGA4677", "LGA4677 W790", "LGA4189", "LGA4710", "LGA7529", "LGA4926",
    "AM3+", "LGA775", "LGA1150", "LGA1155", "LGA1366", "LGA2011", "LGA2011-1",
    "BGA",  # soldered: laptops and boxes
}
"""No longer sold, or no board among the sources: catalog/data/README.md names them."""


def test_every_socket_but_those_named_has_a_board() -> None:
    assert {cpu.socket for cpu in cpus()} - {row.socket for row in ROWS} == WITHOUT_A_BOARD


def test_names_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_board_agrees_with_the_processors_of_its_socket(row: Board) -> None:
    peers = [cpu for cpu in cpus() if cpu.socket == row.socket]
    assert peers
    assert any(row.ram_type in cpu.memory_types for cpu in peers)
    assert row.slot1_pcie_gen <= max(cpu.pcie_gen for cpu in peers)
    assert row.dimm_slots % row.dimms_per_channel == 0
    assert row.dimm_slots // row.dimms_per_channel <= max(cpu.memory_channels for cpu in peers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_slots_are_wired_as_slots_can_be(row: Board) -> None:
    assert row.slot1_pcie_lanes in (8, 16)
    assert (row.slot2_pcie_gen is None) == (row.slot2_pcie_lanes is None)
    assert row.slot2_pcie_lanes in (None, 4, 8, 16)
    assert row.slot1_shared_lanes in (None, 8)
    assert row.slot1_shared_lanes is None or row.slot2_pcie_lanes == 8
    assert row.m2_slots >= 0
    third, fourth = (row.slot3_pcie_gen, row.slot3_pcie_lanes), (row.slot4_pcie_gen, row.slot4_pcie_lanes)
    assert all((generation is None) == (lanes is None) for generation, lanes in (third, fourth))
    assert {third[1], fourth[1]} <= {None, 4, 8, 16}
    listed = [lanes is not None for lanes in (row.slot2_pcie_lanes, third[1], fourth[1])]
    assert listed == sorted(listed, reverse=True)
    assert len(row.further_slots) == sum(listed)
    assert row.form_factor != "Mini-ITX" or (row.dimm_slots == 2 and row.slot2_pcie_lanes is None)


def test_memory_per_slot_is_a_module_that_exists() -> None:
    """No consumer module is larger than 64 GiB (DDR5) or 32 GiB (DDR4); registered ones reach 256 GiB."""
    for row in ROWS:
        largest = 256 if row.registered_memory else {"DDR4": 32, "DDR5": 64}[row.ram_type]
        assert row.max_memory_gib / row.dimm_slots <= largest, row.name
