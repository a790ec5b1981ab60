"""Used office PCs and servers as they are sold, with memory and disk where they come without, and with a card that
slot, height and width allow, on their own supply or, where an ordinary one fits, on one bought for it: what is not
stated of a machine is taken as not fitting.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from advisor.answer import Warning
from advisor.buying.builds import Build, Cards, PricedPart, fan_notes, parts_beside
from advisor.buying.compatibility import cables_problem, load_w, psu_watts_needed
from advisor.buying.pricing import OWNED, price_of
from advisor.buying.stock import Stock
from advisor.question import GpuRequest, Hardware, RamRequest
from catalog.names.cpus import resolve_cpu
from catalog.parts import Cpu, Gpu, OfficePc, Psu

LOW_PROFILE: Final = frozenset(
    {"NVIDIA T400 4GB", "NVIDIA T600", "NVIDIA T1000 4GB", "NVIDIA T1000 8GB", "RTX A400", "RTX A2000 6GB",
     "RTX A2000 12GB", "RTX 2000 Ada", "RTX 4000 SFF Ada", "Quadro P620", "Quadro P1000", "Tesla P4", "Tesla T4",
     "NVIDIA A2", "NVIDIA L4", "Arc Pro A40", "Arc Pro B50"}
)
"""Cards that come with a low bracket. Source: the makers' data sheets, "form factor" (NVIDIA's of the RTX A400 to 4000
SFF Ada, T400 to T1000, P620, P1000, P4, T4, A2 and L4; Intel's of the Arc Pro A40 and B50)."""


def card_problem(row: OfficePc, gpu: Gpu) -> str | None:
    """Slot, height, width, length and power, each as stated."""
    if not row.slot_pcie_lanes or not (row.card_power_w or row.standard_psu):
        return f"of {row.name} neither slot nor power for a card is stated"
    if not row.standard_psu and (why := power_problem(row, gpu)):
        return why
    if row.card_height != "full" and gpu.name not in LOW_PROFILE:
        return f"{gpu.name} is too high for {row.name}"
    if (gpu.slots or 2) > (row.card_slots or 0):
        return f"{gpu.name} is wider than the slots of {row.name}"
    if row.card_length_mm and (gpu.length_mm or 0) > row.card_length_mm:
        return f"{gpu.name} is too long for {row.name}"
    return None


def power_problem(row: OfficePc, gpu: Gpu) -> str | None:
    """Watts and plugs of a machine's own supply."""
    if gpu.power_w > (row.card_power_w or 0.0):
        return f"{gpu.name} draws {gpu.power_w:g} W, {row.name} gives a card {row.card_power_w or 0:g} W"
    if not gpu.power_connectors:
        return None
    told = {"watts": row.psu_w or gpu.power_w, "form_factor": "ATX", "pcie_8pin": row.pcie_8pin or 0, "pcie_16pin": 0}
    own = Psu.model_validate({"name": f"the supply of {row.name}", "source": row.source, "as_of": row.as_of, **told})
    return cables_problem(own, gpu, 1)


def power_words(row: OfficePc) -> str:
    """Why a machine takes no other cards, for who wants one; empty where nothing is known."""
    if row.form == "mini":
        return f"{row.name} has no slot for a graphics card"
    if row.standard_psu is False:
        own = f"that draw more than {row.card_power_w:g} W" if row.card_power_w else "with plugs of their own"
        return f"{row.name} takes supplies of its maker alone, no ordinary ATX one: cards {own} are out of the question"
    if row.standard_psu is None and not row.card_power_w:
        return f"no card goes into {row.name}: what feeds one, and whether an ordinary supply fits, is not known"
    return ""


def _supply(stock: Stock, row: OfficePc, cpu: Cpu, gpu: Gpu | None) -> tuple[PricedPart, ...] | None:
    """The ordinary supply that a card needs in place of the machine's own; None where none that is sold will do."""
    if gpu is None or power_problem(row, gpu) is None:
        return ()
    watts = psu_watts_needed(gpu, 1, cpu) + (row.cpu_count - 1) * cpu.tdp_w
    fitting = [
        psu for psu in stock.psus
        if psu.form_factor == "ATX" and psu.watts >= watts and cables_problem(psu, gpu, 1) is None
    ]
    cheapest = min(fitting, key=lambda psu: stock.usd("psu", psu.name), default=None)
    quote = stock.prices.quote("psu", cheapest.name) if cheapest else None
    return (PricedPart("psu", cheapest.name, quote),) if cheapest and quote else None


def office_builds(stock: Stock, model_gb: float) -> Iterator[Build]:
    """Every machine whose processor is known, alone and with each card that goes into it. One that is owned has the
    memory that is owned, and a disk.
    """
    disks = sorted(stock.ssds, key=lambda ssd: stock.usd("ssd", ssd.name))
    disk = next((ssd for ssd in disks if ssd.capacity_gb >= model_gb + 60 and ssd.form_factor == "2.5"), None)
    for row in stock.offices:
        owned = bool(stock.prices.owned.get(("office", row.name)))
        cpu = _processor(stock, row) if owned else row.cpu
        if not cpu:
            continue
        kept = row.storage_gb is not None and row.storage_gb >= model_gb + 60
        added: list[PricedPart] = []
        if not kept and disk and not owned and (quote := stock.prices.quote("ssd", disk.name)):
            added.append(PricedPart("ssd", disk.name, quote))
        if kept or owned or added:
            for memory, gib in _memories(stock, row):
                for gpu in (None, *(gpu for gpu in stock.gpus if card_problem(row, gpu) is None)):
                    built = _build(stock, row, cpu, gpu, (*memory, *added), gib)
                    if built:
                        yield built


def _processor(stock: Stock, row: OfficePc) -> str:
    """What is in an owned machine: the processor that is owned beside it, where the machine came with several."""
    return row.cpu or next((name for kind, name in stock.prices.owned if kind == "cpu"), "")


def _memories(stock: Stock, row: OfficePc) -> Iterable[tuple[tuple[PricedPart, ...], float]]:
    """What it comes with, or what is owned, or the cheapest of each size that goes into its slots."""
    if row.ram_gib:
        return [((), row.ram_gib)]
    found: dict[float, tuple[PricedPart, ...]] = {}
    if stock.prices.owned.get(("office", row.name)):
        kits = [kit for kit in stock.ram_kits if stock.prices.owned.get(("ram", kit.name))]
        pieces = [kit for kit in kits for _ in range(stock.prices.owned["ram", kit.name])]
        gib = sum(kit.modules * kit.module_gib for kit in pieces)
        found[gib] = tuple(PricedPart("ram", kit.name, OWNED) for kit in pieces)
    for memory, quotes in sorted(stock.memories(), key=lambda pair: price_of(pair[1])):
        kit = memory.kits[0]
        plain = kit.form_factor == "DIMM" and not kit.registered and memory.ram_type == row.ram_type
        if plain and memory.modules <= (row.dimm_slots or 0) and memory.gib <= (row.max_ram_gib or 0):
            parts = tuple(PricedPart("ram", kit.name, quote) for quote in quotes)
            found.setdefault(memory.gib, parts)
    return [(parts, gib) for gib, parts in found.items()]


def _build(
    stock: Stock, row: OfficePc, processor: str, gpu: Gpu | None, added: tuple[PricedPart, ...], gib: float
) -> Build | None:
    quote, cpu = stock.prices.quote("office", row.name), resolve_cpu(processor).row
    cards = stock.prices.pieces("gpu", gpu.name, 1) if gpu else ()
    supply = _supply(stock, row, cpu, gpu)
    if quote is None or cards is None or supply is None:
        return None
    gpus = tuple(
        GpuRequest(name=gpu.name, vram_gb=gpu.vram_gib, pcie_gen=min(gpu.pcie_gen, row.slot_pcie_gen or gpu.pcie_gen),
                   pcie_lanes=min(gpu.pcie_lanes, row.slot_pcie_lanes or gpu.pcie_lanes))
        for gpu in ([gpu] if gpu else [])
    )
    name = processor if row.cpu_count == 1 else f"{row.cpu_count}x {processor}"
    # Office boards hold memory at the processor's official rate.
    mt_s = cpu.mt_s_1dpc[min(cpu.memory_types.index(row.ram_type), len(cpu.mt_s_1dpc) - 1)]
    ram = RamRequest(type=row.ram_type, mt_s=int(mt_s), gb=gib)
    why = power_words(row)
    notes = (*fan_notes(gpu), *([Warning(code="own_supply", message=why)] if why else []))
    bought = [PricedPart("gpu", gpu.name, card) for card in cards if gpu]
    inside = [] if row.cpu else [PricedPart("cpu", processor, OWNED)]
    parts = (*bought, PricedPart("office", row.name, quote), *inside, *added, *supply,
             *parts_beside(stock, Cards(gpu, len(bought))))
    label = row.name if gpu is None else f"{gpu.name} in {row.name}"
    power_w = load_w(gpu, 1, cpu) + (row.cpu_count - 1) * cpu.tdp_w
    hardware = Hardware(gpus=gpus, cpu=name, ram=ram)
    return Build(kind="desktop", label=label, parts=parts, hardware=hardware, power_w=power_w, notes=notes)
