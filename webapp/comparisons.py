"""What the evidence page asks of the calibration room: every measured run predicted without its machine, and claims.

Apart from the others because scipy is imported on the way, which the first page does not wait for.
"""

from typing import Any

from advisor.knowledge import Knowledge
from calibration.accuracy import Accuracy, accuracy
from calibration.accuracy_page import machine_words
from calibration.claims import judged, section
from catalog import tables
from webapp.build_rows import address
from webapp.evidence_rows import Measured

WHAT = {
    "weights_gb": "size of the model", "vram_floor_gb": "least VRAM", "ram_floor_gb": "least RAM",
    "decode_tok_s": "writes", "prefill_tok_s": "reads", "max_context_tokens": "longest context",
    "price_used": "price, used", "price": "price, new", "slowdown_fraction": "slower by", "load_time_s": "loads in",
    "decode_tok_s_first": "writes at first", "decode_tok_s_steady": "writes in the end",
    "speedup_fraction": "faster by", "throughput_factor": "serves more by",
}  # fmt: skip
"""The metrics of the claims table in words."""


def measured(found: Accuracy | None = None) -> tuple[Measured, ...]:
    """Every comparison, lightly. Takes some seconds where `found` is not given."""
    return tuple(
        Measured(
            kind=row.kind, regime=row.run.regime, backend=row.case.setting.backend,
            machine=machine_words(row.machine).removeprefix("none, "), model=row.case.llm.name,
            quant=row.case.quant.name, measured=row.measured, predicted=row.predicted, low=row.low, high=row.high,
            source=row.run.source, as_of=row.run.as_of,
        )
        for row in (found or accuracy()).comparisons
    )  # fmt: skip


def claims(knowledge: Knowledge) -> tuple[dict[str, Any], ...]:
    """The article's claims with verdicts."""
    found = judged(knowledge, tables.public_runs())
    rows = (dict(zip(section(found).columns, row, strict=True)) for row in section(found).rows)
    return tuple(
        {
            "Claim": row["claim"], "On": row["on"], "What": WHAT.get(row["what"], row["what"]),
            "Claimed": row["claimed"], "Here": row["here"],
            "Verdict": row["verdict"], "Measured nearby": row["measured nearby"],
            "Link": address(row["sources"]), "Sources": row["sources"],
        }
        for row in rows
    )  # fmt: skip
