"""What one machine does with every language model of the catalog: whether it fits, and what it is fast enough for."""

from typing import Any

from advisor.answer import Prediction
from advisor.case import case_of
from advisor.knowledge import Knowledge
from advisor.prediction import answers
from advisor.report import number
from advisor.scenario import Hardware
from advisor.wish import READING_TOK_S
from catalog import tables
from webapp.build_rows import REGIMES
from webapp.explorer import question

Row = dict[str, Any]
AGENT_TOK_S, AGENT_PROMPT_TOK_S = 25.0, 270.0
"""An agent's step is bearable where it reads 8,192 tokens of files in 30 s (8192 / 30 = 273) and writes a change of 500
tokens in 20 s (500 / 20 = 25)."""
AGENT_HINT = "Writes 25 tok/s or more (500 tokens in 20 s) and reads 270 tok/s or more (8K tokens in 30 s)."
READING_HINT = "Writes 5 tok/s or more: as fast as people read."


def readiness(hardware: Hardware, context: int, knowledge: Knowledge) -> list[Row]:
    """One row per model, with its usual quantisation; the context is at most what the model was made for."""
    asked = [question(llm.name, None, hardware, min(context, llm.max_context)) for llm in tables.llms()]
    return [_row(answer) for answer in answers([case_of(scenario) for scenario in asked], knowledge)]


def _row(answer: Prediction) -> Row:
    decode, prefill, place = answer.decode_tok_s, answer.prefill_tok_s, answer.placement
    writes, reads = (decode.p50 if decode else 0.0), (prefill.p50 if prefill else 0.0)
    return {
        "Model": answer.model, "Quantisation": answer.quant, "Size GiB": place.weights_gb, "Fits": _fits(answer),
        "tok/s": writes if decode else None,
        "90 % range": f"{number(decode.p05)} to {number(decode.p95)}" if decode else "",
        "Prompt": reads if prefill else None,
        "For reading": _yes(writes >= READING_TOK_S),
        "For agents": _yes(writes >= AGENT_TOK_S and reads >= AGENT_PROMPT_TOK_S),
        "Where": REGIMES.get(answer.regime, answer.regime) if decode else "", "n_cpu_moe": place.n_cpu_moe,
    }  # fmt: skip


def _fits(answer: Prediction) -> str:
    if answer.decode_tok_s is None:
        return "no"
    return "partly, from disk" if answer.placement.storage_gb > 0 else "yes"


def _yes(holds: bool) -> str:
    return "yes" if holds else ""
