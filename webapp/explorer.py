"""What one model does on one machine, by quantisation, context, RAM speed, PCIe link and experts in RAM, and what every
model does on it. All pure.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from advisor.buying.wish import ANSWER_TOKENS, PROMPT_TOKENS, READING_TOK_S
from advisor.documents import number
from advisor.machines.machine import pcie_gb_s
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict_many
from advisor.prediction.quant_matrix import quant_matrix
from advisor.question import Engine, GpuRequest, Hardware, Scenario, Workload
from catalog import tables
from catalog.units import GB, GIB
from webapp.build_rows import PLACES

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
AGENT_TOK_S, AGENT_PROMPT_TOK_S = 25.0, 270.0
"""An agent's step is bearable where it reads 8,192 tokens of files in 30 s (8192 / 30 = 273) and writes a change of 500
tokens in 20 s (500 / 20 = 25)."""
AGENT_HINT = "Writes 25 tok/s or more (500 tokens in 20 s) and reads 270 tok/s or more (8K tokens in 30 s)."
READING_HINT = "Writes 5 tok/s or more: as fast as people read."


def question(model: str, quant: str | None, hardware: Hardware, context: int) -> Scenario:
    """One nearly full context on one machine."""
    room = max(context, PROMPT_TOKENS + ANSWER_TOKENS)
    load = Workload(
        context_depth=room - PROMPT_TOKENS - ANSWER_TOKENS, prompt_tokens=PROMPT_TOKENS, gen_tokens=ANSWER_TOKENS
    )
    return Scenario(model=model, quant=quant or None, hardware=hardware, engine=Engine(n_ctx=room), workload=load)


def matrix(scenario: Scenario, knowledge: Knowledge) -> list[Row]:
    """One row per quantisation: size, least memories, speeds and quality lost."""
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
            "Measured on": row.measured_on, "Source": lost.source if lost else "",
        })
    return rows


def sweep(pairs: Iterable[tuple[float, str, Scenario]], speed: Speed, knowledge: Knowledge) -> list[Row]:
    """Rows of a chart: x, line and speed with its range; what cannot run is left out."""
    known = list(pairs)
    rows = []
    for (x, line, _), answer in zip(known, predict_many([asked for *_, asked in known], knowledge), strict=True):
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


def readiness(hardware: Hardware, context: int, knowledge: Knowledge) -> list[Row]:
    """One row per model, with its usual quantisation; the context is at most what the model was made for."""
    asked = [question(llm.name, None, hardware, min(context, llm.max_context)) for llm in tables.llms()]
    rows = []
    for answer in predict_many(asked, knowledge):
        decode, prefill, place = answer.decode_tok_s, answer.prefill_tok_s, answer.placement
        writes, reads = (decode.p50 if decode else 0.0), (prefill.p50 if prefill else 0.0)
        agents = writes >= AGENT_TOK_S and reads >= AGENT_PROMPT_TOK_S
        rows.append({
            "Model": answer.model, "Quantisation": answer.quant, "Size GiB": place.weights_gb,
            "Fits": "no" if decode is None else "partly, from disk" if place.storage_gb > 0 else "yes",
            "tok/s": writes if decode else None,
            "90 % range": f"{number(decode.p05)} to {number(decode.p95)}" if decode else "",
            "Prompt": reads if prefill else None, "For reading": "yes" if writes >= READING_TOK_S else "",
            "For agents": "yes" if agents else "",
            "Where": PLACES.get(answer.regime, answer.regime) if decode else "", "n_cpu_moe": place.n_cpu_moe,
        })
    return rows
