"""What one model does on one machine, by quantisation, context, RAM speed, PCIe link and experts in RAM, and what every
model does on it. All pure.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from advisor.buying.wish import ANSWER_TOKENS, PROMPT_TOKENS
from advisor.choosing.runnable import Runnable
from advisor.choosing.tasks import TASKS, TaskName
from advisor.documents import number
from advisor.machines.machine import pcie_gb_s
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict_many
from advisor.prediction.quant_matrix import quant_matrix
from advisor.question import Engine, GpuRequest, Hardware, Scenario, Workload
from advisor.sizes.quality import default_quant
from catalog.llms import Llm, ModelFacts, ModelQuality
from catalog.units import GB, GIB
from webapp.build_rows import PLACES
from webapp.words import pace, span, thousands

Row = dict[str, Any]
Speed = Literal["decode", "prefill"]
CONTEXTS = (1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
RAM_MT_S = {
    "DDR3": (1066, 1333, 1600, 1866), "DDR4": (2133, 2400, 2666, 3000, 3200, 3600, 4000),
    "DDR5": (4800, 5200, 5600, 6000, 6400, 7200, 8000),
}
"""Data rates that kits of each type are sold with; they lie within those of `catalog.names.ram.RATES_MT_S`."""
LINKS = tuple((generation, lanes) for generation in (3, 4, 5) for lanes in (1, 4, 8, 16))
OVERFULL = "VRAM overfull"
"""Line of the settings that need somewhat more VRAM than there is."""
USUAL = ("MXFP4", "UD-Q4_K_XL", "Q4_K_M")
"""Quantisations that most people take, the best of a size first; llama.cpp's own and Unsloth's dynamic ones."""


def question(model: str, quant: str | None, hardware: Hardware, context: int) -> Scenario:
    """One nearly full context on one machine."""
    room = max(context, PROMPT_TOKENS + ANSWER_TOKENS)
    load = Workload(
        context_depth=room - PROMPT_TOKENS - ANSWER_TOKENS, prompt_tokens=PROMPT_TOKENS, gen_tokens=ANSWER_TOKENS
    )
    return Scenario(model=model, quant=quant or None, hardware=hardware, engine=Engine(n_ctx=room), workload=load)


def matrix(scenario: Scenario, knowledge: Knowledge) -> list[Row]:
    """One row per quantisation: size, least memories, speeds and quality lost."""
    llm = case_of(scenario).llm
    native = default_quant(llm) if llm.native_expert_type else None
    rows = []
    for row in quant_matrix(scenario, knowledge):
        answer, lost = row.answer, row.loss
        decode, prefill = answer.decode_tok_s, answer.prefill_tok_s
        rows.append({
            "Quantisation": row.quant.name, "Bits per weight": row.quant.bits_per_weight,
            "Size GiB": row.file_bytes / GIB, "Size GB": row.file_bytes / GB,
            "VRAM floor GiB": row.room.vram_floor_gib, "VRAM for all GiB": row.room.vram_for_everything_gib,
            "RAM floor GiB": row.room.ram_floor_gib, "tok/s": decode.p50 if decode else None,
            "low": decode.p05 if decode else None, "high": decode.p95 if decode else None,
            "Prompt": prefill.p50 if prefill else None, "n_cpu_moe": answer.placement.n_cpu_moe,
            "KL divergence": lost.kld if lost else None,
            "Perplexity": lost.perplexity_share * 100 if lost and lost.perplexity_share is not None else None,
            "from disk": answer.placement.storage_gb > 0, "native": row.quant.name == native,
            "own": row.measured_on == answer.model, "Measured on": row.measured_on,
            "Source": lost.source if lost else "",
        })
    return rows


def three(rows: Sequence[Row]) -> dict[str, Row]:
    """The quantisation to take, and the next smaller and larger ones that run, in memory where any does: of those
    measured on this model, where the usual one is among them. The maker's own 4-bit type is taken before all others.
    """
    runs = [row for row in rows if row["tok/s"]]
    runs = [row for row in runs if not row["from disk"]] or runs
    known = [row for row in runs if row["own"]]
    able = known if any(row["Quantisation"] in USUAL for row in known) else runs
    usual = sorted((row for row in able if row["Quantisation"] in USUAL), key=lambda row: not row["native"])
    take = next(iter((*usual, *able)), None)
    if take is None:
        return {}
    at = able.index(take)
    smaller = next((row for row in able[at + 1 :] if row["Size GiB"] < take["Size GiB"] * 0.93), None)
    larger = next((row for row in reversed(able[:at]) if row["Size GiB"] > take["Size GiB"] * 1.07), None)
    named = {"Take": take, "Smaller": smaller, "Larger": larger}
    return {label: row for label, row in named.items() if row is not None}


def sweep(pairs: Iterable[tuple[float, str, Scenario]], speed: Speed, knowledge: Knowledge) -> list[Row]:
    """Rows of a chart: x, line and speed with its range; what cannot run is left out."""
    known = list(pairs)
    rows = []
    answers = predict_many([asked for *_, asked in known], knowledge, pitfalls=False)
    for (x, line, _), answer in zip(known, answers, strict=True):
        of = answer.decode_tok_s if speed == "decode" else answer.prefill_tok_s
        if of:
            rows.append({
                "x": x, "line": line if answer.fits else OVERFULL, "speed": of.p50, "low": of.p05, "high": of.p95,
                "n_cpu_moe": answer.placement.n_cpu_moe,
            })
    return rows


def contexts(asked: Scenario) -> list[tuple[float, str, Scenario]]:
    """The question at each context that the model was made for, each nearly full."""
    longest = case_of(asked).llm.max_context
    return [
        (float(count), "as planned", question(str(asked.model), asked.quant, asked.hardware, count))
        for count in CONTEXTS if count <= longest
    ]


def ram_speeds(asked: Scenario) -> list[tuple[float, str, Scenario]]:
    """The question at each data rate that memory of its type is sold with, in one and in two channels."""
    machine = case_of(asked).machine
    if machine.unified:
        return []
    rows = []
    for channels in (1, 2):
        for rate in RAM_MT_S.get(machine.ram.type, ()):
            ram = {"type": machine.ram.type, "mt_s": rate, "channels": channels}
            hardware = asked.hardware.model_copy(update={"ram": asked.hardware.ram.model_copy(update=ram)})
            line = f"{channels} channel{'s' * (channels > 1)}"
            rows.append((float(rate), line, asked.model_copy(update={"hardware": hardware})))
    return rows


def links(asked: Scenario) -> list[tuple[float, str, Scenario]]:
    """The question at each usual PCIe link of the cards, x in GB/s."""
    if not asked.hardware.gpus:
        return []
    rows: dict[float, tuple[float, str, Scenario]] = {}
    for generation, lanes in LINKS:
        link = {"pcie_gen": generation, "pcie_lanes": lanes}
        gpus = tuple(GpuRequest.model_validate(gpu.model_dump() | link) for gpu in asked.hardware.gpus)
        hardware = asked.hardware.model_copy(update={"gpus": gpus})
        gb_s = pcie_gb_s(generation, lanes)
        rows[round(gb_s, 1)] = (gb_s, "as planned", asked.model_copy(update={"hardware": hardware}))
    return sorted(rows.values(), key=lambda row: row[0])


def offloads(asked: Scenario) -> tuple[str, list[tuple[float, str, Scenario]]]:
    """The question with more and more left to RAM: the experts of n layers, or without experts, n whole layers."""
    case = case_of(asked)
    layers = case.demand.footprint.n_layers
    if not asked.hardware.gpus:
        return "", []
    moe = case.llm.n_experts > 0
    name = "n_cpu_moe" if moe else "n_gpu_layers"
    settings: Sequence[dict[str, int]] = [
        {"n_gpu_layers": layers + 1, "n_cpu_moe": n} if moe else {"n_gpu_layers": n}
        for n in range(layers + 1 + (not moe))
    ]
    return name, [
        (float(setting[name]), "as set", asked.model_copy(update={"engine": asked.engine.model_copy(update=setting)}))
        for setting in settings
    ]


def grade(row: Runnable, task: TaskName) -> str:
    """How well a machine serves a task with a model, in words."""
    speed, needs = row.answer.decode_tok_s, TASKS[task]
    if speed is None or not row.serves:
        return "slow"
    return "comfortable" if speed.p50 >= needs.pleasant_tok_s else "good"


def quality_words(row: Runnable) -> str:
    """A model's quality at the task, compressed as it is, with its range; estimates carry a mark."""
    if row.choice is None:
        return "not known"
    estimated = "" if row.choice.known and row.choice.known.how == "measured" else "~"
    return f"{estimated}{row.quality:.0f} ({row.choice.low:.0f}-{row.choice.high:.0f})"


def best_of(found: Sequence[Runnable], task: TaskName, words: str, units: str) -> Row:
    """One line: the best model for a task on a machine."""
    titles = ("To", "Take", "Writes", "Grade", "Quality", "Room for context", "Where")
    if not found or not found[0].answer.decode_tok_s:
        return dict.fromkeys(titles, "") | {"To": words, "Take": "nothing that fits"}
    best = found[0]
    speed = best.answer.decode_tok_s
    said = f"{pace(speed.p50, units)} ({span(speed.p05, speed.p95, units)})" if speed else ""
    longest = f"{best.longest_context:,}" if best.longest_context else ""
    values = (words, f"{best.llm.name} {best.answer.quant}", said, grade(best, task), quality_words(best), longest,
              PLACES.get(best.case.regime, best.case.regime))
    return dict(zip(titles, values, strict=True))


def shown(row: Runnable, task: TaskName) -> Row:
    """A model on a machine; numbers stay numbers so that they can be sorted."""
    decode, prefill, place = row.answer.decode_tok_s, row.answer.prefill_tok_s, row.answer.placement
    return {
        "Model": row.llm.name, "Grade": grade(row, task), "Compression": row.answer.quant,
        "Quality": row.quality if row.choice else None,
        "tok/s": decode.p50 if decode else None,
        "90 % range": f"{number(decode.p05)} to {number(decode.p95)}" if decode else "",
        "Prompt": prefill.p50 if prefill else None, "Size GiB": place.weights_gb,
        "Room for context": f"{row.longest_context:,}" if row.longest_context else "",
        "Where": PLACES.get(row.answer.regime, row.answer.regime),
    }


def model_row(llm: Llm, facts: ModelFacts | None, quality: ModelQuality | None) -> Row:
    """A model without a machine; what no source says is empty."""
    return {
        "Model": llm.name, "Quality": quality.quality if quality else None,
        "Quality's range": f"{quality.low:.0f} to {quality.high:.0f}" if quality else "",
        "Parameters": _billions(facts.parameters_b) if facts else "",
        "Active": _billions(facts.active_b) if facts else "",
        "Longest context": thousands(llm.max_context), "Takes in": _takes(facts) if facts else "",
        "Licence": facts.licence if facts else "", "Released": facts.released if facts else "",
        "Maker": facts.maker if facts else "", "Usual compression": default_quant(llm),
    }


def _billions(count: float) -> str:
    return f"{count:,.0f} B" if count >= 100 else f"{count:.3g} B"


def _takes(facts: ModelFacts) -> str:
    """What a model takes in beside text."""
    return ", ".join(kind for kind in facts.modalities if kind != "text") or "text"


def model_figures(
    llm: Llm, facts: ModelFacts | None, quality: ModelQuality | None
) -> tuple[tuple[str, str, str], ...]:
    """The same as labels, values and remarks."""
    told = [("Longest context", f"{llm.max_context // 1024}K", "tokens")]
    if quality:
        how = {"measured": "measured", "other_benchmarks": "from other benchmarks", "size_and_age": "from size and age"}
        remark = f"index, {quality.low:.0f} to {quality.high:.0f}, {how[quality.how]}"
        told.insert(0, ("Quality at the task", f"{quality.quality:.0f}", remark))
    if facts:
        thinks = {"no": "answers at once", "both": "thinks if you like", "always": "thinks before it answers"}
        told += [
            ("Parameters", _billions(facts.parameters_b), f"{_billions(facts.active_b)} of them active"),
            ("Released", facts.released or "-", facts.maker),
            ("Licence", facts.licence or "-", facts.conditions),
            ("Takes in", "text", f"and {_takes(facts)}" if _takes(facts) != "text" else "alone"),
            ("Answers", "text", thinks.get(facts.reasoning, "")),
        ]
    return tuple(told)
