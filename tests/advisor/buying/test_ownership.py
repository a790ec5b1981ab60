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
