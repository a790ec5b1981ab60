"""What goes wrong with a scenario: mistakes that people make, each with what it costs.

Most are told by numbers: the same question without the mistake is asked too, and what is lost is said with the remedy
("one module of memory instead of two: 14 instead of 24 tok/s; add a second one of 16 GB"). Such a check is a generator
of `Mended` in `CHECKS`; a loss too small to matter is not told.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, NamedTuple

from advisor.answer import REGIMES, Warning
from advisor.documents import number
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine, dram_gb_s
from advisor.machines.memory import COMMON_MT_S, DESKTOP_CHANNELS, ram_by_platform
from advisor.machines.processor import product_of
from advisor.physics.builds import era_of
from advisor.prediction.capacity import longest_context
from advisor.prediction.case import Case, Unplaced, asked_of
from advisor.prediction.cautions import asked_too_much, from_disk, misfits
from advisor.prediction.devices import unlike
from advisor.question import USUAL_CONTEXT
from advisor.sizes.footprint import Footprint
from catalog import tables
from catalog.llms import Llm
from catalog.names.index import UnknownName
from catalog.quants import Quant
from catalog.units import GB, GIB

SLOW_RAM_GB_S = 30
"""Below two channels of DDR4-2133 (34 GB/s): old modules on an old platform, if all channels are filled."""
LEAST_LOSS: Final = 1.1
"""What costs less than a tenth of the speed is no pitfall: this program's choice."""
SLOW_TOK_S: Final = 10.0
"""Twice as fast as people read: nobody looks for another model above it. This program's choice."""
LEAST_PUSHED_BYTES: Final = 0.25 * GIB
"""Less of a model in RAM than this goes unnoticed."""
AS_LARGE: Final = (0.6, 1.2)
"""A model counts as large as another within these factors of its parameters."""
AS_GOOD: Final = 0.9
"""And as good, with so much of its quality."""
PLACED_BY_HAND: Final = ("n_gpu_layers", "n_cpu_moe", "n_cpu_moe_last")
"""Settings of the engine that leave the planner no choice."""
LARGE_B: Final = 12.0
"""Smaller models (10^9 parameters) are fast as they are."""


class TwoSpeeds(NamedTuple):
    """Median tok/s; 0 where it cannot run."""

    decode: float
    prefill: float

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "TwoSpeeds":
        """From the fields of a prediction."""
        told = (fields[name] for name in ("decode_tok_s", "prefill_tok_s"))
        return cls(*(speed["p50"] if speed else 0.0 for speed in told))


class WithoutIt(NamedTuple):
    """The same question without a mistake: its case and speeds, and in words what the mistake costs ("" if little)."""

    case: Case
    now: TwoSpeeds
    then: TwoSpeeds
    lost: str


@dataclass(frozen=True, eq=False)
class Mended:
    """A question without one mistake, and what is then said; None where there is nothing to say."""

    code: str
    question: Unplaced
    words: Callable[[WithoutIt], str | None]
    reading: bool = False
    """Whether what is lost in reading prompts counts too."""

    def said(self, now: TwoSpeeds, case: Case, then: TwoSpeeds) -> Warning | None:
        """The warning; `case` and `then` are of the mended question."""
        words = self.words(WithoutIt(case, now, then, _lost(now, then, self.reading)))
        return Warning(code=self.code, message=words) if words else None


def _lost(now: TwoSpeeds, then: TwoSpeeds, reading: bool) -> str:
    writes = now.decode and then.decode > now.decode * LEAST_LOSS
    reads = reading and now.prefill and then.prefill > now.prefill * LEAST_LOSS
    told = [f"{number(now.decode)} instead of {number(then.decode)} tok/s"] if writes else []
    told += [f"prompts are read at {number(now.prefill)} instead of {number(then.prefill)} tok/s"] if reads else []
    return ", ".join(told)


def mended_of(case: Case, now: TwoSpeeds) -> list[Mended]:
    """The questions that tell what the mistakes of a case cost."""
    found: list[Mended] = []
    for check in CHECKS:
        try:
            found += check(case, now)
        except (InputError, UnknownName):  # what cannot be asked without the mistake has no remedy
            continue
    return found


# The same question again, with another part or setting.


class _Sized(NamedTuple):
    """The model of a case, as if read from its file."""

    llm: Llm
    quant: Quant
    footprint: Footprint
    notes: tuple[str, ...] = ()


def _again(
    case: Case, *, machine: Machine | None = None, engine: Mapping[str, object] | None = None,
    workload: Mapping[str, object] | None = None, model: str | None = None,
) -> Unplaced:
    scenario = case.scenario
    update: dict[str, object] = {"model": model} if model else {}
    if engine:
        update["engine"] = scenario.engine.model_copy(update=engine)
    if workload:
        update["workload"] = scenario.workload.model_copy(update=workload)
    sized = _Sized(case.llm, case.quant, case.demand.footprint)
    return asked_of(scenario.model_copy(update=update), sized, machine or _as_given(case))


def _as_given(case: Case) -> Machine | None:
    """The machine of a case; None where unlike cards are to be used as is best, for all that is asked of them."""
    if case.devices:
        return None
    if not unlike(case.machine):
        return case.machine
    usual = machine_of(case.scenario.hardware, case.scenario.engine.backend)
    return None if usual is case.machine or usual == case.machine else case.machine


def _with_ram(case: Case, **fields: object) -> Machine:
    """The machine with memory as fast as the question's would be with other fields."""
    hardware = case.scenario.hardware
    ram = hardware.ram.model_copy(update=fields)
    other = machine_of(hardware.model_copy(update={"ram": ram}), case.scenario.engine.backend)
    return replace(case.machine, ram=replace(case.machine.ram, bandwidth_gb_s=other.ram.bandwidth_gb_s))


def _by_parts(case: Case) -> bool:
    """Whether the model is read from memory modules that can be exchanged."""
    beside = REGIMES[case.placement.strategy].beside_ram or case.placement.storage_bytes > 0
    return case.runs and beside and not case.machine.unified and case.scenario.hardware.machine is None


def _placed_by_hand(case: Case) -> bool:
    return any(getattr(case.scenario.engine, name) is not None for name in PLACED_BY_HAND)


# Memory.


def _empty_channels(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """One module, or fewer than there are channels."""
    asked, (filled, there) = case.scenario.hardware.ram, _channels(case)
    if not _by_parts(case) or filled >= there:
        return
    machine = _with_ram(case, channels=there, modules=None)
    each = f" of {asked.gb / filled:g} GB" if asked.gb else ""
    machine = replace(machine, ram=replace(machine.ram, capacity_bytes=machine.ram.capacity_bytes * there / filled))
    one = there == DESKTOP_CHANNELS and filled == 1
    cause = "one module of memory instead of two" if one else f"{filled} of {there} memory channels are filled"
    remedy = f"add a second one{each}" if one else f"add {there - filled} modules{each}"
    yield Mended("one_module" if filled == 1 else "empty_channels", _again(case, machine=machine),
                 lambda told: f"{cause}: {told.lost}; {remedy}" if told.lost else None, reading=True)


def _channels(case: Case) -> tuple[int, int]:
    """Memory channels that are filled, and that there are."""
    asked, row = case.scenario.hardware.ram, product_of(case.scenario.hardware.cpu)
    there = row.memory_channels * case.machine.cpu.sockets if row else DESKTOP_CHANNELS
    return asked.channels or min(asked.modules or there, there), there


def _crowded_slots(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """Four modules of DDR5, which run slower than two."""
    asked = case.scenario.hardware.ram
    if not _by_parts(case) or "ram_crowded" not in case.machine.unknown:
        return
    _, fewer = _channels(case)
    each = f" of {asked.gb / fewer:g} GB" if asked.gb else ""
    cause = f"{asked.modules} modules of {case.machine.ram.type} do not run at the speed of {fewer}"
    yield Mended(
        "four_modules", _again(case, machine=_with_ram(case, modules=fewer)),
        lambda told: f"{cause}: {told.lost}; take {fewer} modules{each}" if told.lost else None, reading=True,
    )


def _slow_memory(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """Modules slower than the usual ones, or a platform whose memory is slow at its best."""
    if not _by_parts(case):
        return
    hardware, ram = case.scenario.hardware, case.machine.ram
    _, usual, _ = ram_by_platform(product_of(hardware.cpu), ram.type, case.machine.gpus)
    asked, (filled, there) = hardware.ram.mt_s, _channels(case)
    if asked and asked < usual:
        cause = f"{ram.type}-{asked} instead of {ram.type}-{usual:.0f}"
        remedy = "take faster modules, or switch their profile on in the BIOS (XMP, EXPO)"
        machine = _with_ram(case, mt_s=int(usual))
    elif filled >= there and ram.bandwidth_gb_s < SLOW_RAM_GB_S and "ram_channels" not in case.machine.unknown:
        kind, mt_s = "DDR5", COMMON_MT_S["DDR5"]
        cause = f"RAM of {ram.bandwidth_gb_s:.0f} GB/s limits every token"
        remedy = f"a newer platform with two channels of {kind}-{mt_s:.0f} would not"
        faster = replace(ram, bandwidth_gb_s=dram_gb_s(mt_s, DESKTOP_CHANNELS))
        machine = replace(case.machine, ram=faster)
    else:
        return
    yield Mended("slow_ram", _again(case, machine=machine),
                 lambda told: f"{cause}: {told.lost}; {remedy}" if told.lost else None, reading=True)


def _small_memory(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """A model that is read from disk for want of RAM."""
    missing = case.placement.storage_bytes
    if missing <= 0 or not case.runs or case.machine.unified:
        return
    ram = replace(case.machine.ram, capacity_bytes=case.machine.ram.capacity_bytes + missing * 1.1 + GIB)
    yield Mended("ram_below_floor", _again(case, machine=replace(case.machine, ram=ram)),
                 lambda told: from_disk(case, told.lost) if told.lost else None)


# Cards, links and placement.


def _narrow_link(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """A card in a slot of few lanes or an older generation, or outside of the computer."""
    hardware = case.scenario.hardware
    if not case.runs or case.devices or not any(gpu.link or gpu.pcie_lanes or gpu.pcie_gen for gpu in hardware.gpus):
        return
    plain = {"link": None, "pcie_lanes": None, "pcie_gen": None}
    cards = tuple(gpu.model_copy(update=plain) for gpu in hardware.gpus)
    wide = machine_of(hardware.model_copy(update={"gpus": cards}), case.scenario.engine.backend).gpus
    if len(wide) != len(case.machine.gpus):
        return
    pairs = list(zip(case.machine.gpus, wide, strict=True))
    slow, fast = min(pairs, key=lambda pair: pair[0].link_gb_s / pair[1].link_gb_s)
    if slow.link_gb_s >= fast.link_gb_s:
        return
    outside = any(gpu.link for gpu in hardware.gpus)
    place = "inside a computer" if outside else "in a slot with all its lanes and of its generation"
    remedy = f"{place} it would be faster"
    cause = f"{slow.name} behind a link of {slow.link_gb_s:.1f} instead of {fast.link_gb_s:.1f} GB/s"
    gpus = tuple(replace(card, link_gb_s=max(card.link_gb_s, other.link_gb_s)) for card, other in pairs)
    yield Mended("narrow_link", _again(case, machine=replace(case.machine, gpus=gpus)),
                 lambda told: f"{cause}: {told.lost}; {remedy}" if told.lost else None, reading=True)


def _overfull(case: Case, now: TwoSpeeds) -> Iterator[Mended]:
    """More layers on the card than it holds; on Windows the driver then moves some away without a word."""
    if not case.runs or case.machine.unified or case.placement.exceeded <= 1.0 or not _placed_by_hand(case):
        return

    def words(told: WithoutIt) -> str | None:
        if not told.then.decode or not told.case.placement.fits:
            return None
        return f"{asked_too_much(case)}; with {_flags(told.case)} it fits and writes {number(told.then.decode)} tok/s"

    question = _again(case, engine=dict.fromkeys(PLACED_BY_HAND))
    yield Mended("vram_exceeded", question, words)
    if case.machine.backend == "cuda" and now.decode:
        card = min(case.machine.gpus, key=lambda gpu: gpu.link_gb_s)
        moved = (case.placement.exceeded - 1) * sum(gpu.vram_bytes for gpu in case.machine.gpus)
        print_ = case.demand.footprint
        read = moved * min(1.0, print_.parameters_active / print_.parameters)
        most = 1 / (1 / now.decode + read / (card.link_gb_s * GB))
        text = (
            f"on Windows NVIDIA's driver moves the {moved / GIB:.1f} GiB too many into system memory without a word, "
            f"and each token reads them over the link: at best {number(most)} instead of {number(now.decode)} tok/s; "
            "lower n_gpu_layers, or set CUDA - Sysmem Fallback Policy to prefer none"
        )
        yield Mended("windows_overflow", question, lambda _: text if now.decode > most * LEAST_LOSS else None)


def _flags(case: Case) -> str:
    experts = f" -ncmoe {case.placement.n_cpu_moe}" if case.placement.n_cpu_moe else ""
    return f"-ngl {case.placement.n_gpu_layers}{experts}"


def _idle_card(case: Case, now: TwoSpeeds) -> Iterator[Mended]:
    """Fewer layers on the card than it holds."""
    lies, load = case.placement, case.scenario.workload
    beside = lies.ram_bytes > 0 and case.machine.offloads
    if not case.runs or not beside or lies.exceeded > 1.0 or not _placed_by_hand(case):
        return
    free = (sum(gpu.vram_bytes for gpu in case.machine.gpus) - sum(lies.vram_bytes)) / GIB

    def request_s(speeds: TwoSpeeds) -> float:
        return load.gen_tokens / speeds.decode + (load.prompt_tokens / speeds.prefill if speeds.prefill else 0.0)

    def words(told: WithoutIt) -> str | None:
        if not told.lost or request_s(told.then) > request_s(now):
            return None
        cause = f"the placement asked for leaves {free:.1f} GiB of GPU memory idle"
        return f"{cause}: {told.lost}; take {_flags(told.case)}"

    yield Mended("idle_vram", _again(case, engine=dict.fromkeys(PLACED_BY_HAND)), words)


# Context.


def _pushing_context(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """A context that takes the room of the model."""
    lies, engine = case.placement, case.scenario.engine
    pushed = lies.ram_bytes > LEAST_PUSHED_BYTES and lies.kv_bytes > LEAST_PUSHED_BYTES and case.machine.offloads
    if not case.runs or not pushed or _placed_by_hand(case) or engine.n_cpu_ffn:
        return
    asked, used = case.context_tokens, case.scenario.workload.most_tokens
    takes = f"{asked:,} tokens of context take {lies.kv_bytes / GIB:.1f} GiB beside the model"
    needed = max(USUAL_CONTEXT, -(-used // 256) * 256)
    if engine.n_ctx and asked >= 2 * needed:
        yield Mended("context_unused", _again(case, engine={"n_ctx": needed}), lambda told: (
            f"{takes}, where {used:,} are used: {told.lost}; -c {needed} is enough" if told.lost else None
        ))
    if case.kv_types == ("f16", "f16") and case.setting.flash == "fa":
        yield Mended("context_crowds", _again(case, engine={"kv_type": "q8_0"}), lambda told: (
            f"{takes}: {told.lost}; -ctk q8_0 -ctv q8_0 takes half" if told.lost else None
        ))


def _too_long_context(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """A context that finds no room where a shorter one does."""
    memory = sum(gpu.vram_bytes for gpu in case.machine.gpus) + (case.machine.ram.capacity_bytes or 0.0)
    if case.runs or case.placement.fits or case.demand.footprint.file_bytes > memory:
        return
    engine, load = case.scenario.engine, case.scenario.workload
    longest = longest_context(case, engine.n_gpu_layers, engine.experts_in_ram)
    if not longest or longest >= case.context_tokens:
        return
    prompt = max(1, min(load.prompt_tokens, longest - load.gen_tokens))
    depth = max(0, min(load.context_depth, longest - load.gen_tokens - prompt))
    shorter = {"prompt_tokens": prompt, "context_depth": depth, "decode_depth": None}
    why = next(iter(message for _, message in misfits(case)), "it does not fit")
    yield Mended("does_not_fit", _again(case, engine={"n_ctx": longest}, workload=shorter), lambda told: (
        f"{why}; {longest:,} tokens of context fit and write {number(told.then.decode)} tok/s"
        if told.then.decode else None
    ))


# Engine, users, and the model itself.


def _old_build(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    engine = case.scenario.engine
    if not case.runs or era_of(engine.version, engine.released, engine.name) == "current":
        return
    of = " of ".join(filter(None, (engine.version, engine.released)))
    yield Mended("old_build", _again(case, engine={"version": None, "released": None}), lambda told: (
        f"{engine.name} {of} is old: {told.lost}; take a current build" if told.lost else None
    ), reading=True)


def _without_flash(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    if case.runs and case.scenario.engine.flash_attn is False:
        yield Mended("flash_attn_off", _again(case, engine={"flash_attn": None}), lambda told: (
            f"without flash attention: {told.lost}; leave out -fa off" if told.lost else None
        ), reading=True)


def _crowd(case: Case, _now: TwoSpeeds) -> Iterator[Mended]:
    """Several users, where each expert in RAM is read for each of them, or whose contexts push the model away."""
    if case.users < 2 or not case.runs:
        return
    shared = case.demand.footprint.n_experts and case.placement.experts_on_cpu.any()

    def words(told: WithoutIt) -> str | None:
        together = f"{number(case.users * told.now.decode)} tok/s, one alone {number(told.then.decode)}"
        pushed = (case.placement.ram_bytes - told.case.placement.ram_bytes) / GIB
        if shared:
            return f"experts in RAM are read for each of {case.users} users: together they write {together}"
        if pushed * GIB < LEAST_PUSHED_BYTES or not case.machine.offloads:
            return None
        moved = f"the contexts of {case.users} users push {pushed:.1f} GiB of the model into RAM"
        return f"{moved}: together they write {together}; a shorter context (-c) for each leaves it on the card"

    code = "batching_hardly_helps" if shared else "users_crowd"
    yield Mended(code, _again(case, workload={"users": 1}), words)


@cache
def _sparse() -> tuple[tuple[str, float, float, float], ...]:
    """Models with experts: name, parameters and those a token reads (10^9), and how good they are in a chat."""
    facts, good = {row.name: row for row in tables.model_facts()}, _goodness()
    return tuple(
        (llm.name, row.parameters_b, row.active_b, good[llm.id])
        for llm in tables.llms()
        if llm.n_experts and llm.id in good and (row := facts.get(llm.id))
    )


@cache
def _goodness() -> Mapping[str, float]:
    return {row.name: row.quality for row in tables.model_quality() if row.task == "chat"}


def _every_parameter(case: Case, now: TwoSpeeds) -> Iterator[Mended]:
    """A dense model chosen by its size, where one with experts of that size reads a tenth of it."""
    print_ = case.demand.footprint
    dense = not print_.n_experts and case.runs and isinstance(case.scenario.model, str)
    parameters_b = print_.parameters / 1e9
    if not dense or parameters_b < LARGE_B or not 0 < now.decode < SLOW_TOK_S or case.draft:
        return
    alike = [item for item in _sparse() if AS_LARGE[0] <= item[1] / parameters_b <= AS_LARGE[1]]
    least = AS_GOOD * _goodness().get(case.llm.id, 0.0)
    alike = [item for item in alike if item[2] < parameters_b / 3 and item[3] >= least]
    if _placed_by_hand(case) or not alike:
        return
    name, _, active_b, _ = max(alike, key=lambda item: item[3])
    yield Mended("total_parameters", _again(case, model=name), lambda told: (
        f"each token reads all {parameters_b:.0f}B parameters of {case.llm.name}: {told.lost} of {name}, which is as "
        f"large and reads {active_b:.0f}B" if told.lost and told.case.placement.storage_bytes <= 0 else None
    ))


CHECKS: Final[tuple[Callable[[Case, TwoSpeeds], Iterator[Mended]], ...]] = (
    _too_long_context, _small_memory, _overfull, _idle_card, _empty_channels, _crowded_slots, _slow_memory,
    _narrow_link, _pushing_context, _crowd, _every_parameter, _old_build, _without_flash,
)
"""All that are told by numbers, most serious first."""
