"""What is taken for parts that are not named: common choices of the platform."""

import pytest

from advisor.machines.memory import COMMON_MT_S, ram_by_platform
from advisor.machines.processor import COMMON_CPUS, COMMON_SERVERS, common_cpu, common_ram_type, typical
from catalog.names.cpus import family_of
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
    chosen = typical(family_of("some Zen 3"), "DDR4")
    peers = sorted(row.cores for row in cpus() if row.microarchitecture == "Zen 3" and row.segment != "server")
    assert chosen.microarchitecture == "Zen 3"
    assert peers[0] < chosen.cores < peers[-1]


def test_a_server_is_hinted_at_by_its_words_or_its_cards() -> None:
    assert {row.segment for row in family_of("Zen 4 server")} == {"server"}
    assert common_cpu(None, (card("H100 PCIe 80GB"),)).segment == "server"
    assert common_cpu(None, (card("RTX 3090"),)).segment == "desktop"


def test_what_is_not_known_is_of_the_years_of_the_memory_and_that_of_the_card() -> None:
    assert "DDR3" in common_cpu("DDR3", ()).memory_types
    assert "DDR5" in common_cpu(None, (card("RTX 4090"),)).memory_types
    assert "DDR4" in common_cpu(None, (card("RTX 3090"),)).memory_types


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
