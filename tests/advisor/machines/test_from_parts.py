"""From the hardware of a question to a machine: what is said is obeyed, what is not said is filled in and noted.

Figures of parts are those of the makers' pages cited in the catalog: RTX 3060 PCIe 4.0 x16, RTX 5090 PCIe 5.0 x16;
Core i7-7700 PCIe 3.0, Ryzen 7 5800X PCIe 4.0, two channels of DDR4-3200; Ryzen 9 7950X DDR5; EPYC 9355 32 cores, 12
channels of DDR5-6000; Apple M4 Max 546.1 GB/s.
"""

from typing import Any

import pytest

from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.question import Hardware
from catalog.names.index import UnknownName
from catalog.units import GIB

ROUNDING = 1e-9
LANE_GB_S = {3: 0.985, 4: 1.969, 5: 3.938}
"""PCIe, one lane in one direction: 8, 16, 32 GT/s x 128 / 130 / 8 bits. Source: PCI-SIG base specifications."""


def machine(gpu: str | None = None, link: dict[str, int] | None = None, **said: Any) -> Machine:
    gpus = [{"name": gpu, **(link or {})}] if gpu else []
    return machine_of(Hardware.model_validate({"gpus": gpus} | said))


ALL_SAID: dict[str, Any] = {
    "cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 64},
    "storage": {"read_gb_s": 7.0},
}


def test_a_machine_with_all_said_assumes_nothing() -> None:
    found = machine("RTX 3060 12GB", **ALL_SAID)
    assert (found.assumptions, found.unknown) == ((), frozenset())
    assert found.ram.bandwidth_gb_s == pytest.approx(57.6, rel=ROUNDING)  # 2 channels x 8 B x 3.6 GT/s
    assert found.ram.capacity_bytes == 64 * GIB
    assert (found.cpu.cores, found.cpu.sockets, found.backend) == (8, 1, "cuda")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (ALL_SAID | {"cpu": None}, "cpu"),
        (ALL_SAID | {"ram": {"type": "DDR4", "channels": 2, "gb": 64}}, "ram_speed"),
        (ALL_SAID | {"ram": {"type": "DDR4", "mt_s": 3600, "gb": 64}}, "ram_channels"),
        (ALL_SAID | {"ram": {"type": "DDR4", "mt_s": 3600, "channels": 2}}, "ram_size"),
    ],
)
def test_each_thing_not_said_is_one_assumption_and_one_code(said: dict[str, Any], code: str) -> None:
    found = machine("RTX 3060 12GB", **said)
    assert found.unknown == {code}
    assert len(found.assumptions) == 1
    assert "taken as" in found.assumptions[0]


def test_a_card_without_its_memory_size_is_the_common_one_and_noted() -> None:
    found = machine("RTX 3060", **ALL_SAID)
    assert (found.gpus[0].name, found.unknown) == ("RTX 3060 12GB", {"vram"})


@pytest.mark.parametrize(
    ("cpu", "gib"), [("Ryzen 7 5800X", 32), ("Core i7-4790", 16), ("Threadripper 3960X", 64), ("2x EPYC 7543", 512)]
)
def test_a_size_of_ram_that_is_not_said_is_the_common_one(cpu: str, gib: int) -> None:
    found = machine("RTX 3060 12GB", cpu=cpu)
    assert found.ram.capacity_bytes == gib * GIB
    assert f"RAM size not given: taken as {gib} GiB" in found.assumptions


def test_ram_that_is_not_said_follows_the_processor() -> None:
    # 2 x 8 B x 5.6 GT/s, the common kit on a desktop rated lower; 12 x 8 B x 6 GT/s, the rate of the server
    assert machine(cpu="Ryzen 9 7950X").ram.bandwidth_gb_s == pytest.approx(89.6, rel=ROUNDING)
    assert machine(cpu="EPYC 9355").ram.bandwidth_gb_s == pytest.approx(576.0, rel=ROUNDING)


def test_a_processor_that_is_not_said_is_of_the_years_of_the_card() -> None:
    assert machine("GTX 1070").ram.type == "DDR4"
    assert machine("RTX 5090").ram.type == "DDR5"
    assert machine("RTX 5090", ram={"type": "DDR4", "gb": 32}).ram.type == "DDR4"


@pytest.mark.parametrize(
    ("text", "cores"),
    [("6 cores without SMT (model not stated)", 6), ("20 threads, 5.2 GHz turbo", 10), ("1 thread", 1)],
)
def test_cores_that_a_text_states_of_a_processor_it_does_not_name_count(text: str, cores: int) -> None:
    found = machine("RTX 3060 12GB", cpu=text)
    assert found.cpu.cores == cores
    assert "cpu" in found.unknown
    assert any(text in sentence for sentence in found.assumptions)


@pytest.mark.parametrize(
    ("cpu", "ram", "refusal"),
    [
        ("Ryzen 7 5800X", "DDR5", "Ryzen 7 5800X (AM4) takes DDR4, not DDR5"),
        ("Ryzen 9 7950X", "DDR4", "Ryzen 9 7950X (AM5) takes DDR5, not DDR4"),
        ("Ryzen 7 5800X", "RDRAM", "RAM type 'RDRAM' is not known"),
    ],
)
def test_memory_that_does_not_fit_is_refused_in_one_sentence(cpu: str, ram: str, refusal: str) -> None:
    with pytest.raises(InputError) as error:
        machine(cpu=cpu, ram={"type": ram, "gb": 32})
    assert str(error.value).startswith(refusal)
    assert "\n" not in str(error.value)


def test_a_card_that_the_catalog_lacks_is_refused() -> None:
    with pytest.raises(UnknownName, match="RTX 9999"):
        machine("RTX 9999")


@pytest.mark.parametrize(
    ("gpu", "cpu", "generation"),
    [
        ("RTX 5090", "Core i7-7700", 3),
        ("RTX 5090", "Ryzen 7 5800X", 4),
        ("RTX 5090", "Ryzen 9 7950X", 5),
        ("RTX 3060 12GB", "Ryzen 9 7950X", 4),
    ],
)
def test_the_link_is_of_the_lower_generation_of_card_and_processor(gpu: str, cpu: str, generation: int) -> None:
    assert machine(gpu, cpu=cpu).gpus[0].link_gb_s == pytest.approx(16 * LANE_GB_S[generation], rel=ROUNDING)


def test_a_link_that_is_said_is_obeyed() -> None:
    found = machine("RTX 3060 12GB", {"pcie_gen": 3, "pcie_lanes": 4}, cpu="Ryzen 9 7950X")
    assert found.gpus[0].link_gb_s == pytest.approx(4 * LANE_GB_S[3], rel=ROUNDING)


@pytest.mark.parametrize("name", ["EPYC 9355", "Xeon E5-2690 v4"])
def test_two_sockets_have_twice_the_cores_and_channels(name: str) -> None:
    one, two = machine(cpu=name), machine(cpu=f"2x {name}")
    assert (one.cpu.sockets, two.cpu.sockets) == (1, 2)
    assert two.cpu.cores == 2 * one.cpu.cores
    assert two.ram.bandwidth_gb_s == pytest.approx(2 * one.ram.bandwidth_gb_s, rel=ROUNDING)


def test_the_fabric_limits_what_one_chiplet_reads() -> None:
    # Ryzen 7 7700X, one CCD: 32 B x 2 GHz = 64 GB/s (chipsandcheese.com), less than 2 x 8 B x 6 GT/s = 96
    found = machine(cpu="Ryzen 7 7700X", ram={"type": "DDR5", "mt_s": 6000, "channels": 2, "gb": 64})
    assert found.ram.bandwidth_gb_s == pytest.approx(64.0, rel=ROUNDING)


def test_efficiency_cores_count_half() -> None:
    # Core i7-12700K: 8 performance and 4 efficiency cores (ark.intel.com)
    assert machine(cpu="Core i7-12700K").cpu.cores == 10


def test_several_cards_are_devices_of_their_own() -> None:
    asked = Hardware.model_validate({"gpus": [{"name": "RTX 5090", "count": 2}, {"name": "RTX 3090"}]} | ALL_SAID)
    assert [gpu.name for gpu in machine_of(asked).gpus] == ["RTX 5090", "RTX 5090", "RTX 3090"]


def test_the_gpu_of_a_unified_machine_may_use_a_share_of_the_one_memory() -> None:
    found = machine(machine="Apple M4 Max (40-core GPU)", ram={"gb": 64})
    # Apple's recommendedMaxWorkingSetSize: three quarters of 64 GB
    assert found.gpus[0].vram_bytes == pytest.approx(48 * GIB, rel=ROUNDING)
    assert found.ram.capacity_bytes == 64 * GIB
    assert (found.unified, found.backend) == (True, "metal")
    assert found.ram.bandwidth_gb_s == found.gpus[0].bandwidth_gb_s == pytest.approx(546.1, rel=ROUNDING)


@pytest.mark.parametrize(
    ("name", "gib"),
    [("Apple M4 Max (40-core GPU)", 48), ("Mac mini M4", 16), ("Strix Halo", 128), ("DGX Spark", 128),
     ("Lenovo LOQ 15IRX9", 8)],
)
def test_a_machine_without_its_size_is_the_smallest_common_one_and_noted(name: str, gib: int) -> None:
    # apple.com: M4 Max (40-core GPU) from 48 GB, Mac mini from 16 GB; psref.lenovo.com: LOQ 15IRX9 from 8 GB
    found = machine(machine=name)
    assert found.ram.capacity_bytes == gib * GIB
    assert "ram_size" in found.unknown
    assert any(f"memory size not given: taken as {gib} GiB" in sentence for sentence in found.assumptions)


def test_a_laptop_is_made_of_its_parts() -> None:
    found = machine(machine="Lenovo Legion 5 Pro 16ACH6H")
    assert found.name == "Lenovo Legion 5 Pro 16ACH6H (RTX 3070, Ryzen 7 5800H)"
    assert ([gpu.name for gpu in found.gpus], found.cpu.name) == (["RTX 3070 Laptop GPU"], "Ryzen 7 5800H")
    assert not found.unified
    assert not found.unknown & {"cpu", "ram_speed", "ram_channels"}


@pytest.mark.parametrize(
    ("gpu", "backend"), [("RTX 3060 12GB", "cuda"), ("RX 7900 XTX", "rocm"), ("Arc B580", "vulkan"), (None, "cpu")]
)
def test_the_usual_backend_of_the_maker_is_taken(gpu: str | None, backend: str) -> None:
    assert machine(gpu, **ALL_SAID).backend == backend


def test_a_backend_that_is_said_is_obeyed() -> None:
    asked = Hardware.model_validate({"gpus": [{"name": "RX 7900 XTX"}]} | ALL_SAID)
    assert machine_of(asked, "vulkan").backend == "vulkan"
