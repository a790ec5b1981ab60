"""Cards by their figures, behind links, under power limits, and beside a box or laptop.

Figures of cards are those of the catalog (RTX 4090 1008 GB/s, 450 W, 165.2 TFLOPS; RTX 3090 350 W, 936 GB/s); rates of
PCIe are PCI-SIG's: 0.985 GB/s for a lane of 3.0, 1.969 of 4.0.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from advisor.errors import InputError
from advisor.machines.cards import LINKS_GB_S, POWER_CURVE, card_of, power_left
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.question import GpuRequest, Hardware, complaint
from catalog.tables import gpus
from catalog.units import GIB

CARDS = [row for row in gpus() if row.form in ("desktop", "workstation")]


def machine(**said: Any) -> Machine:
    return machine_of(Hardware.model_validate(said))


def request(**said: Any) -> GpuRequest:
    return GpuRequest.model_validate(said)


def test_a_described_card_has_its_figures_and_the_rest_of_the_card_it_is_like() -> None:
    custom = {"vram_gb": 48, "bandwidth_gb_s": 1008, "fp16_tflops": 165, "backend": "cuda", "like": "RTX 4090"}
    found = machine(gpus=[{"custom": custom}])
    device, like = found.gpus[0], card_of(request(name="RTX 4090")).device
    assert (device.peaks, found.backend) == ((1008, 165), "cuda")
    assert (device.maker, device.architecture, device.name) == (like.maker, like.architecture, like.name)
    assert device.vram_bytes == pytest.approx(2 * like.vram_bytes)
    assert "described card like RTX 4090 (48 GB, 1008 GB/s)" in found.name


def test_a_described_card_that_is_like_none_has_common_compute_and_says_so() -> None:
    found = machine(gpus=[{"custom": {"vram_gb": 24, "bandwidth_gb_s": 700, "backend": "vulkan"}}])
    assert found.backend == "vulkan"
    assert found.gpus[0].architecture not in {row.architecture for row in gpus()}
    assert found.gpus[0].fp16_tflops > 10
    assert any("compute of the described card not given" in said for said in found.assumptions)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"custom": {"vram_gb": 48}}, "too little"),
        ({"custom": {"like": "RTX 4090"}, "name": "RTX 4090"}, "leave out name"),
        ({"count": 2}, "no name"),
        ({"name": "RTX 4090", "link": "firewire"}, "link"),
        ({"name": "RTX 4090", "power_limit_w": 0}, "at least 1"),
        ({"custom": {"like": "RTX 4090", "speed": 3}}, "has no field 'speed'"),
    ],
)
def test_what_describes_no_card_is_refused_in_one_sentence(card: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Hardware.model_validate({"gpus": [card]})
    sentence = complaint(refused.value, Hardware)
    assert words in sentence
    assert sentence.startswith("gpus[0]")


@given(row=st.sampled_from(CARDS))
def test_a_card_described_by_its_own_figures_is_that_card(row: Any) -> None:
    own = card_of(request(name=row.name)).device
    figures = {"vram_gb": row.vram_gib, "bandwidth_gb_s": own.bandwidth_gb_s, "fp16_tflops": own.fp16_tflops}
    told = card_of(request(custom=figures | {"like": row.name})).device
    assert (told.name, told.peaks, told.link_gb_s) == (own.name, own.peaks, own.link_gb_s)
    assert told.vram_bytes == pytest.approx(own.vram_bytes)


def test_a_modified_card_has_its_memory_and_the_rates_of_the_card() -> None:
    """ggml-org/llama.cpp issue 22319: an RTX 4090 with 49,139 MiB."""
    found = machine(gpus=[{"name": "RTX 4090", "vram_gb": 48}])
    assert found.gpus[0].vram_bytes > 47 * GIB
    assert found.gpus[0].peaks == (1008, 165.2)
    assert "RTX 4090 (48 GB)" in found.name


@pytest.mark.parametrize(
    ("said", "gb_s"),
    [
        ({"link": "Thunderbolt 4"}, LINKS_GB_S["thunderbolt4"]), ({"link": "TB3"}, LINKS_GB_S["thunderbolt3"]),
        ({"link": "USB4"}, LINKS_GB_S["usb4"]), ({"link": "oculink"}, 4 * 1.969),
        ({"pcie_gen": 3, "pcie_lanes": 1}, 0.985),
        ({"pcie_lanes": 1}, 1.969), ({}, 16 * 1.969),
    ],
)
def test_a_link_is_as_fast_as_it_is(said: dict[str, Any], gb_s: float) -> None:
    assert card_of(request(name="RTX 4090", **said)).device.link_gb_s == pytest.approx(gb_s)


def test_outside_links_are_slower_than_pcie_of_their_lanes() -> None:
    """Thunderbolt 3, 4 and USB4 carry at most PCIe 3.0 x4, the newer ones PCIe 4.0 x4."""
    assert LINKS_GB_S["thunderbolt3"] <= LINKS_GB_S["thunderbolt4"] == LINKS_GB_S["usb4"] < 4 * 0.985
    assert 4 * 0.985 < LINKS_GB_S["thunderbolt5"] == LINKS_GB_S["usb4v2"] < LINKS_GB_S["oculink"] == 4 * 1.969


def test_an_egpu_without_a_link_is_said_to_be_behind_thunderbolt() -> None:
    found = card_of(request(name="RTX 4090 eGPU"))
    assert found.device.link_gb_s == LINKS_GB_S["thunderbolt4"]
    assert "Thunderbolt 4" in found.notes[0]


def test_two_links_of_one_card_are_refused() -> None:
    with pytest.raises(InputError, match="one link"):
        card_of(request(name="RTX 4090", link="oculink", pcie_lanes=4))


def test_a_power_limit_takes_little_of_decode_and_more_of_prefill_and_is_said() -> None:
    """https://llmgarage.ai/power-limit-tokens-per-second-benchmark: at 250 of 350 W 70.7 of 72.6 tok/s, prefill 8,436
    of 9,893.
    """
    full, less = card_of(request(name="RTX 3090")), card_of(request(name="RTX 3090", power_limit_w=250))
    assert less.device.bandwidth_gb_s / full.device.bandwidth_gb_s == pytest.approx(70.7 / 72.6, rel=2e-3)
    assert less.device.fp16_tflops / full.device.fp16_tflops == pytest.approx(8436 / 9893, rel=2e-3)
    assert "250 of 350 W" in less.notes[0]


@given(share=st.floats(0.01, 2), more=st.floats(0, 1))
def test_more_power_never_slows_and_decode_needs_less_of_it(share: float, more: float) -> None:
    decode, prefill = power_left(share)
    assert 0 < decode <= 1
    assert 0 < prefill <= decode
    assert all(now <= then for now, then in zip(power_left(share), power_left(share + more), strict=True))
    assert power_left(POWER_CURVE[-1][0]) == (1, 1)


def test_a_card_beside_a_box_computes_with_the_processor_and_memory_of_the_box() -> None:
    """https://theaterfi.re/post/3168920: Strix Halo and an RTX 5070 Ti over OCuLink."""
    found = machine(machine="Strix Halo", gpus=[{"name": "RTX 5070 Ti", "link": "oculink"}])
    assert [gpu.name for gpu in found.gpus] == ["RTX 5070 Ti"]
    assert (found.unified, found.backend, found.cpu.name) == (False, "cuda", "Ryzen AI Max+ 395")
    assert found.ram.capacity_bytes == 128 * GIB
    assert any("left aside" in said for said in found.assumptions)
    with pytest.raises(InputError, match="takes no graphics card"):
        machine(machine="Apple M4 Max", gpus=[{"name": "RTX 4090"}])


def test_a_card_beside_a_laptop_comes_before_its_own() -> None:
    alone = machine(machine="Lenovo LOQ 15IRX9")
    both = machine(machine="Lenovo LOQ 15IRX9", gpus=[{"name": "RTX 3090", "link": "Thunderbolt 4"}])
    assert [gpu.name for gpu in both.gpus] == ["RTX 3090", alone.gpus[0].name]
