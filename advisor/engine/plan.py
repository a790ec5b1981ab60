"""The plan for a model on a machine: of the settings that fit, those that the prediction says write fastest.

Pure: what the machine is, what is free on it and what llama.cpp says of its buffers come as arguments.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from advisor.answer import REGIMES, Prediction
from advisor.documents import seconds
from advisor.engine.layout import CPU, Layout, Sizes
from advisor.engine.settings import GGML_TYPES, EngineSettings, LoadMode, Override
from advisor.errors import InputError
from advisor.gguf.model_file import ModelFile
from advisor.machines.machine import Machine
from advisor.physics.knowledge import Knowledge
from advisor.physics.placement import Placement, place_each
from advisor.prediction.case import Case, asked_of, cases_of
from advisor.prediction.prediction import answers
from advisor.question import KV_SPELLINGS, Scenario
from advisor.sizes.tensor import DENSE_FEED_FORWARD, EXPERTS, pattern_of

UBATCHES = (512, 1024, 2048)
"""Micro-batches considered: llama.cpp's default and larger ones, which read prompts faster where experts are in RAM."""
LARGEST_BATCH = 2048
"""llama.cpp's default `n_batch`. Source: common/common.h common_params (read 2026-11-25)."""
KV_TYPES = ("f16", "q8_0")
KV_GAIN = 1.10
"""A narrower cache loses a little quality: it is taken where it writes this much faster, or alone fits."""
EVERY_LAYER = 10_000
"""More layers than any model has: the number is clamped to the model."""
NEARLY_ALL = 0.99
"""Threads beyond the fewest that reach this share of the best speed only draw power: the memory is the limit."""
FASTER_WRITING = 1.02
"""Another way that writes this much faster than the one with the shortest request is told of."""
FASTER_READING = 1.02
"""A larger micro-batch must read this much faster to be worth its memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One way to run it, with what it is predicted to do."""

    case: Case
    prediction: Prediction

    @property
    def decode(self) -> float:
        """Predicted tok/s when writing; 0 where it cannot run."""
        return self.prediction.decode_tok_s.p50 if self.prediction.decode_tok_s else 0.0

    @property
    def request_s(self) -> float:
        """Predicted seconds to read the prompt and write the answer; infinite where it cannot run."""
        load = self.case.scenario.workload
        if not self.decode:
            return math.inf
        return load.gen_tokens / self.decode + (load.prompt_tokens / self.prefill if self.prefill else 0.0)

    @property
    def prefill(self) -> float:
        """Predicted tok/s when reading."""
        return self.prediction.prefill_tok_s.p50 if self.prediction.prefill_tok_s else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Settings, where they put everything, and what they are predicted to do."""

    candidate: Candidate
    settings: EngineSettings
    layout: Layout
    free_bytes: Mapping[str, float]
    speeds_known: bool
    """False where a device is used whose speed the catalog does not know, such as a remote one."""
    reasons: tuple[str, ...]
    """Why these settings, as sentences."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What is given: the machine, what is known of speeds, the model's file where there is one, the cores to use."""

    machine: Machine
    knowledge: Knowledge
    file: ModelFile | None
    cores: int
    speeds_known: bool = False
    """Whether what a device reaches is known, so that it can be compared with doing without."""

    def candidates(self, scenarios: Sequence[Scenario]) -> list[Candidate]:
        """What these scenarios would do here."""
        cases = cases_of([asked_of(scenario, self.file, self.machine) for scenario in scenarios])
        told = answers(cases, self.knowledge, pitfalls=False)
        return [Candidate(*pair) for pair in zip(cases, told, strict=True)]

    def of(self, case: Case) -> Candidate:
        """A case with what it is predicted to do."""
        return Candidate(case, answers([case], self.knowledge, pitfalls=False)[0])

    def warned(self, best: Candidate) -> Candidate:
        """A candidate with what the mistakes of its question cost, where speeds are known."""
        if not self.speeds_known:
            return best
        return replace(best, prediction=answers([best.case], self.knowledge)[0])


def choose(asked: Scenario, given: Given, *, as_asked: bool = False) -> tuple[Candidate, tuple[str, ...]]:
    """The best candidate and why, `asked` leaving open what may be chosen. One that does not fit only if none does.

    `as_asked`: with the cache and the micro-batch that are asked for wherever that fits, for what others would gain is
    not known; experts of the last layers in RAM are no slower than those of the first on any device. A remote device of
    unknown speed was planned with a q8_0 cache that made requests 1.8 times as long
    (`tests/benchmarks/placement_cells.py`, 2026-11-30).
    """
    if as_asked:
        [usual] = given.candidates([asked])
        if usual.case.runs:
            last = given.candidates([*_last_experts(asked, usual.case)])
            return (last or [usual])[0], ()
    found = listed(asked, given)
    best = _best(found)
    if asked.engine.threads is None:
        best = _fewest_threads(best, given)
    return best, reasons_for(asked, found, best, given.cores)


def listed(asked: Scenario, given: Given) -> list[Candidate]:
    """All ways that are chosen among."""
    return given.candidates([placed for item in _variants(asked) for placed in _placements(item, given)])


def reasons_for(asked: Scenario, found: Sequence[Candidate], best: Candidate, cores: int) -> tuple[str, ...]:
    """Why the best is taken of those found."""
    told = (*_about_cache(asked, best), *_about_writing(found, best), *_about_batches(found, best))
    return (*told, *(_about_threads(best, cores) if asked.engine.threads is None else ()))


def _variants(asked: Scenario) -> Iterator[Scenario]:
    """The same question with each cache type and micro-batch that may be chosen; what is asked for is left alone."""
    engine = asked.engine
    kv_types = KV_TYPES if engine.kv_type == KV_TYPES[0] else (engine.kv_type,)
    ubatches = UBATCHES if engine.ubatch == UBATCHES[0] else (engine.ubatch,)
    for kv_type in kv_types:
        for ubatch in ubatches:
            yield with_engine(asked, kv_type=kv_type, ubatch=ubatch)


def _placements(asked: Scenario, given: Given) -> Iterator[Scenario]:
    """As much on the devices as fits, and where they might be the slower side, all experts or all layers in RAM."""
    yield asked
    machine, engine = given.machine, asked.engine
    free = engine.experts_in_ram is None and engine.n_cpu_ffn is None
    if not (free and machine.gpus and not machine.unified):
        return
    first = given.candidates([asked])[0].case
    yield from _last_experts(asked, first)
    if not given.speeds_known or engine.n_gpu_layers is not None:
        return
    if first.demand.footprint.n_experts:
        yield with_engine(asked, n_cpu_moe=EVERY_LAYER)
    elif first.placement.strategy == "layer_split":
        number = _fewest_feed_forward(asked, given, first.llm.n_layers)
        if number:
            yield with_engine(asked, n_cpu_ffn=number)
    yield with_engine(asked, n_gpu_layers=0)


def _last_experts(asked: Scenario, first: Case) -> Iterator[Scenario]:
    """The same with experts of the last layers in RAM in place of those of the first, where they are the planner's
    choice: as few layers as fit. Of a prompt the last layer's experts are computed for one token alone, so that one
    layer less is read on the CPU or copied over the link.
    """
    lies, engine = first.placement, asked.engine
    if lies.strategy != "expert_offload" or not lies.fits or engine.experts_in_ram is not None:
        return
    numbers = range(1, first.demand.footprint.n_layers + 1)
    limits = [(lies.n_gpu_layers, number, engine.mmap) for number in numbers]
    each = place_each([first.demand] * len(limits), [first.machine] * len(limits), limits, [True] * len(limits))
    fewest = next((number for number, other in zip(numbers, each, strict=True) if other.fits), None)
    if fewest and each[fewest - 1].n_gpu_layers == lies.n_gpu_layers:
        yield with_engine(asked, n_cpu_moe_last=fewest)


def _fewest_feed_forward(asked: Scenario, given: Given, n_layers: int) -> int | None:
    """Fewest layers whose feed-forward matrices must be in RAM for the rest to fit on the devices; None if none do."""
    low, high = 0, n_layers + 1
    while high - low > 1:
        step = max(1, (high - low) // 6)
        numbers = [*range(low + step, min(high, n_layers + 1), step)]
        if not numbers:
            break
        tried = given.candidates([with_engine(asked, n_cpu_ffn=number) for number in numbers])
        fits = [number for number, item in zip(numbers, tried, strict=True) if item.case.placement.fits]
        low = max([low, *(number for number in numbers if number not in fits)])
        high = min([high, *fits])
    return high if high <= n_layers else None


def with_engine(asked: Scenario, **fields: object) -> Scenario:
    """The same question with other engine settings."""
    return asked.model_copy(update={"engine": asked.engine.model_copy(update=fields)})


def _best(candidates: Sequence[Candidate]) -> Candidate:
    """The shortest request, prompt and answer together; the first cache type unless another gains enough. Of requests
    alike the first listed, which has the smallest batch.
    """
    fitting = [item for item in candidates if item.case.runs] or list(candidates)
    usual_type = candidates[0].case.scenario.engine.kv_type
    usual = [item for item in fitting if item.case.scenario.engine.kv_type == usual_type]
    if usual and min(item.request_s for item in usual) < min(item.request_s for item in fitting) * KV_GAIN:
        fitting = usual
    return min(fitting, key=lambda item: item.request_s)


def _fewest_threads(best: Candidate, given: Given) -> Candidate:
    """The same with as few threads as write nearly as fast as any number of them."""
    tried = given.candidates([with_engine(best.case.scenario, threads=n) for n in range(1, given.cores + 1)])
    top = max(item.decode for item in tried)
    return next(item for item in tried if item.decode >= top * NEARLY_ALL)


def _about_cache(asked: Scenario, best: Candidate) -> Iterator[str]:
    kv_type = best.case.scenario.engine.kv_type
    if kv_type != asked.engine.kv_type:
        yield f"a {kv_type} context instead of {asked.engine.kv_type}: it leaves room for more of the model"


def _about_writing(candidates: Sequence[Candidate], best: Candidate) -> Iterator[str]:
    """The way that writes fastest, where another makes the request shorter."""
    kv_type = best.case.scenario.engine.kv_type
    alike = [item for item in candidates if item.case.runs and item.case.scenario.engine.kv_type == kv_type]
    writer = max(alike, key=lambda item: item.decode, default=best)
    if writer.decode > best.decode * FASTER_WRITING:
        load, how = best.case.scenario.workload, REGIMES[writer.case.regime].words
        yield (
            f"{how}, -ub {writer.case.scenario.engine.ubatch}, would write at {writer.decode:,.1f} instead of "
            f"{best.decode:,.1f} tok/s, but a prompt of {load.prompt_tokens:,} and an answer of {load.gen_tokens:,} "
            f"tokens would take {seconds(writer.request_s)} instead of {seconds(best.request_s)}"
        )


def _about_batches(candidates: Sequence[Candidate], best: Candidate) -> Iterator[str]:
    chosen = best.case.scenario.engine
    for item in candidates:
        engine = item.case.scenario.engine
        other = engine.kv_type == chosen.kv_type and engine.ubatch != chosen.ubatch
        if other and item.case.runs and item.prefill > best.prefill * FASTER_READING:
            reading = f"read prompts at {item.prefill:,.0f} instead of {best.prefill:,.0f} tok/s"
            yield f"-ub {engine.ubatch} would {reading} and write at {item.decode:,.1f} instead of {best.decode:,.1f}"


def _about_threads(best: Candidate, cores: int) -> Iterator[str]:
    threads = best.case.scenario.engine.threads or cores
    if threads < cores:
        yield f"{threads} of {cores} cores write as fast as all: memory is the limit; prompts are read with all {cores}"


def settings_for(
    case: Case, sizes: Sizes, n_devices: int, cores: int, free_ram_bytes: float, rpc: tuple[str, ...] = (),
    part: str = "",
) -> tuple[EngineSettings, tuple[str, ...]]:
    """The engine's settings for a case on so many devices, and why its file is loaded in this way. `part` is what stays
    in RAM of the first of the last layers whose experts do, as a pattern; empty: all of its experts.

    llama.cpp counts stored layers that predict further tokens, the last ones, among those on devices.
    """
    engine, place = case.scenario.engine, case.placement
    k_type, v_type = (_cache_type(name) for name in engine.kv_types)
    mode, reason = _load_mode(case, free_ram_bytes)
    unused = sizes.counted_layers - sizes.llm.n_layers if place.n_gpu_layers else 0
    values = {
        "n_ctx": case.context_tokens, "n_batch": max(LARGEST_BATCH, engine.ubatch),
        "n_ubatch": engine.ubatch, "threads": engine.threads or cores, "threads_batch": max(cores, engine.threads or 1),
        "n_gpu_layers": place.n_gpu_layers + unused,
        "n_cpu_moe": 0 if engine.n_cpu_ffn or engine.n_cpu_moe_last else place.n_cpu_moe,
        "overrides": _overrides(case, part), "split_mode": (engine.split_mode or "layer") if n_devices > 1 else "layer",
        "tensor_split": _split(place, n_devices, unused), "rpc": rpc, "kv_type_k": k_type, "kv_type_v": v_type,
        "flash_attn": engine.flash_attn, "load_mode": mode, "extra_buffers": place.storage_bytes <= 0,
    }
    return EngineSettings.model_validate(values), (reason,) if reason else ()


def feed_forward_overrides(layers: int) -> tuple[Override, ...]:
    """What keeps the feed-forward matrices of the first layers in RAM."""
    return (Override(pattern=pattern_of(range(layers), DENSE_FEED_FORWARD)),) if layers else ()


def _overrides(case: Case, part: str) -> tuple[Override, ...]:
    """What is kept in RAM by name."""
    engine, place = case.scenario.engine, case.placement
    if engine.n_cpu_ffn:
        return feed_forward_overrides(place.n_cpu_moe)
    if not engine.n_cpu_moe_last or not place.n_gpu_layers:
        return ()
    first, end = place.experts_to, place.bounds[-1]
    split = (Override(pattern=pattern_of([first], part)),) if part else ()
    whole = range(first + bool(part), end)
    return (*split, *((Override(pattern=pattern_of(whole, EXPERTS)),) if whole else ()))


def _cache_type(name: str) -> str:
    """A cache type as llama.cpp spells it. Raises `InputError` for those of other engines."""
    spelt = KV_SPELLINGS.get(name, name)
    if spelt not in GGML_TYPES:
        raise InputError(f"llama.cpp has no {spelt} cache; it has {', '.join(GGML_TYPES)}")
    return spelt


def _split(place: Placement, n_devices: int, unused: int) -> tuple[float, ...]:
    """Layers of each device, so that llama.cpp splits as the placement does; empty for a single device."""
    if n_devices < 2:
        return ()
    layers = [*place.layer_device.tolist(), *[place.output_device] * (1 + unused)]
    return tuple(float(layers.count(index)) for index in range(n_devices))


def _load_mode(case: Case, free_ram_bytes: float) -> tuple[LoadMode, str]:
    """How weights get into RAM. Source: llama.cpp's own advice in llama-model-loader.cpp for experts kept in RAM."""
    if case.scenario.engine.mmap is not None:
        return ("mmap" if case.scenario.engine.mmap else "none"), ""
    place = case.placement
    if place.storage_bytes > 0:
        kept = "" if case.cycled_bytes else ", what is read often stays in it"
        return "mmap", f"the file is mapped and not repacked: RAM does not hold all of it{kept}"
    if place.n_gpu_layers and place.experts_on_cpu.any() and place.ram_bytes < free_ram_bytes:
        return "none", "the file is not mapped: experts in RAM are read faster from memory of their own"
    return "mmap", ""


def used_devices(plan: Plan) -> Iterator[tuple[str, float, float | None]]:
    """Devices that hold something, what they hold and what is free, bytes; the CPU last."""
    names = sorted(plan.layout.shares, key=lambda name: name == CPU)
    for name in names:
        yield name, plan.layout.shares[name].total, plan.free_bytes.get(name)
