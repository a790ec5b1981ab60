"""A scenario worked out up to the numbers that the physics takes: names resolved, bytes placed, work counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Protocol, cast

from advisor.asked import CustomModel
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.builds import flash_of, windowed
from advisor.physics.coefficients import Setting, setting_of
from advisor.physics.placement import OVERFULL, Demand, Placement, demand_of, place_each
from advisor.physics.task import DIVIDING, Task
from advisor.physics.work import Work, work_of
from advisor.prediction.devices import GAIN, seconds_of, unlike, ways
from advisor.prediction.drafting import MOST_DRAFTED, Draft, draft_of, extra_bytes, given_tokens, unsaid_of
from advisor.question import Scenario, Speculative
from advisor.sizes.beside import projector_bytes
from advisor.sizes.footprint import Footprint, footprint
from advisor.sizes.from_figures import figured
from advisor.sizes.quality import COMMON, default_quant
from catalog.llms import Llm
from catalog.names.index import left_aside
from catalog.names.llms import remarks, resolve_llm
from catalog.names.quants import resolve_quant
from catalog.quants import Quant

STORAGE_SHARE = 0.02
"""A larger part of the RAM tier than this on the disk makes the disk the regime."""
EVERY_LAYER = 10_000
"""More layers than any model has."""
OFFLOAD_MIN_BATCH = 32
"""Batches of so many tokens and more copy RAM-resident weights to the GPU. Source: ggml GGML_OP_OFFLOAD_MIN_BATCH."""


class SizedModel(Protocol):
    """A model whose sizes are known exactly, such as one read from a file."""

    @property
    def llm(self) -> Llm:
        """Its architecture."""
        ...

    @property
    def quant(self) -> Quant:
        """Its mix of types."""
        ...

    @property
    def footprint(self) -> Footprint:
        """Its bytes."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say beside a prediction."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Case(Task):
    """A scenario worked out up to the task that the physics takes."""

    scenario: Scenario
    llm: Llm
    quant: Quant
    setting: Setting
    """The labels that pick its coefficients."""
    assumptions: tuple[str, ...]
    deviation: float = 0.0
    """Of log speed, for what is not said of the model."""
    devices: tuple[int, ...] = ()
    """Places of the cards that are used among those of the question; empty: all, as llama.cpp splits by itself."""
    left_aside: tuple[str, ...] = ()
    """Cards that are not used, for they would slow the others down."""
    draft: Draft | None = None
    extra_bytes: float = 0.0
    """GPU memory that drafting takes."""
    drafted: int = 0
    """Tokens drafted for each step."""
    plain: "Case | None" = None
    """The same without drafting, where there is some."""

    @cached_property
    def work(self) -> Work:
        """What each device has to do; for many cases at once ask `works_of`."""
        return work_of(self)

    @cached_property
    def cycled_bytes(self) -> float:
        """Weights that are read from disk in every step; where an answer is made, it is filled in for all at once."""
        return float(self.work.cycled_bytes)

    @property
    def context_tokens(self) -> int:
        """Context allocated for each user."""
        return self.scenario.context_tokens(self.llm.max_context or 0)

    @cached_property
    def regime(self) -> str:
        """Class of placement within which errors are alike."""
        held = self.placement.ram_bytes + self.placement.storage_bytes
        return "storage" if self.placement.storage_bytes > STORAGE_SHARE * held else self.placement.strategy

    @property
    def mode(self) -> str:
        """Whether errors are those of several users or of drafts; "" for one user without."""
        return "speculative" if self.draft else "several_users" if self.users > 1 else ""

    @cached_property
    def runs(self) -> bool:
        """Whether it can run at all: an explicit placement may be a little over full, a planned one must fit."""
        place_ = self.placement
        engine = self.scenario.engine
        asked = any(number is not None for number in (engine.n_gpu_layers, engine.experts_in_ram, engine.n_cpu_ffn))
        return place_.fits or (asked and place_.exceeded <= OVERFULL)


@lru_cache(maxsize=4096)
def _named(model: str, quant: str | None) -> tuple[Llm, Quant, Footprint, tuple[str, ...]]:
    """The model, its mix of types, its sizes and what to say of them."""
    found = resolve_llm(model)
    llm, in_name = found.row.llm, found.row.quant_text
    # The quant given wins over the one in the model's name, unless the name only says more (UD-Q3_K_S for Q3_K_S).
    dynamic = quant and in_name and in_name.upper() == f"UD-{quant.upper()}"
    asked = in_name if dynamic or not quant else quant
    kind = resolve_quant(asked or default_quant(llm))
    said = () if asked else (f"no quant given: taken as {kind.row.name}",)
    words = left_aside("model", model, remarks(model, found))
    return llm, kind.row, footprint(llm, kind.row), (*found.assumptions, *kind.assumptions, *said, *words)


@dataclass(frozen=True, eq=False, slots=True)
class Unplaced:
    """A scenario worked out up to what is to be placed on which machine."""

    scenario: Scenario
    llm: Llm
    quant: Quant
    demand: Demand
    machine: Machine
    notes: tuple[str, ...]
    deviation: float = 0.0
    """Of log speed, for what is not said of the model."""
    chooses: bool = False
    """Whether unlike cards may be left aside, or be given other shares than llama.cpp gives them."""
    draft: Draft | None = None
    extra_bytes: float = 0.0
    plain: "Unplaced | None" = None
    """The same without drafting, where some is asked for."""


def asked_of(scenario: Scenario, file: SizedModel | None = None, machine: Machine | None = None) -> Unplaced:
    """What a scenario asks for, its names resolved. Raises as `case_of`, which says what the arguments are."""
    deviation = 0.0
    if isinstance(scenario.model, str):
        llm, quant, print_, notes = _named(scenario.model, scenario.quant)
    elif isinstance(scenario.model, CustomModel):
        kind = resolve_quant(scenario.quant or COMMON)
        found = figured(scenario.model.custom, kind.row)
        said = () if scenario.quant else (f"no quant given: taken as {kind.row.name}",)
        llm, quant, print_, notes = found.llm, kind.row, found.footprint, (*found.notes, *kind.assumptions, *said)
        deviation = found.deviation
    elif file is not None:
        llm, quant, print_, notes = file.llm, file.quant, file.footprint, file.notes
    else:
        raise InputError("model files are not read here: name the model and the quant instead")
    engine, users = scenario.engine, scenario.workload.users
    if engine.n_cpu_ffn:
        print_ = _feed_forward_apart(scenario, print_)
    chooses = machine is None and engine.n_gpu_layers is None and engine.experts_in_ram is None
    chooses = chooses and engine.split_mode in (None, "layer") and not engine.n_cpu_ffn
    machine = machine or machine_of(scenario.hardware, engine.backend)
    demand = demand_of(
        print_, scenario.context_tokens(llm.max_context or 0), engine.kv_types, engine.ubatch, flash_of(scenario), users
    )
    if engine.mmproj:
        size, told = projector_bytes(llm, engine.mmproj, scenario.model if isinstance(scenario.model, str) else "")
        demand, notes = _with_more(demand, machine, size), (*notes, told)
    plain = Unplaced(scenario, llm, quant, demand, machine, notes, deviation, chooses and unlike(machine))
    return _drafting(plain, print_) if engine.speculative else plain


def _feed_forward_apart(scenario: Scenario, print_: Footprint) -> Footprint:
    """A footprint whose first feed-forward parts may lie apart, as `n_cpu_ffn` says. Raises `InputError`."""
    if print_.n_experts:
        raise InputError(f"n_cpu_ffn is for models without experts: of {print_.name} keep experts in RAM (n_cpu_moe)")
    if scenario.engine.experts_in_ram:
        raise InputError(f"n_cpu_moe is for models with experts, which {print_.name} has not: give n_cpu_ffn alone")
    return print_.feed_forward_apart(scenario.engine.n_cpu_ffn or 0)


def _with_more(demand: Demand, machine: Machine, size: float) -> Demand:
    """A demand with so many bytes more beside the model: of several cards on the one that has the output, of one card
    in any split.
    """
    parts = ("output",) if len(machine.gpus) > 1 else ("compute", "compute_offload")
    return replace(demand, **{part: getattr(demand, part) + size for part in parts})


def _drafting(plain: Unplaced, print_: Footprint) -> Unplaced:
    """A question with the draft that it asks for."""
    scenario, llm = plain.scenario, plain.llm
    asked = cast(Speculative, scenario.engine.speculative)
    draft = draft_of(asked, llm, plain.quant, print_)
    more = extra_bytes(draft, plain.demand, scenario, scenario.context_tokens(llm.max_context or 0))
    notes = (*plain.notes, *draft.notes, *unsaid_of(asked))
    demand = _with_more(plain.demand, plain.machine, more)
    return replace(plain, demand=demand, notes=notes, draft=draft, extra_bytes=more, plain=plain)


def case_of(scenario: Scenario, file: SizedModel | None = None, machine: Machine | None = None) -> Case:
    """Work a scenario out up to the physics; `file` is its model file, where it names one, as the caller has read it,
    `machine` the machine where more is known of it than its parts, such as what memory is free now.

    Raises `UnknownName` and `InputError` for what cannot be answered.
    """
    return cases_of([asked_of(scenario, file, machine)])[0]


def cases_of(asked: Sequence[Unplaced]) -> list[Case]:
    """Cases of many questions, placed together as arrays; of unlike cards those are used that are fastest together."""
    cases = _placed(asked)
    cases = [_fastest(item, case) if item.chooses else case for item, case in zip(asked, cases, strict=True)]
    drafting = [place for place, item in enumerate(asked) if item.plain]
    if drafting:
        plain = cases_of([cast(Unplaced, asked[place].plain) for place in drafting])
        for place, case in zip(drafting, plain, strict=True):
            cases[place] = _best_drafted(replace(cases[place], plain=case))
    return cases


def _best_drafted(case: Case) -> Case:
    """A case with the drafted tokens that are asked for, or else with as many as write fastest."""
    asked, draft = cast(Speculative, case.scenario.engine.speculative), cast(Draft, case.draft)
    numbers = [asked.max_tokens] if asked.max_tokens else range(1, MOST_DRAFTED[asked.kind] + 1)
    tried = [
        replace(
            case, drafted=number, rows_each=number + 1, draft_bytes=draft.read_bytes(number),
            draft_passes=float(draft.passes_of(number)), tokens_per_step=given_tokens(asked, number),
        )
        for number in numbers
    ]
    if len(tried) == 1:
        return tried[0]
    seconds = seconds_of(tried, [item.setting for item in tried])
    return min(zip(tried, seconds, strict=True), key=lambda pair: pair[1] / pair[0].tokens_per_step)[0]


def _fastest(asked: Unplaced, every: Case) -> Case:
    """The fastest way to use unlike cards; `every` is the case with all of them."""
    tried = list(ways(asked.machine, sum(every.placement.vram_bytes)))
    cases = [every, *_placed([replace(asked, machine=machine) for _, machine in tried])]
    seconds = [
        second if case.runs else math.inf
        for case, second in zip(cases, seconds_of(cases, [case.setting for case in cases]), strict=True)
    ]
    best = min(range(len(cases)), key=seconds.__getitem__)
    if best == 0 or seconds[best] * GAIN > seconds[0]:
        return every
    kept = tried[best - 1][0]
    gpus = asked.machine.gpus
    aside = tuple(gpu.name for place, gpu in enumerate(gpus) if place not in kept)
    machine = replace(asked.machine, gpus=tuple(gpus[place] for place in kept))
    return replace(cases[best], machine=machine, devices=kept, left_aside=aside)


def _placed(asked: Sequence[Unplaced]) -> list[Case]:
    engines = [item.scenario.engine for item in asked]
    placements = place_each(
        [item.demand for item in asked],
        [item.machine for item in asked],
        [
            (EVERY_LAYER if engine.n_cpu_ffn and engine.n_gpu_layers is None else engine.n_gpu_layers,
             engine.n_cpu_ffn or engine.experts_in_ram, engine.mmap)
            for engine in engines
        ],
        [engine.n_cpu_moe_last is not None for engine in engines],
    )
    return [_case(item, placement) for item, placement in zip(asked, placements, strict=True)]


def offload_min_batch(scenario: Scenario, footprint: Footprint) -> int:
    """Tokens from which a batch has its weights in RAM computed by the GPU: ik_llama.cpp asks for as many per active
    expert. Source: ik_llama.cpp pull 520.
    """
    if scenario.engine.name == "ik_llama.cpp" and footprint.n_experts:
        return OFFLOAD_MIN_BATCH * footprint.n_experts // footprint.n_experts_used
    return OFFLOAD_MIN_BATCH


def _case(asked: Unplaced, placement: Placement) -> Case:
    scenario, machine = asked.scenario, asked.machine
    engine, load = scenario.engine, scenario.workload
    if engine.n_cpu_ffn and placement.strategy == "expert_offload":
        placement = replace(placement, strategy="feed_forward_offload")
    return Case(
        demand=asked.demand,
        placement=placement,
        machine=machine,
        depth=load.mean_decode_depth,
        prompt_start=float(load.context_depth),
        prompt_tokens=load.prompt_tokens,
        ubatch=engine.ubatch,
        threads=engine.threads or 0,
        users=load.users,
        kv_types=engine.kv_types,
        offload_min_batch=offload_min_batch(scenario, asked.demand.footprint),
        windowed=windowed(engine.version, engine.released, engine.name),
        mapped=engine.mmap is not False,
        scenario=scenario,
        llm=asked.llm,
        quant=asked.quant,
        setting=setting_of(scenario, machine, placement),
        assumptions=(*asked.notes, *machine.assumptions),
        deviation=asked.deviation,
        divided=engine.split_mode in DIVIDING and sum(need > 0 for need in placement.vram_bytes) > 1,
        by_rows=engine.split_mode == "row",
        draft=asked.draft,
        extra_bytes=asked.extra_bytes,
    )
