"""The RAM of a machine: channels that modules fill, sizes that are not said, two modules of DDR5 on a channel."""

import pytest

from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.machines.memory import ram_request
from advisor.question import Hardware
from catalog.tables import cpus
from catalog.units import GIB

EXACT = 1e-9


def machine(cpu: str, ram: str) -> Machine:
    asked = ram_request(ram, cpu)
    return machine_of(Hardware.model_validate({"cpu": cpu, "ram": asked.model_dump(), "storage": {"read_gb_s": 3}}))


@pytest.mark.parametrize(
    ("cpu", "ram", "gb_s", "gib"),
    [
        # Channels x 8 B x MT/s. Ryzen 7 5700X: 2 channels (amd.com); Threadripper 1950X: 4; EPYC 9355: 12
        ("Ryzen 7 5700X", "64GB DDR4-3200 single channel", 25.6, 64),
        ("Ryzen 7 5700X", "DDR4-3200 1x64", 25.6, 64),
        ("Ryzen 7 5700X", "DDR4-3200 16GB x 2", 51.2, 32),
        ("Ryzen 7 5700X", "DDR4-3200 4 sticks of 16GB", 51.2, 64),
        ("Threadripper 1950X", "DDR4-2666 3x32", 63.984, 96),
        ("Threadripper 1950X", "quad channel DDR4-2666 128GB", 85.312, 128),
        ("EPYC 9355", "DDR5-4800 12x64", 460.8, 768),
        ("2x EPYC 9355", "DDR5-4800 12-channel 768GB", 921.6, 768),
        ("Ryzen 9 9950X", "DDR5-5600 1x48+1x32", 89.6, 80),
    ],
)
def test_channels_and_sizes_are_as_written(cpu: str, ram: str, gb_s: float, gib: float) -> None:
    found = machine(cpu, ram).ram
    assert found.bandwidth_gb_s == pytest.approx(gb_s, rel=EXACT)
    assert found.capacity_bytes == gib * GIB


@pytest.mark.parametrize(
    ("ram", "words"),
    [("quad channel DDR4-3200 64GB", "has 2 channels, not 4"), ("DDR4-3200 1x32 dual channel", "1 modules fill 1")],
)
def test_channels_that_cannot_be_are_refused(ram: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ram_request(ram, "Ryzen 7 5700X")


@pytest.mark.parametrize("text", ["DDR4-3200", "DDR4 2x16", "32GB DDR4"])
def test_a_type_that_says_more_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="says more than the type"):
        machine_of(Hardware.model_validate({"cpu": "Ryzen 7 5800X", "ram": {"type": text}}))


@pytest.mark.parametrize(
    ("cpu", "ram", "mt_s"),
    [
        # amd.com, Ryzen 7 7700X: DDR5-5200 with two modules, 3600 with four; ark.intel.com, i7-14700: 5600 and 4400
        ("Ryzen 7 7700X", "DDR5-6000 4x32", 3600), ("Ryzen 7 7700X", "DDR5 4x16", 3600),
        ("Core i7-14700", "DDR5-5600 4x48", 4400), ("Core i7-14700", "DDR5-4000 4x48", 4000),
    ],
)
def test_four_modules_of_ddr5_run_at_the_rate_for_two_on_a_channel(cpu: str, ram: str, mt_s: float) -> None:
    found = machine(cpu, ram)
    assert found.ram.bandwidth_gb_s == pytest.approx(mt_s * 2 * 8 / 1000, rel=EXACT)
    told = any("rated for with two on a channel" in said for said in found.assumptions)
    assert told is (mt_s in {3600, 4400})


@pytest.mark.parametrize("ram", ["DDR4-3600 4x16", "DDR4-3600 2x32"])
def test_four_modules_of_ddr4_run_as_their_profile_says(ram: str) -> None:
    assert machine("Ryzen 7 5800X", ram).ram.bandwidth_gb_s == pytest.approx(57.6, rel=EXACT)


def test_no_processor_runs_four_modules_of_ddr5_faster_than_two() -> None:
    for row in cpus():
        if row.segment != "laptop" and row.memory_channels == 2 and "DDR5" in row.memory_types and row.mt_s_2dpc:
            two, four = (machine(row.name, f"DDR5-8000 {count}x16").ram.bandwidth_gb_s for count in (2, 4))
            assert four < two, row.name
