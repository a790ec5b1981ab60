"""One card of a question as a device: by its name or by its figures, behind which link, under which power limit."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from statistics import median
from typing import NamedTuple

from advisor.errors import InputError
from advisor.machines.machine import GpuDevice, pcie_gb_s
from advisor.question import DESCRIBED_CARD, CustomGpu, GpuRequest
from catalog.names.gpus import resolve_gpu
from catalog.names.index import left_aside
from catalog.parts import Cpu, Gpu
from catalog.tables import gpus
from catalog.units import GIB

LINKS_GB_S = {
    "thunderbolt3": 2.4,
    "thunderbolt4": 2.75,
    "usb4": 2.75,
    "thunderbolt5": 5.5,
    "usb4v2": 5.5,
    "oculink": pcie_gb_s(4, 4),
}
"""What goes from the computer to a card behind such a link, in GB/s. Thunderbolt 3 and 4 and USB4 carry at most PCIe
3.0 x4 and measure 19 to 22 Gb/s (https://unanswered.io/guide/egpu-bandwidth-requirements): the lower end for the older
controllers. Thunderbolt 5 and USB4 v2 tunnel PCIe 4.0 x4 (64 Gb/s, https://lifecables.com/?p=24235), of which as much
is taken as of the older ones at best, 22 of 32; OCuLink is PCIe 4.0 x4 without a tunnel
(https://nextvisionframe.com, 2025-10-08, tests of an RTX 5070 Ti). Read 2026-11-29.
"""
NVLINK_GB_S = {
    **dict.fromkeys(("Quadro RTX 6000", "Quadro RTX 8000"), 50.0),
    **dict.fromkeys(("RTX 3090", "RTX 3090 Ti", "RTX A4500", "RTX A5000", "RTX A5500", "RTX A6000"), 56.25),
    "NVIDIA A40": 56.25,
    **dict.fromkeys(("Tesla V100 SXM2 16GB", "Tesla V100 SXM2 32GB"), 150.0),
    **dict.fromkeys(("A100 SXM4 40GB", "A100 SXM4 80GB"), 300.0),
    **dict.fromkeys(("H100 SXM5 80GB", "H200 SXM"), 450.0),
}
"""From one card to another in one direction, by NVLink. GA102: four links of 14.0625 GB/s in each direction (NVIDIA
Ampere GA102 GPU Architecture); Quadro RTX 6000 and 8000 100, RTX A6000 112 GB/s in both
(https://staging.pnypartners.com/?p=12836); V100 six links, A100 twelve, Hopper eighteen of 50 GB/s in both
(https://wikimili.com/en/NVLink). Read 2026-11-30.
"""
BRIDGED = 2
"""Cards that a bridge joins; those on boards of their own (SXM) are all joined."""
POWER_CURVE = (
    (0.286, 0.167, 0.141),
    (0.429, 0.862, 0.258),
    (0.571, 0.941, 0.601),
    (0.714, 0.974, 0.853),
    (0.857, 0.993, 0.943),
    (1.0, 1.0, 1.0),
)
"""What is left of decode and of prefill speed at a share of a card's power. RTX 3090s limited to 100, 150, 200, 250 and
300 of 350 W: decode 12.1, 62.6, 68.3, 70.7, 72.1 of 72.6 tok/s, prefill 1,390, 2,549, 5,941, 8,436, 9,326 of
9,893 tok/s. Source: https://llmgarage.ai/power-limit-tokens-per-second-benchmark (February 2026). An RTX 3090 with a
dense model lost less than 1 % at 280 W (https://jeanfbrito.github.io/posts/rtx-3090-power-limit-sweet-spot/), an RTX
5060 Ti 1 % of decode at 150 of 180 W (https://inventivehq.com/blog/gpu-power-limit-tokens-per-watt).
"""
WITHOUT_ROCM = frozenset({"gcn"})
"""Polaris and older (gfx803): ROCm dropped them after 4.5, llama.cpp's HIP build has no target for them. What ROCm
lists today: https://rocm.docs.amd.com/projects/install-on-linux/en/latest/reference/system-requirements.html.
"""
MAKERS = {"cuda": "nvidia", "rocm": "amd", "sycl": "intel", "metal": "apple", "opencl": "qualcomm"}
USABLE_SHARE = 0.98
"""Of the memory of a described card: as of GDDR cards (gpus.csv)."""
_EXTERNAL = re.compile(r"\be-?gpu\b|\bexternal\b", re.IGNORECASE)


class AskedCard(NamedTuple):
    """A card of a question: its device, what to call it, and what was assumed of it."""

    device: GpuDevice
    label: str
    notes: tuple[str, ...]
    backend: str | None
    """The one that a description names."""
    unread: tuple[str, ...] = ()
    """What is to be said of words that name nothing."""


def card_of(request: GpuRequest, cpu: Cpu | None = None) -> AskedCard:
    """The device of a request; `cpu` may hold its link back.

    Raises `UnknownName` for a name of no card and `InputError` for what contradicts itself.
    """
    unread: tuple[str, ...] = ()
    if request.custom:
        device, row, label, notes = _described(request.custom)
    else:
        found = resolve_gpu(request.name, request.vram_gb)
        row, notes = found.row, found.assumptions
        unread = left_aside("GPU", request.name, found.unread)
        device, label = device_of(row), row.name
        if (row.name, row.vram_gib) not in _sizes_listed():
            label = f"{row.name} ({row.vram_gib:g} GB)"
    limited, said = _limited(device, row, request.power_limit_w)
    link, assumed = _link_gb_s(request, row, cpu)
    backend = request.custom.backend if request.custom else None
    peer, joined = _peer_gb_s(request, row)
    placed = replace(limited, link_gb_s=link, peer_gb_s=peer)
    return AskedCard(placed, label, (*notes, *said, *assumed, *joined), backend, unread)


@cache
def _sizes_listed() -> frozenset[tuple[str, float]]:
    """Cards with the sizes of memory that the catalog has."""
    return frozenset((row.name, row.vram_gib) for row in gpus())


def default_backend(devices: Sequence[GpuDevice]) -> str:
    """The backend people use for these devices: CUDA, ROCm or Vulkan by maker, the CPU without any."""
    if not devices:
        return "cpu"
    first = devices[0]
    without_rocm = first.form == "integrated" or first.architecture in WITHOUT_ROCM
    amd = "vulkan" if without_rocm else "rocm"
    return {"nvidia": "cuda", "amd": amd, "qualcomm": "opencl"}.get(first.maker, "vulkan")


def device_of(row: Gpu) -> GpuDevice:
    """The device of a row, behind its own link."""
    return GpuDevice(
        name=row.name,
        maker=row.maker,
        architecture=row.architecture,
        form=row.form,
        vram_bytes=row.usable_vram_gib * GIB,
        bandwidth_gb_s=row.bandwidth_gb_s,
        fp16_tflops=row.fp16_tensor_tflops or max(row.fp16_shader_tflops, row.fp32_shader_tflops),
        link_gb_s=pcie_gb_s(row.pcie_gen, row.pcie_lanes),
    )


def _described(custom: CustomGpu) -> tuple[GpuDevice, Gpu | None, str, tuple[str, ...]]:
    """A card by its figures; what is not said is that of the card it is like, or is common for its bandwidth."""
    found = resolve_gpu(custom.like) if custom.like else None
    row, notes = (found.row, found.assumptions) if found else (None, ())
    if row:
        like = device_of(row)
    else:
        maker = MAKERS.get(custom.backend or "", DESCRIBED_CARD)
        tflops = (custom.bandwidth_gb_s or 0.0) * _tflops_per_gb_s(maker)
        like = GpuDevice(DESCRIBED_CARD, maker, DESCRIBED_CARD, "desktop", 0.0, 0.0, tflops, pcie_gb_s(4, 16))
        guess = f"compute of the described card not given: taken as {tflops:.0f} TFLOPS"
        notes = () if custom.fp16_tflops else (guess,)
    share = row.usable_vram_gib / row.vram_gib if row else USABLE_SHARE
    device = replace(
        like,
        vram_bytes=custom.vram_gb * share * GIB if custom.vram_gb else like.vram_bytes,
        bandwidth_gb_s=custom.bandwidth_gb_s or like.bandwidth_gb_s,
        fp16_tflops=custom.fp16_tflops or like.fp16_tflops,
    )
    named = f"{DESCRIBED_CARD} like {row.name}" if row else DESCRIBED_CARD
    label = f"{named} ({custom.vram_gb or (row.vram_gib if row else 0):g} GB, {device.bandwidth_gb_s:g} GB/s)"
    return device, row, label, notes


@cache
def _tflops_per_gb_s(maker: str) -> float:
    """Common FP16 compute beside a bandwidth: the median over the desktop cards of a maker, or of all."""
    rows = [row for row in gpus() if row.form == "desktop" and maker in (row.maker, DESCRIBED_CARD)]
    return median(device_of(row).fp16_tflops / row.bandwidth_gb_s for row in rows) if rows else 0.05


def _limited(device: GpuDevice, row: Gpu | None, power_limit_w: float | None) -> tuple[GpuDevice, tuple[str, ...]]:
    """A device under a power limit, and what is to be said of it."""
    if power_limit_w is None:
        return device, ()
    if row is None:
        return device, ("the power limit is not counted: the own limit of the described card is not known",)
    decode, prefill = power_left(power_limit_w / row.power_w)
    rates = device.bandwidth_gb_s * decode, device.fp16_tflops * prefill
    slower = replace(device, bandwidth_gb_s=rates[0], fp16_tflops=rates[1])
    left = f"writes at {decode:.0%}, reads at {prefill:.0%} of its speed"
    return slower, (f"{row.name} limited to {power_limit_w:g} of {row.power_w:g} W: {left}",)


def power_left(share: float) -> tuple[float, float]:
    """What is left of decode and prefill speed at a share of a card's own power: `POWER_CURVE` between its points, in
    proportion below them.

    >>> power_left(1.2), power_left(0.143)
    ((1.0, 1.0), (0.0835, 0.0705))
    """
    at = bisect_left(POWER_CURVE, (share,))
    if at == len(POWER_CURVE):
        return 1.0, 1.0
    low, high = POWER_CURVE[at - 1] if at else (0.0, 0.0, 0.0), POWER_CURVE[at]
    part = (share - low[0]) / (high[0] - low[0])
    decode, prefill = (begin + part * (end - begin) for begin, end in zip(low[1:], high[1:], strict=True))
    return decode, prefill


def _link_gb_s(request: GpuRequest, row: Gpu | None, cpu: Cpu | None) -> tuple[float, tuple[str, ...]]:
    """Peak of the link in GB/s, and what was assumed of it."""
    lanes, generation = request.pcie_lanes, request.pcie_gen
    if request.link and (lanes or generation):
        raise InputError(f"a card has one link: give {request.link} or PCIe {generation or ''}x{lanes or ''}, not both")
    if request.link:
        return LINKS_GB_S[request.link], ()
    if _EXTERNAL.search(request.name) and not (lanes or generation):
        return LINKS_GB_S["thunderbolt4"], (f"link of {request.name!r} not given: taken as Thunderbolt 4",)
    most, wired = (row.pcie_gen, row.pcie_lanes) if row else (4, 16)
    return pcie_gb_s(generation or min(most, cpu.pcie_gen if cpu else most), lanes or wired), ()


def _peer_gb_s(request: GpuRequest, row: Gpu | None) -> tuple[float, tuple[str, ...]]:
    """Peak of NVLink between the cards of a request, 0 without, and what is to be said of it."""
    if not request.nvlink:
        return 0.0, ()
    peak = NVLINK_GB_S.get(row.name) if row else None
    if row is None or peak is None:
        named = row.name if row else DESCRIBED_CARD
        raise InputError(f"no NVLink is known of {named}: leave out nvlink (cards with it: {', '.join(NVLINK_GB_S)})")
    if request.count == 1:
        return 0.0, (f"NVLink joins several cards named together, such as 2x {row.name}: of one it is not counted",)
    if request.count > BRIDGED and "SXM" not in row.name:
        return 0.0, (f"an NVLink bridge joins two {row.name}: sums over {request.count} go over PCIe, as without",)
    return peak, ()
