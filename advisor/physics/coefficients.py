"""The coefficients of the physics: what each is and of which part, unit, start value and the labels over which it is
pooled, in aligned rows.

The logarithm of a coefficient is the sum of one effect per label that applies to the scenario; labels that the evidence never
showed have no effect, so an unknown chip falls back to its architecture, and that to its backend (partial pooling).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from advisor.machines.machine import Machine
from advisor.physics.builds import era_of, flash_of
from advisor.physics.placement import Placement
from advisor.physics.task import FAMILIES, KINDS
from advisor.question import Scenario
from catalog.efficiency import Effect

T = TypeVar("T")
Part = Literal["card", "processor", "links"]
"""Of a machine: its graphics cards, its processor with its memory, and the links between them."""


class Setting(NamedTuple):
    """What the labels of one scenario are made of."""

    backend: str
    maker: str
    architecture: str
    chip: str
    form: str
    """desktop, laptop, workstation, datacentre, integrated."""
    engine: str
    """llama.cpp, ik_llama.cpp."""
    era: str
    """Age of the build: 2024, 2025, current."""
    stated: str
    """"stated" or "unstated": whether the build was named (unnamed builds of dated runs are slower on average)."""
    flash: str
    microarchitecture: str
    cpu: str
    simd: str
    sockets: str
    role: str
    """"alone" or "beside" a GPU: whether the CPU's threads share each layer with one."""
    known: str
    """What is not known of the RAM tier: known, cpu, speed, cpu+speed."""
    layout: str
    """one, several GPUs, or unified memory."""
    split: str = "layer"
    """How several GPUs share the model: layer, row, tensor, graph."""
    segment: str = "desktop"
    """desktop, laptop, hedt, server or embedded: what the processor is made for."""
    pages: str = "mapped"
    """"mapped" where the model's file is mapped into memory, whose pages a card cannot read by itself."""
    cache: str = "f16"
    """How the keys of the context are stored: f16, q8 or q4."""
    rig: str = ""
    """One person's machine, in the fit and where its owner measured it; "" in all other predictions."""


OWN_RIG = "own"
"""The rig of a question that tells runs of its own machine."""
RIG_LABEL = "rig {rig}"
_CPU_LABELS = frozenset({"{microarchitecture}", "{cpu}", "{simd}", "{simd}/{kind}", "{engine}/{simd}"})
"""Labels that are a guess where the CPU is not named."""
MACHINES_KEPT = 4096
"""Settings whose coefficients are kept, with the values of four times as many words: some 25 MB whatever is asked, and
twice as many settings as the command line evaluates together."""
RAM_SPEED_DEVIATION = 0.15
"""Standard deviation of the log RAM speed that home machines have: 0.17 over the six DDR4 and 0.12 over the six DDR5
machines of calibration/evidence that name it (2133 to 3200 and 4800 to 6400 MT/s).
"""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One row of the table below. `pools` maps label templates to the prior's standard deviation in log space."""

    name: str
    words: str
    """What it is, for the page of what runs have told."""
    part: Part | None
    """What was measured of it on one machine holds on where this part is kept; None: nowhere else."""
    unit: str
    start: float
    deviation: float
    per_family: bool
    pools: tuple[tuple[str, float], ...]


_GPU = (
    ("{backend}", 0.3),
    ("{backend}/{maker}", 0.15),
    ("{backend}/{architecture}", 0.2),
    ("{chip}", 0.05),
    ("{engine}", 0.1),
    ("{backend}/{era}", 0.15),
    ("{stated}", 0.1),
    ("{layout}", 0.15),
    ("{form}", 0.2),
)
_PROMPT = (
    *_GPU[:-1],
    ("{form}", 0.35),
    ("{backend}/{architecture}/{era}", 0.2),
    ("{backend}/{architecture}/{flash}", 0.1),
)
"""Matrix units of new cards come into use build by build; laptops compute at what power they have."""
_FAMILY = (
    ("{kind}", 0.2),
    ("{backend}/{kind}", 0.15),
    ("{backend}/{architecture}/{kind}", 0.15),
    ("{engine}/{kind}", 0.1),
    ("{backend}/{family} alone", 0.05),
)
_CONTEXT = (
    ("{flash}", 0.4),
    ("{backend}/{flash}", 0.4),
    ("{backend}/{architecture}/{flash}", 0.3),
    ("{flash}/{cache}", 0.2),
    ("{backend}/{flash}/{cache}", 0.2),
)
"""Kernels with and without flash attention have nothing in common."""
_MICROS = (
    ("{backend}", 0.75),
    ("{backend}/{maker}", 0.45),
    ("{backend}/{architecture}", 0.45),
    ("{backend}/{era}", 0.6),
    ("{stated}", 0.9),
    ("{layout}", 0.45),
    ("{form}", 0.6),
)
_ROUTING = (
    ("{backend}", 0.5),
    ("{backend}/{maker}", 0.3),
    ("{backend}/{architecture}", 0.7),
    ("{backend}/{era}", 0.4),
    ("{stated}", 0.2),
    ("{layout}", 0.3),
    ("{form}", 0.2),
)
"""Few runs tell the cost of choosing experts: what one slow architecture shows must not count for all cards alike."""
_BUILD = (("{stated}/{era}", 0.4),)
_CPU = (
    ("{microarchitecture}", 0.08),
    ("{cpu}", 0.065),
    ("{engine}", 0.08),
    ("{known}", 0.08),
    ("{role}", 0.08),
    ("{engine}/{simd}", 0.04),
    ("{segment}", 0.15),
)

COEFFICIENTS: tuple[Coefficient, ...] = (
    #           name                  in words                                                                            of           unit                start  deviation per family  pools
    Coefficient("gpu_stream",         "part of a card's bandwidth that reading weights reaches",                          "card",      "share of peak",      0.80, 0.3, True,  (*_GPU, ("{stated}/{era}", 0.15), *_FAMILY)),
    Coefficient("gpu_expert",         "the same for routed experts, of what dense weights reach",                         "card",      "share of stream",    0.80, 0.3, True,  (("{backend}", 0.2), ("{backend}/{architecture}", 0.2), ("{kind}", 0.1), ("{backend}/{era}", 0.2))),
    Coefficient("gpu_kv",             "part of a card's bandwidth that reading the context reaches",                      "card",      "share of peak",      0.50, 0.5, False, (*_CONTEXT, ("{backend}/{era}/{flash}", 0.3))),
    Coefficient("gpu_matrix_us",      "fixed time of a matrix on a card",                                                 "card",      "us per matrix",      2.0,  0.5, False, (*_MICROS, *_BUILD, ("{chip}", 0.3))),
    Coefficient("gpu_moe_us",         "fixed time of choosing experts in a layer on a card",                              "card",      "us per MoE layer",   10.,  0.7, False, _ROUTING),
    Coefficient("gpu_recurrent_us",   "fixed time of a recurrent layer on a card",                                        "card",      "us per layer",       10.,  0.7, False, _MICROS),
    Coefficient("gpu_token_us",       "fixed time of a token on a card",                                                  "card",      "us per token",       300., 0.7, False, _MICROS + _BUILD),
    Coefficient("ram_stream",         "part of the memory's bandwidth that reading weights reaches",                      "processor", "share of peak",      0.75, 0.3, False, _CPU),
    Coefficient("core_gb_s",          "what one thread reads",                                                            "processor", "GB/s per thread",    28.,  0.3, False, (("{microarchitecture}", 0.16), ("{cpu}", 0.08), ("{segment}", 0.15))),
    Coefficient("cpu_unpack",         "weights unpacked for each byte that the vector units take in",                     "processor", "weights per byte",   0.15, 0.6, True,  (("{kind}", 0.5), ("{family} alone", 0.15), ("{simd}", 0.3), ("{simd}/{kind}", 0.3), ("{engine}/{kind}", 0.3), ("{microarchitecture}", 0.1), ("{cpu}", 0.08), ("{engine}/{era}", 0.1))),
    Coefficient("cpu_kv",             "part of the memory's bandwidth that reading the context reaches on the processor", "processor", "share of RAM peak",  0.40, 0.6, False, (("{engine}", 0.3), ("{engine}/{flash}", 0.5), ("{simd}", 0.3))),
    Coefficient("cpu_scores",         "products of queries and keys for each byte that the vector units take in",         "processor", "products per byte",  0.03, 0.8, False, (("{engine}", 0.3), ("{engine}/{flash}", 0.5), ("{simd}", 0.3))),
    Coefficient("cpu_score_ns",       "time of a score of the attention on the processor, beyond its products",           "processor", "ns per score",       20.,  0.8, False, (("{engine}", 0.3), ("{engine}/{flash}", 0.5), ("{simd}", 0.3))),
    Coefficient("thread_loss",        "what each further thread loses",                                                   "processor", "exponent",           0.05, 0.7, False, (("{sockets}", 0.3),)),
    Coefficient("numa_share",         "what a second socket's memory adds",                                               "processor", "of a 2nd socket",    0.30, 0.5, False, (("{engine}", 0.2),)),
    Coefficient("cpu_layer_us",       "fixed time of a layer on the processor",                                           "processor", "us per layer",       60.,  0.5, False, (("{microarchitecture}", 0.12), ("{engine}", 0.16), ("{known}", 0.12), ("{segment}", 0.3), ("{engine}/{era}", 0.2))),
    Coefficient("cpu_thread_us",      "fixed time of a layer for each thread that waits",                                 "processor", "us per layer, thread", 1.5, 0.8, False, (("{sockets}", 0.5), ("{engine}", 0.3))),
    Coefficient("crowding_cost",      "what threads beyond the physical cores cost",                                      "processor", "of the CPU's time",  0.40, 0.5, False, (("{engine}", 0.3),)),
    Coefficient("cpu_expert_share",   "part of a layer's waits where its experts alone are in RAM",                       "processor", "of a layer's waits", 0.40, 0.5, False, (("{engine}", 0.3),)),
    Coefficient("cpu_recurrent_us",   "fixed time of a recurrent layer on the processor",                                 "processor", "us per layer",       100., 0.8, False, (("{engine}", 0.3), ("{simd}", 0.3))),
    Coefficient("crossing_us",        "fixed time of a crossing between processor and card",                              "links",     "us per crossing",    40.,  0.5, False, (("{backend}", 0.2), ("{backend}/{architecture}", 0.15), ("{engine}", 0.15))),
    Coefficient("link_share",         "part of the link's rate that small copies reach",                                  "links",     "share of peak",      0.40, 0.4, False, (("{backend}", 0.3),)),
    Coefficient("disk_gain",          "reading from disk in use over single random reads",                                None,        "x random reads",     8.,   0.7, False, ()),
    Coefficient("fault_use",          "part of what a page fault reads that is of use",                                   None,        "of what faults read", 1.0, 0.05, False, ()),  # held: public runs cannot tell it from disk_gain, a probe of faults can
    Coefficient("page_locality",      "how much less often popular experts are missed in the page cache",                 None,        "ratio of odds",      5.,   0.5, False, ()),
    Coefficient("prefill_matmul",     "part of a card's matrix compute that a prompt reaches",                            "card",      "share of peak",      0.40, 0.4, True,  (*_PROMPT, *_FAMILY)),
    Coefficient("prefill_expert",     "the same for routed experts, of what dense weights reach",                         "card",      "share of matmul",    0.70, 0.4, True,  (("{backend}", 0.3), ("{backend}/{architecture}", 0.3), ("{kind}", 0.2), ("{backend}/{era}", 0.3))),
    Coefficient("prefill_half_rows",  "rows for each expert at which half of that is reached",                            "card",      "rows per expert",    16.,  0.7, False, (("{backend}", 0.4), ("{backend}/{architecture}", 0.3))),
    Coefficient("prefill_attention",  "part of a card's matrix compute that a prompt's attention reaches",                "card",      "share of peak",      0.25, 0.6, False, _CONTEXT),
    Coefficient("prefill_matrix_us",  "fixed time of a matrix in a micro-batch on a card",                                "card",      "us per matrix",      8.,   0.7, False, _MICROS),
    Coefficient("prefill_moe_us",     "fixed time of choosing experts in a layer of a micro-batch",                       "card",      "us per MoE layer",   60.,  0.7, False, _MICROS),
    Coefficient("prefill_recurrent_ns", "time of a token in a recurrent layer of a prompt on a card",                       "card",      "ns per token",     200., 0.8, False, (("{backend}", 0.5), ("{backend}/{architecture}", 0.4), ("{backend}/{era}", 0.4))),
    Coefficient("prefill_link",       "part of the link's rate that weights copied for a prompt reach",                   "links",     "share of peak",      0.45, 0.3, False, (("{backend}", 0.15), ("{engine}", 0.15), ("{chip}", 0.1), ("{known}", 0.1), ("{engine}/{era}", 0.25), ("{form}", 0.15), ("{segment}", 0.15))),
    Coefficient("prefill_staging",    "part of the memory's bandwidth that such copies reach",                            "links",     "share of RAM peak",  0.35, 0.4, False, (("{pages}", 0.4), ("{engine}", 0.15), ("{known}", 0.1))),
    Coefficient("prefill_cpu",        "products for each byte that the vector units take in, in prompts",                 "processor", "products per byte",  0.60, 0.6, True,  (("{kind}", 0.3), ("{family} alone", 0.15), ("{simd}", 0.4), ("{engine}/{kind}", 0.25), ("{microarchitecture}", 0.15), ("{cpu}", 0.1), ("{sockets}", 0.2), ("{known}", 0.15), ("{engine}/{era}", 0.25), ("{engine}/{simd}", 0.2), ("{segment}", 0.2))),
    Coefficient("prefill_cpu_expert", "the same for routed experts, of what dense weights reach",                         "processor", "share of matmul",    0.70, 0.4, True,  (("{kind}", 0.15), ("{engine}", 0.2), ("{simd}", 0.2))),
    Coefficient("prefill_cpu_recurrent_us", "time of a token in a recurrent layer of a prompt on the processor",                "processor", "us per token, layer", 150., 0.8, False, (("{engine}", 0.3), ("{stated}/{era}", 0.4))),
    Coefficient("prefill_cpu_scores", "products of queries and keys for each byte, in prompts on the processor",          "processor", "products per byte",  0.15, 0.5, False, (("{engine}", 0.3), ("{engine}/{flash}", 0.6), ("{simd}", 0.4))),  # ggml's flash attention on an AVX-512 Xeon (2026-11-30), heads of 64 to 256: 20 to 30 a ns at 166 bytes
    Coefficient("prefill_cpu_score_ns", "time of a score in prompts on the processor, beyond its products",                 "processor", "ns per score",     2.,   0.8, False, (("{engine}", 0.3), ("{engine}/{flash}", 0.6), ("{simd}", 0.3))),
    Coefficient("prefill_cpu_element_ns", "time of an element of a layer's width in prompts on the processor, beside products", "processor", "ns per element",   25.,  0.8, False, (("{engine}", 0.3), ("{simd}", 0.3))),  # norms, turns and gates of Gemma 3 on an AVX-512 Xeon (2026-11-30): 20 to 28
    Coefficient("gpu_level",          "how much longer the cards of one machine take than those of others, writing",      "card",      "of the GPUs' time",  1.00, 1e-6, False, ((RIG_LABEL, 0.10),)),
    Coefficient("cpu_level",          "the same of its processor and memory",                                             "processor", "of the CPU's time",  1.00, 1e-6, False, (("{known}", 0.4), (RIG_LABEL, 0.40))),
    Coefficient("link_level",         "the same of its links",                                                            "links",     "of the links' time", 1.00, 1e-6, False, ((RIG_LABEL, 0.25),)),
    Coefficient("prefill_gpu_level",  "the same of the cards, reading",                                                   "card",      "of the GPUs' time",  1.00, 1e-6, False, ((RIG_LABEL, 0.18),)),
    Coefficient("prefill_cpu_level",  "the same of processor and memory, reading",                                        "processor", "of the CPU's time",  1.00, 1e-6, False, (("{known}", 0.4), (RIG_LABEL, 0.35))),
    Coefficient("prefill_link_level", "the same of the links, reading",                                                   "links",     "of the links' time", 1.00, 1e-6, False, ((RIG_LABEL, 0.3),)),
    Coefficient("prefill_pipeline",   "how well prompts overlap on several cards: 0 not at all, 1 ideally",               None,        "exponent",           0.50, 0.5, False, (("{backend}", 0.4),)),
    # Of several rows at once, drafts and GPUs that share layers: fitted apart, see `BESIDE`.
    Coefficient("row_cost",           "time of multiplying the weights with a further token of a step",                   None,        "of peak compute's time", 6.0, 0.5, True, (("{backend}", 0.3), ("{backend}/{architecture}", 0.4), ("{kind}", 0.3), ("{backend}/{kind}", 0.1))),
    Coefficient("row_many",           "part of that which each costs where they are many",                                None,        "of a row's cost",    0.40, 0.5, False, (("{backend}", 0.3),)),
    Coefficient("row_expert",         "what several tokens cost that are routed to experts, sorting them",                None,        "of reading experts", 0.40, 0.5, False, (("{backend}", 0.3), ("{backend}/{architecture}", 0.3))),
    Coefficient("row_routed",         "the same as the first for the experts that a token is routed to",                  None,        "of a row's cost",    1.00, 0.5, False, (("{backend}", 0.3), ("{backend}/{architecture}", 0.3))),
    Coefficient("row_kv",             "what a further token costs, of reading the context",                               None,        "of reading, per row", 0.10, 0.7, False, (("{backend}", 0.5), ("{backend}/{architecture}", 0.7))),
    Coefficient("row_cpu",            "what a further token costs on the processor, of unpacking",                        None,        "of unpacking, per row", 0.60, 0.4, False, (("{engine}", 0.3), ("{simd}", 0.3))),
    Coefficient("user_us",            "time of choosing a token for each further user of a step",                        None,        "us per token",       1000., 0.7, False, (("{backend}", 0.3),)),
    Coefficient("draft_us",           "fixed time of a pass of the draft",                                                None,        "us per pass",        500., 0.7, False, (("{backend}", 0.4), ("{backend}/{architecture}", 0.3))),
    Coefficient("divided_loss",       "what is lost where cards share layers, of the time saved",                         None,        "of the time saved",  0.15, 0.6, False, (("{split}", 0.6), ("{backend}", 0.3))),
    Coefficient("reduce_us",          "fixed time of a sum over cards that share layers",                                 None,        "us per sum",         25.,  0.6, False, (("{split}", 0.5), ("{backend}", 0.4))),
)


BESIDE = frozenset({
    "row_cost", "row_many", "row_expert", "row_routed", "row_kv", "row_cpu", "user_us", "draft_us", "divided_loss",
    "reduce_us",
})
"""Coefficients that one user without a draft, on GPUs with layers of their own, has no use for: fitted on runs of several
users, drafts and split modes, with all others held (`calibration.fit.beside`).
"""


def _columns() -> dict[str, int | slice]:
    """Where each coefficient stands in a row of all: one place, or one for each quant family."""
    found: dict[str, int | slice] = {}
    at = 0
    for item in COEFFICIENTS:
        found[item.name] = slice(at, at + len(FAMILIES)) if item.per_family else at
        at += len(FAMILIES) if item.per_family else 1
    return found


COLUMNS: Mapping[str, int | slice] = _columns()


def by_name(rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Rows of all coefficients (the last axis) taken apart by name."""
    return {name: rows[..., place] for name, place in COLUMNS.items()}


def labels_of(coefficient: Coefficient, setting: Setting, family: str = "") -> tuple[str, ...]:
    """Labels of a coefficient in a setting; the base label "" comes first."""
    return _labels(coefficient, setting, (family,))[0]


def _labels(coefficient: Coefficient, setting: Setting, families: Sequence[str]) -> list[tuple[str, ...]]:
    """Labels for each quant family; those that name none are written once for all."""
    words = setting._asdict()
    same = {
        template: template.format_map(words)
        for template, _ in coefficient.pools if "{family}" not in template and "{kind}" not in template
    }
    found = []
    for family in families:
        said = words | {"family": family, "kind": KINDS.get(family, family)}
        found.append(("", *(same.get(template) or template.format_map(said) for template, _ in coefficient.pools)))
    return found


def own_label(family: str) -> str:
    """The label of what a single machine was found to add for a quant family; no shipped table has it."""
    return f"own/{family}"


@dataclass(frozen=True, eq=False)
class Efficiencies:
    """A fitted table, ready to be asked. Hashing and equality are by identity."""

    effects: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """log effect by (coefficient, label)."""
    informed: frozenset[tuple[str, str]] = frozenset()
    """Those that a run informed; all others stand at their prior."""
    measured: frozenset[str] = frozenset()
    """Coefficients that were measured on the very machine that is asked about: nothing of them is novel."""
    level_deviations: Mapping[str, float] = field(default_factory=dict)
    """Deviations of the log levels of a rig whose runs are known (`advisor.physics.rigs`)."""

    @classmethod
    def of(cls, rows: Iterable[Effect]) -> "Efficiencies":
        """From catalog rows."""
        kept = tuple(rows)
        effects = {(row.coefficient, row.label): row.log_value for row in kept}
        return cls(effects, frozenset((row.coefficient, row.label) for row in kept if row.informed))

    def values(self, setting: Setting) -> dict[str, NDArray[np.float64] | float]:
        """Every coefficient in a setting: a float, or one value per quant family (shape: families)."""
        return _values(self, setting)

    def row(self, setting: Setting) -> NDArray[np.float64]:
        """The same as one row, in the order of `COLUMNS`."""
        return _row(self, setting)

    def tables(
        self, graphics: Sequence[Setting], processors: Sequence[Setting], *, prompt: bool = True
    ) -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
        """Every coefficient (without `prompt` those of decode alone) for each pair of what graphics cards and what
        processors give to a setting, by name: a row of its table for each setting of `graphics`, a column for each of
        `processors`, and the table, which holds each distinct pair of words once. [rows, columns] or, by quant family,
        [rows, columns, families]
        """
        found = {}
        (some_graphics, graphics_at), (some_processors, processors_at) = _once(graphics), _once(processors)
        said, others = ([*zip(*some, strict=True)] for some in (some_graphics, some_processors))  # by word
        for index, item in enumerate(COEFFICIENTS):
            if prompt or not item.name.startswith("prefill_"):
                own_at, other_at = _PLACES[index]
                own = [*zip(*(said[at] for at in own_at), strict=True)] if own_at else [()] * len(some_graphics)
                their = [*zip(*(others[at] for at in other_at), strict=True)] if other_at else [()] * len(others[0])
                (rows_of, rows), (columns_of, columns) = _once(own), _once(their)
                table = _table(self, index, tuple(rows_of), tuple(columns_of))
                found[item.name] = rows[graphics_at], columns[processors_at], table
        return found

    def deviations(self, setting: Setting) -> NDArray[np.float64]:
        """Deviation of the logarithm of each coefficient over its labels that no run informed or that are not known of
        the machine, 0 for coefficients without such a label; one row, in the order of `COLUMNS`.
        """
        return _deviations(self, setting)


def _used(item: Coefficient) -> tuple[str, ...]:
    """The words that a coefficient depends on; `known` widens some."""
    templates = " ".join(template for template, _ in item.pools)
    return tuple(word for word in Setting._fields if word == "known" or f"{{{word}}}" in templates)


_USED = tuple(_used(item) for item in COEFFICIENTS)
_PICKED = tuple((index, attrgetter(*words)) for index, words in enumerate(_USED))
_BLANK = Setting(*[""] * len(Setting._fields))
"""Settings that differ in other words share a coefficient: it is worked out once for all of them."""


_PROCESSOR_WORDS = frozenset({"microarchitecture", "cpu", "simd", "sockets", "known", "segment"})
"""Words of a setting that the processor and its memory give; all others come from graphics cards and engine."""


_PLACES = tuple(
    tuple(
        tuple(Setting._fields.index(word) for word in words if (word in _PROCESSOR_WORDS) is of_processor)
        for of_processor in (False, True)
    )
    for words in _USED
)
"""Of each coefficient the words that cards and engine give, and those of the processor, by their place."""


@lru_cache(maxsize=256)
def _table(
    efficiencies: Efficiencies, index: int, rows: tuple[tuple[str, ...], ...], columns: tuple[tuple[str, ...], ...]
) -> NDArray[np.float64]:
    """A coefficient for each pair of words, kept for the next model that is asked of the same machines.

    Each effect is looked up once for the words of its own label, and added in the order of `_value_among`.
    """
    item, families = COEFFICIENTS[index], _families(COEFFICIENTS[index])
    names = [tuple(Setting._fields[place] for place in places) for places in _PLACES[index]]
    total = np.zeros((len(rows), len(columns), len(families)))
    for template in (*(template for template, _ in item.pools), own_label("{family}")):
        (own, own_at), (their, their_at) = (
            _once([tuple((word, said) for word, said in zip(words, given, strict=True) if f"{{{word}}}" in template)
                   for given in some])
            for words, some in zip(names, (rows, columns), strict=True)
        )
        named = [{"family": family, "kind": KINDS.get(family, family)} for family in families]
        alike = "{family}" not in template and "{kind}" not in template
        effects = [
            [
                efficiencies.effects.get((item.name, template.format_map({**dict(first), **dict(second), **more})), 0.0)
                for more in (named[:1] if alike else named)
            ]
            for first in own for second in their
        ]
        total += np.array(effects).reshape(len(own), len(their), -1)[np.ix_(own_at, their_at)]
    logs = efficiencies.effects.get((item.name, ""), math.log(item.start)) + total
    table = np.array([math.exp(log) for log in logs.ravel().tolist()]).reshape(logs.shape)  # numpy's differs in a bit
    return table if item.per_family else table[..., 0]


def _once(items: Sequence[T]) -> tuple[list[T], NDArray[np.intp]]:
    """The distinct ones of some items, and which of them each is."""
    places: dict[T, int] = {}
    at = np.array([places.setdefault(item, len(places)) for item in items], dtype=np.intp)
    return [*places], at


def _setting_of(index: int, words: str | tuple[str, ...]) -> Setting:
    given = (words,) if isinstance(words, str) else words
    return _BLANK._replace(**dict(zip(_USED[index], given, strict=True)))


@lru_cache(maxsize=MACHINES_KEPT)
def _values(efficiencies: Efficiencies, setting: Setting) -> dict[str, NDArray[np.float64] | float]:
    row = _row(efficiencies, setting)
    return {name: row[at] if isinstance(at, slice) else float(row[at]) for name, at in COLUMNS.items()}


@lru_cache(maxsize=4 * MACHINES_KEPT)
def _value_among(efficiencies: Efficiencies, index: int, words: str | tuple[str, ...]) -> NDArray[np.float64]:
    item, setting = COEFFICIENTS[index], _setting_of(index, words)
    effects, families = efficiencies.effects, _families(item)
    base = effects.get((item.name, ""), math.log(item.start))
    logs = [
        base + sum(effects.get((item.name, label), 0.0) for label in (*labels[1:], own_label(family)))
        for labels, family in zip(_labels(item, setting, families), families, strict=True)
    ]
    return np.array([math.exp(log) for log in logs])


def _families(item: Coefficient) -> tuple[str, ...]:
    return FAMILIES if item.per_family else ("",)


@lru_cache(maxsize=MACHINES_KEPT)
def _row(efficiencies: Efficiencies, setting: Setting) -> NDArray[np.float64]:
    return np.concatenate([_value_among(efficiencies, i, picked(setting)) for i, picked in _PICKED])


@lru_cache(maxsize=MACHINES_KEPT)
def _deviations(efficiencies: Efficiencies, setting: Setting) -> NDArray[np.float64]:
    return np.concatenate([_deviation_among(efficiencies, i, picked(setting)) for i, picked in _PICKED])


@lru_cache(maxsize=4 * MACHINES_KEPT)
def _deviation_among(efficiencies: Efficiencies, index: int, words: str | tuple[str, ...]) -> NDArray[np.float64]:
    item, setting = COEFFICIENTS[index], _setting_of(index, words)
    if item.name in efficiencies.measured:
        return np.zeros(len(_families(item)))
    labels = _labels(item, setting, _families(item))
    return np.array([_deviation(efficiencies, item, setting, each) for each in labels])


def _deviation(efficiencies: Efficiencies, item: Coefficient, setting: Setting, labels: Sequence[str]) -> float:
    pools = (("", item.deviation), *item.pools)
    variance = RAM_SPEED_DEVIATION**2 if item.name == "ram_stream" and "ram_speed" in setting.known else 0.0
    for (template, deviation), label in zip(pools, labels, strict=True):
        guessed = template in _CPU_LABELS and "cpu" in setting.known
        if template == RIG_LABEL and setting.rig == OWN_RIG and item.name in efficiencies.level_deviations:
            variance += efficiencies.level_deviations[item.name] ** 2
        elif guessed or (item.name, label) not in efficiencies.informed:
            variance += deviation**2
    return math.sqrt(variance)


# From a scenario and its placement to the labels that pick its coefficients.

_CACHES = (("q8", "q8"), ("q", "q4"), ("iq", "q4"))


def simd_of(machine: Machine) -> str:
    """Widest instruction set of the CPU that llama.cpp's kernels use."""
    names = ("amx", "avx512", "avx_vnni", "avx2", "i8mm", "arm", "unified")
    return next((name for name in names if name in machine.cpu.features), "none")


def setting_of(scenario: Scenario, machine: Machine, placement: Placement) -> Setting:
    """The labels of a scenario."""
    return setting_at(scenario, machine, placement.vram_bytes)


def setting_at(scenario: Scenario, machine: Machine, vram_bytes: Sequence[float]) -> Setting:
    """The labels of a scenario that takes so much of each GPU. Several kinds of GPU take the labels of the one that
    holds most.
    """
    engine = scenario.engine
    main = machine.gpus[max(range(len(machine.gpus)), key=vram_bytes.__getitem__)] if machine.gpus else None
    used = sum(need > 0 for need in vram_bytes)
    unknown = [code for code in ("cpu", "ram_speed") if code in machine.unknown]
    return Setting(
        backend=machine.backend,
        maker=main.maker if main else "none",
        architecture=main.architecture if main else "none",
        chip=main.name if main else "none",
        form=main.form if main else "none",
        engine=engine.name,
        era=era_of(engine.version, engine.released, engine.name),
        stated="unstated" if engine.released and not engine.version else "stated",
        flash="fa" if flash_of(scenario) else "nofa",
        cache=next((short for mark, short in _CACHES if engine.kv_types[0].startswith(mark)), "f16"),
        segment=machine.cpu.segment,
        pages="unmapped" if engine.mmap is False else "mapped",
        microarchitecture=machine.cpu.microarchitecture,
        cpu="none" if "cpu" in machine.unknown else machine.cpu.name,
        simd=simd_of(machine),
        sockets="sockets" if machine.cpu.sockets > 1 else "socket",
        role="beside" if used else "alone",
        known="unknown " + " ".join(unknown) if unknown else "known",
        rig=OWN_RIG if scenario.measured else "",
        layout="unified" if machine.unified else "several" if used > 1 else "one",
        split=engine.split_mode or "layer",
    )
