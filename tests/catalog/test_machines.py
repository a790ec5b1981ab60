"""Identities of the tables of unified-memory machines and laptops."""

import pytest

from catalog.parts import Laptop, UnifiedMachine
from catalog.tables import cpus, gpus, laptops, unified_machines

MACHINES, LAPTOPS = unified_machines(), laptops()
BY_NAME = {row.name: row for row in MACHINES}
GPUS = {row.name: row for row in gpus()}
CPUS = {row.name: row for row in cpus()}
ROUNDING = 0.01
"""Makers round bandwidths and rates to two or three digits."""
APPLE_GPU_CORES = {
    "M1": (7, 8), "M1 Pro": (14, 16), "M1 Max": (24, 32), "M1 Ultra": (48, 64),
    "M2": (8, 10), "M2 Pro": (16, 19), "M2 Max": (30, 38), "M2 Ultra": (60, 76),
    "M3": (8, 10), "M3 Pro": (14, 18), "M3 Max": (30, 40), "M3 Ultra": (60, 80),
    "M4": (8, 10), "M4 Pro": (16, 20), "M4 Max": (32, 40),
    "M5": (8, 10), "M5 Pro": (16, 20), "M5 Max": (32, 40), "M5 Ultra": (64, 80), "M6": (12,),
}
"""Apple's technical specifications (support.apple.com/specs) of the Macs sold since 2020."""


def test_names_are_unique() -> None:
    names = [name for row in (*MACHINES, *LAPTOPS) for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))


def test_every_apple_chip_is_there_with_each_number_of_gpu_cores() -> None:
    expected = {f"Apple {chip} ({cores}-core GPU)" for chip, both in APPLE_GPU_CORES.items() for cores in both}
    assert {row.name for row in MACHINES if row.maker == "apple"} == expected


@pytest.mark.parametrize("row", MACHINES, ids=lambda row: row.name)
def test_machine_agrees_with_itself(row: UnifiedMachine) -> None:
    assert row.bandwidth_gb_s == pytest.approx(row.bus_bits / 8 * row.data_rate_gt_s, rel=ROUNDING)
    assert 0.5 <= row.gpu_memory_share < 1
    assert row.memory_gib == tuple(sorted(row.memory_gib))
    assert row.memory_gib
    assert row.backend == {"apple": "metal", "nvidia": "cuda", "qualcomm": "opencl"}.get(row.maker, "vulkan")
    assert row.maker != "apple" or f"({row.gpu_cores}-core GPU)" in row.name


@pytest.mark.parametrize(
    ("name", "bandwidth_gb_s", "fp16_tflops"),
    [
        # Apple newsroom: M1 68.25 GB/s and 2.6 TFLOPS; M1 Max 400 and 10.4; M2 100 and 3.6; M2 Ultra 800 and 27.2
        ("Apple M1 (8-core GPU)", 68.25, 2.6), ("Apple M1 Max (32-core GPU)", 400, 10.4),
        ("Apple M2 (10-core GPU)", 100, 3.6), ("Apple M2 Ultra (76-core GPU)", 800, 27.2),
        # Zakharko 2025: 70 TFLOPS of matrix FP16 estimated for 40 M5 cores; Apple: 614 GB/s
        ("Apple M5 Max (40-core GPU)", 614, 70),
        # AMD: 256 GB/s; 40 CU x 512 FLOP x 2.9 GHz = 59.4. NVIDIA: 273 GB/s; 1 PFLOP sparse FP4 / 8 = 125
        ("Strix Halo (Ryzen AI Max+ 395)", 256, 59.4), ("DGX Spark", 273, 125),
        # NVIDIA: 204.8 GB/s; 170 sparse INT8 TOPS of the GPU / 4 = 42.5
        ("Jetson AGX Orin 64GB", 204.8, 42.5),
    ],
)
def test_peaks_are_the_makers(name: str, bandwidth_gb_s: float, fp16_tflops: float) -> None:
    row = BY_NAME[name]
    assert row.bandwidth_gb_s == pytest.approx(bandwidth_gb_s, rel=0.03)  # Apple rounds 409.6 to 400
    assert row.fp16_tflops == pytest.approx(fp16_tflops, rel=0.03)


@pytest.mark.parametrize("chip", APPLE_GPU_CORES)
def test_compute_of_an_apple_chip_goes_with_its_gpu_cores(chip: str) -> None:
    rows = [BY_NAME[f"Apple {chip} ({cores}-core GPU)"] for cores in APPLE_GPU_CORES[chip]]
    for row in rows:
        assert row.fp16_tflops / row.gpu_cores == pytest.approx(rows[0].fp16_tflops / rows[0].gpu_cores, rel=0.001)


@pytest.mark.parametrize("row", LAPTOPS, ids=lambda row: row.name)
def test_laptop_is_made_of_rows_of_the_catalog(row: Laptop) -> None:
    gpu, cpu = GPUS[row.gpu], CPUS[row.cpu]
    assert gpu.form == cpu.segment == "laptop"
    assert row.ram_type in cpu.memory_types
    assert max(row.ram_gib) <= (row.max_ram_gib or cpu.max_memory_gib) <= cpu.max_memory_gib
    assert row.power_w is None or row.power_w > gpu.power_w
    assert gpu.name.partition(" Laptop")[0] in row.name
    assert cpu.name in row.name
