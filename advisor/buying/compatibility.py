"""What goes together: sockets, memory, slots, power and room. Each rule is one plain function of catalog rows.

Each `..._problem` tells in words why two parts do not go together, or gives None where they do.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from catalog.parts import Board, Cooler, Cpu, Gpu, PcCase, Psu, RamKit

FIXED_MEMORY_SPEED = re.compile(r"\b(?:H\d10|H[34]70|B36[05]|B460|Q\d70|C\d{3}|A320)M?\b", re.IGNORECASE)
"""Chipsets that hold memory at the processor's official speed; on the other desktop chipsets a kit runs at the speed of
its profile (XMP, EXPO) with one module per channel.
Source: Intel ARK, "memory overclocking" of the chipsets (H410 to H810, H370, H470, B360 to B460, Q series: no; B560,
B660, B760, B860, H570, H670, H770 and Z series: yes); ASUS B360 manual, "due to Intel chipset limitation"
(read 2026-11-24)."""

MINIMUM_SYSTEM_W = (
    (130.0, 450.0),
    (185.0, 550.0),
    (200.0, 600.0),
    (250.0, 650.0),
    (285.0, 700.0),
    (350.0, 750.0),
    (450.0, 850.0),
    (600.0, 1000.0),
)
"""Board power of one card up to the first number asks for a supply of the second.
Source: NVIDIA GeForce specification pages, "required system power" (RTX 3050 130 W 450 W, 3060 170 W 550 W, 4070 200 W
600-650 W, 5070 250 W 650 W, 4070 Ti 285 W 700 W, 3090 350 W 750 W, 4090 450 W 850 W, 5090 575 W 1000 W);
https://www.guru3d.com/story/nvidia-explains-psu-requirements-for-geforce-rtx-40-series-gpu (read 2026-11-24)."""
HEADROOM = 0.3
"""Part of the load that a supply's rating is to lie above it: 20 to 30 % is what makers' calculators add, and short
peaks of cards are above their board power."""
TURBO_FACTOR = {"amd": 1.35, "intel": 1.5}
"""Package power under all-core load over TDP. Source: AMD PPT = 1.35 x TDP on AM4 and AM5; Intel 65-125 W desktop parts
draw 1.2-2 times their base power in turbo (ARK, maximum turbo power), 1.5 on average."""
REST_W = 60.0
"""Board, memory, disk and fans together, an estimate."""
EIGHT_PINS_PER_16_PIN = ((225.0, 1), (300.0, 2), (450.0, 3), (600.0, 4))
"""8-pin cables that a maker's 16-pin adapter joins, by the card's power (150 W each). Source: NVIDIA's FAQ as above."""
SLOT_W = 75.0
"""A card that draws no more lives off its slot and needs no plug. Source: PCI Express CEM specification."""
CHIPSET_LANES = 4
"""The most lanes that a long slot of a chipset has: the boards of boards.csv with more have them from the CPU."""
PASSIVE_FORMS = frozenset({"datacentre"})
MODULE_PREFIXES = ("SXM", "OAM")


@dataclass(frozen=True)
class Memory:
    """Kits of memory put together."""

    kits: tuple[RamKit, ...]

    @cached_property
    def ram_type(self) -> str:
        """DDR generation of the first kit; the others must be alike."""
        return self.kits[0].ram_type

    @cached_property
    def modules(self) -> int:
        """How many DIMM slots it takes."""
        return sum(kit.modules for kit in self.kits)

    @cached_property
    def gib(self) -> float:
        """Size of all modules."""
        return sum(kit.modules * kit.module_gib for kit in self.kits)

    @cached_property
    def mt_s(self) -> int:
        """Rated speed: that of the slowest kit."""
        return min(kit.mt_s for kit in self.kits)


@dataclass(frozen=True, slots=True)
class Link:
    """A PCIe link as negotiated."""

    generation: int
    lanes: int


def memory_channels(cpu: Cpu, board: Board, modules: int) -> int:
    """Channels in use, modules spread as the manuals say: one per channel first."""
    return min(cpu.memory_channels, max(1, board.dimm_slots // board.dimms_per_channel), modules)


def memory_problem(memory: Memory, cpu: Cpu, board: Board) -> str | None:
    """Type, slots, sizes and registered modules."""
    kit = memory.kits[0]
    if any(
        (other.ram_type, other.registered, other.form_factor) != (kit.ram_type, kit.registered, kit.form_factor)
        for other in memory.kits
    ):
        return "kits of different types do not mix"
    if kit.form_factor != "DIMM":
        return f"{kit.name} is for laptops"
    if kit.ram_type != board.ram_type:
        return f"{board.name} takes {board.ram_type}, not {kit.ram_type}"
    if kit.ram_type not in cpu.memory_types:
        return f"{cpu.name} ({cpu.socket}) takes {' or '.join(cpu.memory_types)}, not {kit.ram_type}"
    if kit.registered != (board.registered_memory and cpu.registered_memory):
        return f"{board.name} with {cpu.name} takes {'unbuffered' if kit.registered else 'registered'} modules"
    return _memory_room(memory, cpu, board)


def _memory_room(memory: Memory, cpu: Cpu, board: Board) -> str | None:
    if memory.modules > board.dimm_slots:
        return f"{memory.modules} modules, but {board.name} has {board.dimm_slots} slots"
    if memory.gib > min(board.max_memory_gib, cpu.max_memory_gib):
        return f"{memory.gib:g} GB is more than {board.name} or {cpu.name} take"
    if max(kit.module_gib for kit in memory.kits) > board.max_memory_gib / board.dimm_slots:
        return f"modules are larger than a slot of {board.name} takes"
    if memory.modules > memory_channels(cpu, board, memory.modules) and not cpu.mt_s_2dpc:
        return f"{cpu.name} takes one module per channel"
    return None


def running_mt_s(memory: Memory, cpu: Cpu, board: Board) -> int:
    """Speed the memory runs at: its own with one module per channel where the board allows, else the CPU's."""
    alone = memory.modules <= memory_channels(cpu, board, memory.modules)
    if (
        alone
        and cpu.segment in {"desktop", "hedt"}
        and not memory.kits[0].registered
        and not FIXED_MEMORY_SPEED.search(board.chipset)
    ):
        return memory.mt_s
    official = cpu.mt_s_1dpc if alone else cpu.mt_s_2dpc
    index = min(cpu.memory_types.index(memory.ram_type), len(official) - 1)
    return int(min(memory.mt_s, official[index]))


def is_card(gpu: Gpu) -> bool:
    """Whether it plugs into a PCIe slot of a desktop board."""
    return gpu.form not in {"laptop", "integrated"} and not is_module(gpu)


def is_module(gpu: Gpu) -> bool:
    """Whether it is made for another socket than a PCIe slot."""
    return any(word in gpu.name.upper() for word in MODULE_PREFIXES)


def gpu_links(gpu: Gpu, count: int, cpu: Cpu, board: Board) -> tuple[Link, ...] | None:
    """Links of equal cards, each the least of card, slot and CPU; None where there are too few slots for them, and for
    three or more where the processor has fewer lanes than they take.
    """
    slots = board.further_slots[: count - 1]
    if len(slots) < count - 1:
        return None
    shared = board.slot1_shared_lanes if count > 1 else None
    first = Link(
        min(gpu.pcie_gen, board.slot1_pcie_gen, cpu.pcie_gen),
        min(gpu.pcie_lanes, shared or board.slot1_pcie_lanes, cpu.pcie_lanes),
    )
    links, taken = [first], shared or board.slot1_pcie_lanes
    for generation, lanes in slots:
        # Narrow slots hang on the chipset and have the generation of the table; all others on the CPU.
        of_cpu = lanes > CHIPSET_LANES
        taken += lanes * of_cpu
        generation = min(gpu.pcie_gen, generation, cpu.pcie_gen if of_cpu else generation)
        links.append(Link(generation, min(gpu.pcie_lanes, lanes)))
    return None if count > 2 and taken > cpu.pcie_lanes else tuple(links)


def load_w(gpu: Gpu | None, count: int, cpu: Cpu) -> float:
    """Power under full load of all parts, an estimate (W at the parts, not at the wall)."""
    return load_of_w(equal_cards(gpu, count), cpu)


def equal_cards(gpu: Gpu | None, count: int) -> tuple[Gpu, ...]:
    """So many of one card; none of no card."""
    return (gpu,) * count if gpu else ()


def load_of_w(cards: Sequence[Gpu], cpu: Cpu) -> float:
    """The same of cards that may be unlike, each with its own draw."""
    return sum(gpu.power_w for gpu in cards) + cpu.tdp_w * TURBO_FACTOR.get(cpu.maker, 1.5) + REST_W


def psu_watts_needed(gpu: Gpu | None, count: int, cpu: Cpu) -> float:
    """Rating a supply must have: the card maker's figure for one card, and the whole load with room above it."""
    return watts_needed(equal_cards(gpu, count), cpu)


def watts_needed(cards: Sequence[Gpu], cpu: Cpu) -> float:
    """The same of cards that may be unlike: the maker's figure is that of the hungriest."""
    reserve = load_of_w(cards, cpu) * (1 + HEADROOM)
    if not cards:
        return reserve
    most = max(gpu.power_w for gpu in cards)
    return max(reserve, next((watts for bound, watts in MINIMUM_SYSTEM_W if most <= bound), MINIMUM_SYSTEM_W[-1][1]))


def _plugs(gpu: Gpu) -> tuple[int, int]:
    """16-pin and 8-pin (or 6-pin) plugs of a card. A CPU-type 8-pin (Tesla) takes an adapter from two PCIe plugs."""
    found = re.findall(r"(?:(\d+)\s*x\s*)?(\d+)-pin", gpu.power_connectors.lower())
    wide = sum(int(n or 1) for n, pins in found if int(pins) >= 12)
    narrow = sum(int(n or 1) for n, pins in found if int(pins) < 12)
    return wide, narrow * (2 if re.search(r"eps|cpu", gpu.power_connectors, re.IGNORECASE) else 1)


def psu_problem(psu: Psu, gpu: Gpu | None, count: int, cpu: Cpu) -> str | None:
    """Watts and plugs; a 16-pin plug may be fed from 8-pin ones through the adapter that comes with the card."""
    return supply_problem(psu, equal_cards(gpu, count), cpu)


def supply_problem(psu: Psu, cards: Sequence[Gpu], cpu: Cpu) -> str | None:
    """The same of cards that may be unlike."""
    needed = watts_needed(cards, cpu)
    if psu.watts < needed:
        return f"{psu.name}: {psu.watts:g} W, {needed:.0f} W needed"
    return plugs_problem(psu, cards)


def pair_problem(psu: Psu, gpu: Gpu | None, count: int, cpu: Cpu) -> str | None:
    """The same of two such supplies started together, each for half of equal cards; one card takes a single supply."""
    if gpu is None or count < 2:
        return "one card takes a single supply"
    needed = psu_watts_needed(gpu, count, cpu)
    if 2 * psu.watts < needed:
        return f"two {psu.name}: {2 * psu.watts:g} W, {needed:.0f} W needed"
    return cables_problem(psu, gpu, (count + 1) // 2)


def cables_problem(psu: Psu, gpu: Gpu | None, count: int) -> str | None:
    """Plugs of equal cards."""
    return plugs_problem(psu, equal_cards(gpu, count))


def plugs_problem(psu: Psu, cards: Sequence[Gpu]) -> str | None:
    """Plugs of cards that may be unlike: the 16-pin plugs of the supply go to those whose adapters join most cables."""
    narrow, adapted = 0, []
    for gpu in cards:
        wide, narrow_of_one = _plugs(gpu)
        each = next((cables for bound, cables in EIGHT_PINS_PER_16_PIN if gpu.power_w <= bound), 4)
        adapted += [each] * wide
        narrow += narrow_of_one
    if narrow + sum(sorted(adapted, reverse=True)[psu.pcie_16pin :]) <= psu.pcie_8pin:
        return None
    counted = Counter(gpu.name for gpu in cards)
    return f"{psu.name} has too few plugs for {' and '.join(f'{count} x {name}' for name, count in counted.items())}"


def cooler_problem(cooler: Cooler, cpu: Cpu) -> str | None:
    """Socket and heat."""
    if cpu.socket not in cooler.sockets:
        return f"{cooler.name} does not fit {cpu.socket}"
    return (
        f"{cooler.name} cools {cooler.max_tdp_w:g} W, {cpu.name} gives {cpu.tdp_w:g} W"
        if cooler.max_tdp_w < cpu.tdp_w
        else None
    )


def case_problem(case: PcCase, board: Board, cooler: Cooler, gpu: Gpu | None, count: int) -> str | None:
    """Board size, height of the cooler, length and slots of the cards (where their data sheets state them)."""
    if board.form_factor not in case.board_form_factors:
        return f"{case.name} takes {', '.join(case.board_form_factors)}, not {board.form_factor}"
    if cooler.height_mm > case.max_cooler_height_mm:
        return f"{cooler.name} is too high for {case.name}"
    return card_problem(case, gpu, count)


def card_problem(case: PcCase, gpu: Gpu | None, count: int) -> str | None:
    """Length and slots of the cards (where their data sheets state them)."""
    if gpu is None:
        return None
    if (gpu.length_mm or 0) > case.max_gpu_length_mm:
        return f"{gpu.name} is too long for {case.name}"
    # Two cards: one slot stays free between them, for air and because second slots sit that far down.
    slots = math.ceil(gpu.slots or 2) * count + (count - 1)
    return (
        f"{count} x {gpu.name} need {slots} slots, {case.name} has {case.gpu_slots}" if slots > case.gpu_slots else None
    )


SLOT_POSITIONS = {"Mini-ITX": 1, "Micro-ATX": 4, "ATX": 7, "E-ATX": 7}
"""Places for slots on a board of a size. Source: ATX 2.2 and microATX 1.2 specifications; Mini-ITX has one."""


def side_by_side_problem(form_factor: str, gpu: Gpu | None, count: int) -> str | None:
    """Whether two cards have room beside each other on a board of a size, with one place between them for air: the
    second slot is at the last place at most. Where a third slot lies is not known of boards.
    """
    if gpu is None or count < 2:
        return None
    if count > 2:
        return f"{count} x {gpu.name}: where the slots of a board lie is not known"
    apart = SLOT_POSITIONS[form_factor] - 1
    needed = math.ceil(gpu.slots or 2) + 1
    return f"two {gpu.name} need slots {needed} places apart, {form_factor} has {apart}" if needed > apart else None


def is_passive(gpu: Gpu) -> bool:
    """Whether a card has no fan of its own: it is made for the wind of a server."""
    return gpu.form in PASSIVE_FORMS


def has_outputs(gpu: Gpu) -> bool:
    """Whether a screen can be plugged into the card: datacentre cards have no outputs."""
    return gpu.form not in PASSIVE_FORMS


def display_problem(gpu: Gpu | None, cpu: Cpu) -> str | None:
    """Something must show a picture: the CPU's graphics or a card with outputs."""
    if cpu.integrated_gpu or (gpu is not None and has_outputs(gpu)):
        return None
    return f"{cpu.name} has no graphics and no card of the build has a display output"


def socket_problem(cpu: Cpu, board: Board) -> str | None:
    """CPU and board."""
    return None if cpu.socket == board.socket else f"{cpu.name} needs {cpu.socket}, {board.name} has {board.socket}"
