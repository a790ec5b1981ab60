"""Identities of the tables of memory kits, disks, power supplies, cases and coolers."""

import pytest

from catalog.names.ram import parse_ram
from catalog.names.storage import resolve_ssd
from catalog.tables import accessories, boards, card_ports, cases, coolers, cpus, psus, ram_kits, ssds

TABLES = {"ram_kits": ram_kits(), "ssds": ssds(), "psus": psus(), "cases": cases(), "coolers": coolers()}


@pytest.mark.parametrize(
    ("table", "least"), [("ram_kits", 50), ("ssds", 15), ("psus", 15), ("cases", 6), ("coolers", 6)]
)
def test_tables_are_wide_enough_and_names_are_unique(table: str, least: int) -> None:
    names = [row.name for row in TABLES[table]]
    assert len(names) >= least
    assert len(names) == len(set(names))


@pytest.mark.parametrize("table", [*TABLES, "boards"])
def test_what_a_source_does_not_confirm_is_a_column(table: str) -> None:
    """A source that lacks some figures ends in "; not confirmed: COLUMNS"; something else always stands before."""
    for row in {**TABLES, "boards": boards()}[table]:
        named, _, columns = row.source.partition("; not confirmed: ")
        assert named, row.name
        assert set(columns.split()) <= type(row).model_fields.keys() - {"name", "source", "as_of"}, row.name


def test_kit_names_say_what_the_kit_is() -> None:
    for kit in ram_kits():
        spec = parse_ram(kit.name)
        assert (spec.ram_type, spec.mt_s) == (kit.ram_type, kit.mt_s), kit.name
        assert (spec.modules, spec.module_gib) == (kit.modules, kit.module_gib), kit.name


def test_module_sizes_exist() -> None:
    """JEDEC module sizes on sale: 8 to 32 GiB (DDR4 unbuffered), 8 to 64 (DDR5 unbuffered), 16 to 96 (registered)."""
    for kit in ram_kits():
        unbuffered = {8, 16, 24, 32, 48, 64} if kit.ram_type == "DDR5" else {8, 16, 32}
        sizes = {16, 32, 64, 96} if kit.registered else unbuffered
        assert kit.module_gib in sizes, kit.name
        assert kit.ecc or not kit.registered


def test_disks_stay_below_their_interface_and_read_slower_at_random() -> None:
    """Peaks: SATA 0.6 GB/s; four PCIe lanes of generation 3, 4, 5: 3.94, 7.88, 15.75 GB/s (128b/130b)."""
    peaks = {"SATA": 0.6, "PCIe 3.0 x4": 3.94, "PCIe 4.0 x4": 7.88, "PCIe 5.0 x4": 15.75}
    for disk in ssds():
        assert disk.sequential_read_gb_s <= peaks[disk.interface], disk.name
        assert 0.01 < disk.random_read_gb_s < disk.sequential_read_gb_s / 5, disk.name
        assert disk.form_factor == ("2.5" if disk.interface == "SATA" else "M.2"), disk.name


def test_published_random_reads_of_a_single_queue() -> None:
    """Samsung's data sheets: 990 PRO 22,000 and 870 EVO 13,000 reads of 4 KiB a second at queue depth 1."""
    for name, reads_per_second in (("990 PRO 2TB", 22_000), ("870 EVO 1TB", 13_000)):
        expected = pytest.approx(reads_per_second * 4096 / 1e9, rel=0.01)  # the table rounds to 1 MB/s
        assert resolve_ssd(name).row.random_read_gb_s == expected


def test_power_supplies_have_the_cables_of_their_size() -> None:
    for psu in psus():
        assert 400 <= psu.watts <= 2000
        assert 1 <= psu.pcie_8pin <= 12
        assert 0 <= psu.pcie_16pin <= 2


def test_cases_take_known_boards_and_some_case_takes_each() -> None:
    known = {"Mini-ITX", "Micro-ATX", "ATX", "E-ATX"}
    assert all(set(case.board_form_factors) <= known for case in cases())
    assert {board.form_factor for board in boards()} <= {form for case in cases() for form in case.board_form_factors}


def test_coolers_name_sockets_of_the_catalog() -> None:
    assert {socket for cooler in coolers() for socket in cooler.sockets} <= {cpu.socket for cpu in cpus()}


def test_docks_and_ports_name_links() -> None:
    links = {"thunderbolt3", "thunderbolt4", "thunderbolt5", "usb4", "usb4v2", "oculink"}  # as a scenario names them
    docks = [row for row in accessories() if row.use == "dock"]
    assert {row.link for row in docks} <= links
    assert all(row.link for row in docks)
    assert all(set(row.ports) <= links for row in card_ports())
    assert len({row.name for row in card_ports()}) == len(card_ports())


def test_an_adapter_says_what_its_module_then_needs() -> None:
    for row in accessories():
        assert bool(row.carries) == bool(row.power_connectors) == (row.slots is not None), row.name
