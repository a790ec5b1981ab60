"""Parts that the buyer names as his own."""

import pytest

from advisor.buying.ownership import owned_parts
from advisor.errors import InputError


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("NVIDIA GeForce RTX 3060 (12GB)", ("gpu", "RTX 3060 12GB")),
        ("Ryzen 7 5800X", ("cpu", "Ryzen 7 5800X")),
        ("msi mag b550 tomahawk", ("board", "MSI MAG B550 TOMAHAWK")),
        ("EVGA 1000 GQ", ("psu", "EVGA 1000 GQ")),
        ("WD Black SN850 1TB", ("ssd", "WD Black SN850 1TB")),
        ("DGX Spark", ("unified", "DGX Spark")),
    ],
)
def test_any_kind_of_part(text: str, key: tuple[str, str]) -> None:
    assert owned_parts([text]).counts == {key: 1}


def test_a_part_named_twice_is_owned_twice() -> None:
    assert owned_parts(["RTX 3060 12GB", "rtx 3060 12gb"]).counts == {("gpu", "RTX 3060 12GB"): 2}


@pytest.mark.parametrize("text", ["2x RTX 3090", "2 x RTX 3090", "2× NVIDIA GeForce RTX 3090"])
def test_several_of_a_part_are_counted(text: str) -> None:
    assert owned_parts([text]).counts == {("gpu", "RTX 3090"): 2}


@pytest.mark.parametrize(
    ("text", "gib", "noted"),
    [("Mac mini M4 16GB", 16, False), ("Mac mini M4 32GB", 32, False), ("Mac mini M4", 16, True)],
)
def test_a_machine_has_the_memory_that_its_name_says_or_the_smallest(text: str, gib: float, noted: bool) -> None:
    # apple.com: Mac mini with M4 from 16 GB
    owned = owned_parts([text])
    assert owned.memory_gib == {"Apple M4 (10-core GPU)": gib}
    assert any("memory size" in said for said in owned.assumptions) is noted


def test_memory_becomes_a_kit() -> None:
    owned = owned_parts(["DDR4-3200 2x16"])
    (kit,) = owned.ram_kits
    assert (kit.ram_type, kit.mt_s, kit.modules, kit.module_gib) == ("DDR4", 3200, 2, 16)
    assert owned.counts == {("ram", kit.name): 1}
    assert owned.assumptions == ()


def test_what_memory_leaves_open_is_assumed_and_told() -> None:
    owned = owned_parts(["64GB DDR5"])
    (kit,) = owned.ram_kits
    assert kit.modules * kit.module_gib == 64
    assert owned.assumptions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flux capacitor", "is not in the catalog"),
        ("DDR4-3200", "give type, speed and modules"),
        ("DDR9 2x16", "--own"),
        ("Gigabyte", "ambiguous"),
        ("2x DGX Spark", "is 2 computers"),
        ("Mac mini M4 banana", "'banana' is not understood"),
    ],
)
def test_what_is_unclear_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        owned_parts([text])


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("OptiPlex 7050 SFF",), "several processors: say what is in yours"),
        (("OptiPlex 7050 SFF", "Core i5-7500"), "how much memory"),
        (("OptiPlex 7070 SFF",), "how much memory"),
        (("computer: HP Elite 9999",), "say what is in it"),
        (("OptiPlex 7050",), "ambiguous"),
    ],
)
def test_what_a_computer_came_with_is_asked_back(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        owned_parts(texts)


def test_a_computer_that_no_row_describes_is_its_processor_and_memory() -> None:
    owned = owned_parts(["computer: HP Elite 9999", "Core i5-7500", "DDR4-2400 2x8"])
    (row,) = owned.offices
    assert (row.name, row.ram_type, row.slot_pcie_lanes) == ("HP Elite 9999", "DDR4", None)
    assert owned.counts["cpu", "Core i5-7500"] == 1
    assert owned.counts["office", "HP Elite 9999"] == 1
    assert any("no card is put into it" in said for said in owned.assumptions)


def test_a_machine_is_kept_as_its_owner_writes_it() -> None:
    assert owned_parts(["GMKtec EVO-X2 128GB"]).written == {"Strix Halo (Ryzen AI Max+ 395)": "GMKtec EVO-X2 128GB"}
