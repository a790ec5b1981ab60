"""An article's claims beside our predictions, dated quotes and the nearest measured runs: which of them stand."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from advisor.knowledge import Knowledge
from calibration.accuracy_page import Section, speed
from calibration.claim_checks import CHECKS, Claim, Finding
from catalog.measured import PublicRun

TABLE = Path(__file__).parent / "evidence" / "article_claims.csv"
INTRODUCTION = """What an article of 2026 on running Qwen3.6-35B-A3B at home claims, beside what is predicted here and
what others measured (decode/prefill in tok/s). A speed is supported where it meets the predicted interval (90 % of real
runs), a floor, a slowdown or a time within a quarter of ours, a file size within 5 %, a price within a tenth of dated
quotes. Not testable: no prediction and no quote speaks of it."""
Verdict = Literal["supported", "contradicted", "not testable"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim with its verdict, what ours is, and where that comes from."""

    claim: Claim
    verdict: Verdict
    ours: str
    nearest: tuple[PublicRun, ...]
    sources: tuple[str, ...]


def claims(path: Path = TABLE) -> list[Claim]:
    """The claims as they stand in the table; a range such as "14-17" has two ends."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_claim(row) for row in csv.DictReader(file)]


def _claim(row: dict[str, str]) -> Claim:
    low, _, high = row["value"].partition("-")
    return Claim(
        id=row["claim_id"],
        gpu=row["gpu"],
        cpu=row["cpu"],
        ram=row["ram"],
        model=row["model"],
        quant=row["quant"],
        context_tokens=int(row["context_tokens"] or 0),
        metric=row["metric"],
        low=float(low),
        high=float(high or low),
        unit=row["unit"],
        note=row["note"],
    )


def judged(knowledge: Knowledge, runs: Sequence[PublicRun], rows: Sequence[Claim] | None = None) -> list[Judged]:
    """Every claim with its verdict; `runs` are the measured ones to look near in."""
    return [_judge(claim, knowledge, runs) for claim in (claims() if rows is None else rows)]


def _judge(claim: Claim, knowledge: Knowledge, runs: Sequence[PublicRun]) -> Judged:
    check = CHECKS.get(claim.metric)
    found = check(claim, knowledge, runs) if check else Finding(None, f"{claim.metric} is not predicted")
    verdict: Verdict = "not testable" if found.holds is None else "supported" if found.holds else "contradicted"
    return Judged(claim, verdict, found.ours, found.nearest, found.sources)


def section(found: Sequence[Judged]) -> Section:
    """The claims as a table of words."""
    columns = ("claim", "on", "what", "claimed", "here", "verdict", "measured nearby", "sources")
    rows = [
        (
            item.claim.id,
            _where(item.claim),
            item.claim.metric,
            f"{_span(item.claim)} {item.claim.unit}",
            item.ours,
            item.verdict,
            "; ".join(_words(run) for run in item.nearest),
            " ".join(item.sources),
        )
        for item in found
    ]
    counts = ", ".join(f"{sum(item.verdict == verdict for item in found)} {verdict}" for verdict in get_args(Verdict))
    return Section("Claims", f"{len(found)} claims: {counts}.", columns, rows, brief=6)


def _where(claim: Claim) -> str:
    context = f"{claim.context_tokens:,} tokens" if claim.context_tokens else ""
    return ", ".join(filter(None, (claim.gpu, claim.cpu, claim.ram, claim.model, claim.quant, context)))


def _span(claim: Claim) -> str:
    return f"{claim.low:g}" if claim.low == claim.high else f"{claim.low:g}-{claim.high:g}"


def _words(run: PublicRun) -> str:
    speeds = "/".join("-" if value is None else speed(value) for value in (run.decode_tok_s, run.prefill_tok_s))
    return f"{run.machine}: {run.model} {run.quant} {speeds}"


def as_data(found: Sequence[Judged]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        asdict(item.claim)
        | {"verdict": item.verdict, "ours": item.ours, "sources": list(item.sources)}
        | {"nearest": [run._asdict() for run in item.nearest]}
        for item in found
    ]
