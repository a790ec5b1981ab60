"""What is taken for parts that are not named: common choices of the platform."""

import pytest

from advisor.machines.from_parts import (
    COMMON_CPUS,
    COMMON_MT_S,
    COMMON_SERVERS,
    common_ram_type,
    cpu_by_platform,
    ram_by_platform,
)
from catalog.parts import Cpu, Gpu
from catalog.tables import cpus, gpus


def card(name: str) -> Gpu:
    return next(row for row in gpus() if row.name == name)


def processor(name: str) -> Cpu:
    return next(row for row in cpus() if row.name == name)


@pytest.mark.parametrize("name", [*COMMON_CPUS.values(), *COMMON_SERVERS.values()])
def test_the_common_processors_are_in_the_catalog(name: str) -> None:
    assert processor(name).name == name


@pytest.mark.parametrize(("kind", "name"), [*COMMON_CPUS.items(), *COMMON_SERVERS.items()])
def test_the_common_processors_take_the_memory_they_stand_for(kind: str, name: str) -> None:
    assert kind in processor(name).memory_types


def test_a_hint_gives_a_processor_of_the_middle_of_its_generation() -> None:
    chosen = cpu_by_platform("Zen 3", None, ())
    peers = sorted(row.cores for row in cpus() if row.microarchitecture == "Zen 3" and row.segment != "server")
    assert chosen.microarchitecture == "Zen 3"
    assert peers[0] < chosen.cores < peers[-1]


def test_a_server_is_hinted_at_by_its_words_or_its_cards() -> None:
    assert cpu_by_platform("Zen 4", None, (), is_server=True).segment == "server"
    assert cpu_by_platform(None, None, (card("H100 PCIe 80GB"),)).segment == "server"
    assert cpu_by_platform(None, None, (card("RTX 3090"),)).segment == "desktop"


def test_an_unknown_hint_falls_back_to_the_memory_and_that_to_the_card() -> None:
    assert "DDR3" in cpu_by_platform("80486", "DDR3", ()).memory_types
    assert "DDR5" in cpu_by_platform(None, None, (card("RTX 4090"),)).memory_types
    assert "DDR4" in cpu_by_platform(None, None, (card("RTX 3090"),)).memory_types


@pytest.mark.parametrize(
    ("name", "kind"), [("GTX 1080 Ti", "DDR4"), ("RTX 3090", "DDR4"), ("RTX 4090", "DDR5"), ("RX 9070 XT", "DDR5")]
)
def test_memory_is_of_the_years_of_the_card(name: str, kind: str) -> None:
    assert common_ram_type([card(name)]) == kind


def test_a_desktop_runs_common_kits_and_a_server_what_it_is_rated_for() -> None:
    # Ryzen 7 7700X: DDR5-5200 as rated (amd.com), kits of 5600 are the common ones; EPYC 9355: DDR5-6000, 12 channels
    assert ram_by_platform(processor("Ryzen 7 7700X"), None, ()) == ("DDR5", COMMON_MT_S["DDR5"], 2)
    assert ram_by_platform(processor("EPYC 9355"), None, ()) == ("DDR5", 6000.0, 12)


def test_the_memory_that_is_said_decides_on_processors_that_take_two_kinds() -> None:
    both = processor("Core i5-12400")
    assert {ram_by_platform(both, kind, ())[0] for kind in ("DDR4", "DDR5")} == {"DDR4", "DDR5"}
