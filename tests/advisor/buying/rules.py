"""What a build must hold, written a second time from the names of its parts alone, without a rule of the program."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from advisor.buying.recommendation import RankedBuild
from catalog import tables
from catalog.parts import Board, Cooler, Cpu, Gpu, PcCase, Psu
from catalog.rows import Row

TABLES: Mapping[str, Any] = {
    "gpu": tables.gpus, "cpu": tables.cpus, "board": tables.boards, "ram": tables.ram_kits, "ssd": tables.ssds,
    "psu": tables.psus, "case": tables.cases, "cooler": tables.coolers,
}


def rows_of(build: RankedBuild) -> dict[str, list[Any]]:
    """Catalog rows of a build's parts by kind, a row for each piece."""
    found: dict[str, list[Row]] = {}
    for part in build.parts:
        if part.kind in TABLES:
            found.setdefault(part.kind, []).append(next(row for row in TABLES[part.kind]() if row.name == part.name))
    return found


def problems(build: RankedBuild) -> Iterator[str]:
    """All that does not go together in a build of single parts."""
    parts = rows_of(build)
    if not {"cpu", "board", "ram", "psu", "cooler", "ssd"} <= parts.keys():
        return  # sold whole, or a used office PC with its own
    (cpu,), (board,), (cooler,), gpus = parts["cpu"], parts["board"], parts["cooler"], parts.get("gpu", [])
    if cpu.socket != board.socket:
        yield f"socket {cpu.socket} on {board.socket}"
    yield from _memory(cpu, board, parts["ram"])
    yield from _power(cpu, parts["psu"], gpus)
    if len(parts["psu"]) > 1 and "case" in parts:
        yield f"{len(parts['psu'])} supplies in one case"
    if cpu.socket not in cooler.sockets or cooler.max_tdp_w < cpu.tdp_w:
        yield f"{cooler.name} on {cpu.name}"
    yield from _housed(build, parts, board, cooler)
    yield from _slots(build, cpu, board, gpus)
    if not cpu.integrated_gpu and all(gpu.form == "datacentre" for gpu in gpus):
        yield "no picture"
    if all(ssd.form_factor == "M.2" for ssd in parts["ssd"]) and not board.m2_slots:
        yield "no M.2 slot"
    if max(ssd.capacity_gb for ssd in parts["ssd"]) < build.prediction.placement.weights_gb * 1.0737 + 60:
        yield "the disk is too small for model and system"


def _slots(build: RankedBuild, cpu: Cpu, board: Board, gpus: list[Gpu]) -> Iterator[str]:
    """A slot for each card, and no more lanes than the processor has, but for those of slots that a chipset feeds."""
    lanes = [board.slot1_pcie_lanes, board.slot2_pcie_lanes, board.slot3_pcie_lanes, board.slot4_pcie_lanes]
    taken = [lane for lane in lanes if lane][: len(gpus)]
    if len(taken) < len(gpus):
        yield f"{len(gpus)} cards on {board.name}"
    if len(gpus) > 1 and board.slot1_shared_lanes:
        taken[0] = board.slot1_shared_lanes
    taken[:1] = [min(lane, cpu.pcie_lanes) for lane in taken[:1]]
    if len(gpus) > 2 and sum(lane for lane in taken if lane > 4) > cpu.pcie_lanes:
        yield f"{len(gpus)} cards take more lanes than {cpu.name} has"
    asked = [lane for gpu in build.prediction.scenario.hardware.gpus for lane in [gpu.pcie_lanes or 0] * gpu.count]
    if sorted(asked) != sorted(min(lane, gpu.pcie_lanes) for lane, gpu in zip(taken, gpus, strict=False)):
        yield f"links of {asked} lanes on {board.name}"


def _housed(build: RankedBuild, parts: dict[str, list[Any]], board: Board, cooler: Cooler) -> Iterator[str]:
    """A case with room, or an open frame with a riser for each card."""
    gpus = parts.get("gpu", [])
    if "case" not in parts:
        beside = Counter(part.name for part in build.parts if part.kind == "accessory")
        risers = sum(beside[f"PCIe {gen}.0 x16 riser"] for gen in (4, 5))
        if beside["Open frame for 8 cards"] != 1 or risers != len(gpus):
            yield "neither a case nor a frame with risers"
        return
    (case,) = parts["case"]
    if len(gpus) > 2:
        yield f"{len(gpus)} cards in {case.name}"
    if cooler.height_mm > case.max_cooler_height_mm or board.form_factor not in case.board_form_factors:
        yield f"{case.name} with {cooler.name}, {board.form_factor}"
    if board.form_factor == "Micro-ATX" and len(gpus) > 1 and (gpus[0].slots or 2) > 2:
        yield f"two {gpus[0].name} on the four places of {board.name}"
    yield from _room(case, gpus)


def _room(case: PcCase, gpus: list[Gpu]) -> Iterator[str]:
    if any((gpu.length_mm or 0) > case.max_gpu_length_mm for gpu in gpus):
        yield f"a card too long for {case.name}"
    if sum(-int(-(gpu.slots or 2) // 1) for gpu in gpus) + max(0, len(gpus) - 1) > case.gpu_slots:
        yield f"cards too wide for {case.name}"


def _memory(cpu: Cpu, board: Board, kits: list[Any]) -> Iterator[str]:
    modules, gib = sum(kit.modules for kit in kits), sum(kit.modules * kit.module_gib for kit in kits)
    if any(kit.ram_type != board.ram_type or kit.ram_type not in cpu.memory_types for kit in kits):
        yield "type of memory"
    if any(kit.form_factor != "DIMM" or kit.registered != (board.registered_memory and cpu.registered_memory)
           for kit in kits):
        yield "form of memory"
    if modules > board.dimm_slots or gib > min(board.max_memory_gib, cpu.max_memory_gib):
        yield f"{modules} modules of {gib} GiB on {board.name}"


def _power(cpu: Cpu, psus: list[Psu], gpus: list[Gpu]) -> Iterator[str]:
    """Watts with 30 % above cards, processor (AMD 1.35, Intel 1.5 of TDP) and 60 W; and plugs: of several supplies each
    feeds as many cards as the next, or one more.
    """
    load = sum(gpu.power_w for gpu in gpus) + cpu.tdp_w * (1.35 if cpu.maker == "amd" else 1.5) + 60
    watts = sum(psu.watts for psu in psus)
    if watts < 1.3 * load * 0.999:
        yield f"{watts:g} W for a load of {load:.0f} W"
    for at, psu in enumerate(psus):
        if _short_of_plugs(psu, gpus[at :: len(psus)]):
            yield f"{psu.name} has too few plugs for {Counter(gpu.name for gpu in gpus[at :: len(psus)])}"


def _short_of_plugs(psu: Psu, gpus: list[Gpu]) -> bool:
    eight, sixteen = psu.pcie_8pin, psu.pcie_16pin
    for gpu in gpus:
        for count, pins in re.findall(r"(?:(\d)\s*x\s*)?(\d+)-pin", gpu.power_connectors):
            many = int(count or 1)
            if int(pins) >= 12 and sixteen >= many:
                sixteen -= many
            elif int(pins) >= 12:
                eight -= many * sum(gpu.power_w > most for most in (0, 225, 300, 450))
            else:
                eight -= many
    return eight < 0


def memory_is_enough(build: RankedBuild) -> bool:
    """Whether there is room for system and model: 8 GiB beside what lies in RAM, 16 GiB at least, 32 where the file is
    larger than 24 GiB, and file and system together below that.
    """
    hardware, where = build.prediction.scenario.hardware, build.prediction.placement
    have = hardware.ram.gb or 0.0
    if hardware.machine and not hardware.gpus and build.kind == "unified":
        return have >= where.vram_gb + where.ram_gb + 8 - 0.5
    # GiB by parameters and bits differ by a little from those of the very file.
    return have >= max(16.0, where.ram_gb + 8, min(where.weights_gb + 8, 32.0)) - 0.5
