"""An article's claims beside our predictions, dated quotes and the nearest measured runs: which of them stand.

`CHECKS` says how each kind of claim is checked: through the prediction itself, the catalog's file sizes, or quotes.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from advisor.documents import Document, Paragraph, Section, Table, columns, number, seconds
from advisor.market.estimate import Estimate
from advisor.market.market import shipped_market
from advisor.physics.knowledge import Knowledge
from advisor.prediction.capacity import capacity_of
from advisor.prediction.case import Case, case_of
from advisor.prediction.nearest import described, nearest
from advisor.prediction.prediction import answers
from advisor.question import Scenario
from calibration.accuracy.page import speed
from catalog import tables
from catalog.efficiency import PublicRun
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.ram import parse_ram
from catalog.names.storage import resolve_ssd
from catalog.prices import PartKind
from catalog.units import GB, GIB

TABLE = Path(__file__).parents[1] / "evidence" / "article_claims.csv"
INTRODUCTION = """What an article of 2026 on running Qwen3.6-35B-A3B at home claims, beside what is predicted here and
what others measured (decode/prefill in tok/s). A speed is supported where it meets the predicted interval (90 % of real
runs), a floor, a slowdown or a time within a quarter of ours, a file size within 5 %, a price within the 80 % interval
of our estimate or a tenth beyond it. Not testable: no prediction and no price speaks of it."""
Verdict = Literal["supported", "contradicted", "not testable"]
PROMPT, ANSWER = 512, 128
BOX = {"gpu": "RTX 3060 12GB", "cpu": "Ryzen 7 5800X", "ram": "32GB DDR4-3600"}
"""The article's own build: what a claim that names no hardware is about."""
FILE_TOLERANCE = 0.05
SIZE_TOLERANCE = 0.25
"""A floor is stated in sizes that memory is sold in."""
PRICE_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: `low` to `high` of a metric on some hardware; texts as the article has them."""

    id: str
    gpu: str
    cpu: str
    ram: str
    model: str
    quant: str
    context_tokens: int
    metric: str
    low: float
    high: float
    unit: str
    note: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim, whether it holds (None: cannot be told), what ours is, the measured runs nearest to it, the sources."""

    claim: Claim
    holds: bool | None
    ours: str
    nearest: tuple[PublicRun, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """In words."""
        return "not testable" if self.holds is None else "supported" if self.holds else "contradicted"


Check = Callable[[Claim, Knowledge, Sequence[PublicRun]], Judged]


def scenario_of(claim: Claim) -> Scenario:
    """The question that a claim answers: a context named is nearly full, as in daily use."""
    first_prompt = "1024-token prompt" in claim.note or (claim.context_tokens == 1024)
    prompt = claim.context_tokens if first_prompt else PROMPT
    context = max(claim.context_tokens, prompt + ANSWER)
    return Scenario.model_validate(
        {
            "model": claim.model,
            "quant": claim.quant,
            "hardware": _hardware(claim),
            "engine": {"n_ctx": context + (2 * ANSWER if first_prompt else 0)},
            "workload": {
                "context_depth": 0 if first_prompt else context - prompt - ANSWER,
                "prompt_tokens": prompt,
                "gen_tokens": 2 * ANSWER if first_prompt else ANSWER,
            },
        }
    )


def _hardware(claim: Claim) -> dict[str, object]:
    if claim.gpu.startswith("Mac"):
        name, _, size = claim.gpu.rpartition(" ")
        return {"machine": name, "ram": {"gb": float(size.removesuffix("GB"))}}
    parts = BOX if not (claim.gpu or claim.cpu) else {"gpu": claim.gpu, "cpu": claim.cpu}
    spec = parse_ram(claim.ram or parts["ram"]) if claim.ram or "ram" in parts else None
    ram = {"type": spec.ram_type, "mt_s": spec.mt_s, "gb": spec.total_gib} if spec else None
    gpus = [{"name": parts["gpu"]}] if parts["gpu"] else []
    return {"gpus": gpus, "cpu": parts["cpu"] or None, "ram": ram}


def _near(case: Case, runs: Sequence[PublicRun]) -> tuple[PublicRun, ...]:
    return tuple(nearest(described(case), runs))


def _speed(kind: str) -> Check:
    """Check of a speed against the predicted interval."""

    def check(claim: Claim, knowledge: Knowledge, runs: Sequence[PublicRun]) -> Judged:
        case = case_of(scenario_of(claim))
        found = answers([case], knowledge)[0]
        speed = found.decode_tok_s if kind == "decode" else found.prefill_tok_s
        near = _near(case, runs)
        sources = tuple(run.source for run in near)
        if speed is None:
            return Judged(claim, False, "does not run there", near, sources)
        ours = f"{number(speed.p50)} tok/s ({number(speed.p05)}-{number(speed.p95)})"
        return Judged(claim, claim.low <= speed.p95 and claim.high >= speed.p05, ours, near, sources)

    return check


def _weights(claim: Claim, knowledge: Knowledge, runs: Sequence[PublicRun]) -> Judged:  # noqa: ARG001
    case = case_of(scenario_of(claim))
    size = case.demand.footprint.file_bytes
    holds = any(_within(claim, size / unit, FILE_TOLERANCE) for unit in (GB, GIB))
    return Judged(claim, holds, f"{size / GB:.1f} GB ({size / GIB:.1f} GiB)", (), (case.llm.source, case.quant.source))


def _within(claim: Claim, ours: float, tolerance: float) -> bool:
    return claim.low * (1 - tolerance) <= ours <= claim.high * (1 + tolerance)


def _capacity(field: str, unit: str) -> Check:
    """Check of a floor or a longest context against the placement's own."""

    def check(claim: Claim, knowledge: Knowledge, runs: Sequence[PublicRun]) -> Judged:  # noqa: ARG001
        case = case_of(scenario_of(claim))
        ours = getattr(capacity_of(case), field)
        if ours is None:
            return Judged(claim, None, "there is no such limit")
        words = f"{ours:,.0f} {unit}" if unit == "tokens" else f"{ours:.1f} {unit}"
        return Judged(claim, _within(claim, ours, SIZE_TOLERANCE), words, (), (case.llm.source,))

    return check


def _slowdown(claim: Claim, knowledge: Knowledge, runs: Sequence[PublicRun]) -> Judged:
    """Two sizes or speeds of RAM, "A vs B": by how much the first is slower."""
    case, other = (case_of(scenario_of(replace(claim, ram=text))) for text in claim.ram.split(" vs "))
    first, second = (item.decode_tok_s for item in answers([case, other], knowledge))
    if first is None or second is None:
        return Judged(claim, None, "does not run there")
    loss = 1 - first.p50 / second.p50
    words = f"{loss * 100:.0f} % slower ({number(first.p50)} against {number(second.p50)} tok/s)"
    near = _near(case, runs)
    return Judged(claim, _within(claim, loss, SIZE_TOLERANCE), words, near, tuple(run.source for run in near))


def _load_time(claim: Claim, knowledge: Knowledge, runs: Sequence[PublicRun]) -> Judged:  # noqa: ARG001
    disk = "SATA SSD" if "SATA" in claim.note else "NVMe SSD"
    scenario = scenario_of(claim)
    hardware = scenario.hardware.model_copy(
        update={"storage": scenario.hardware.storage.model_copy(update={"name": disk})}
    )
    found = answers([case_of(scenario.model_copy(update={"hardware": hardware}))], knowledge)[0]
    if found.load_time_s is None:
        return Judged(claim, None, "does not run there")
    ours = f"{seconds(found.load_time_s)} to read the file from a common {disk}"
    return Judged(claim, _within(claim, found.load_time_s, SIZE_TOLERANCE), ours, (), ("catalog/data/ssds.csv",))


def _price(claim: Claim, knowledge: Knowledge, runs: Sequence[PublicRun]) -> Judged:  # noqa: ARG001
    kind, names = _priced(claim)
    market = shipped_market()
    newest = max(item.as_of for item in market.observations)
    every = market.estimates(newest).items()
    known = {part: found for part, found in every if part.kind == kind and part.name in names}
    wanted = "used" if claim.metric == "price_used" else "new"
    same = [found for part, found in known.items() if part.condition == wanted]
    if not same:
        others = "; ".join(_estimated(found, part.condition) for part, found in known.items())
        words = f"no {wanted} price that counts" + (f"; {others}" if others else "")
        return Judged(claim, None, words, (), tuple(found.source for found in known.values())[:3])
    low, high = min(found.low_usd for found in same), max(found.high_usd for found in same)
    holds = low * (1 - PRICE_TOLERANCE) <= claim.high and claim.low <= high * (1 + PRICE_TOLERANCE)
    ours = "; ".join(_estimated(found, wanted) for found in same)
    return Judged(claim, holds, ours, (), tuple(dict.fromkeys(found.source for found in same))[:3])


def _priced(claim: Claim) -> tuple[PartKind, set[str]]:
    """Kind and names of the catalog rows that a price is claimed for; no names for what is not in the catalog."""
    if claim.gpu:
        return "gpu", {resolve_gpu(claim.gpu).row.name}
    if claim.cpu:
        return "cpu", {resolve_cpu(claim.cpu).row.name}
    if claim.ram:
        spec = parse_ram(claim.ram)
        kits = (kit for kit in tables.ram_kits() if (kit.ram_type, kit.mt_s) == (spec.ram_type, spec.mt_s))
        return "ram", {kit.name for kit in kits if kit.modules * kit.module_gib == spec.total_gib}
    if "NVMe" in claim.note:
        return "ssd", {resolve_ssd(claim.note).row.name}
    return "case", set()


def _estimated(found: Estimate, condition: str) -> str:
    span = f"{found.price_usd:,.0f} USD {condition} ({found.low_usd:,.0f}-{found.high_usd:,.0f})"
    return f"{span}, {found.observations} seen until {found.newest}"


def _untold(why: str) -> Check:
    return lambda claim, knowledge, runs: Judged(claim, None, why)  # noqa: ARG005


CHECKS: dict[str, Check] = {
    "decode_tok_s": _speed("decode"),
    "decode_tok_s_steady": _speed("decode"),
    "prefill_tok_s": _speed("prefill"),
    "weights_gb": _weights,
    "vram_floor_gb": _capacity("vram_floor_gib", "GiB"),
    "ram_floor_gb": _capacity("ram_floor_gib", "GiB"),
    "max_context_tokens": _capacity("longest_context_replanned", "tokens"),
    "slowdown_fraction": _slowdown,
    "load_time_s": _load_time,
    "price": _price,
    "price_used": _price,
    "decode_tok_s_first": _untold("speed while the page cache fills is not predicted"),
    "speedup_fraction": _untold("speculative decoding is not predicted; such runs are left out of the evidence"),
    "throughput_factor": _untold("tensor parallelism for several users is not predicted"),
}
"""By the claim's metric."""


def claims(path: Path = TABLE) -> list[Claim]:
    """The claims as they stand in the table; a range such as "14-17" has two ends."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        low, _, high = row["value"].partition("-")
        found.append(Claim(
            row["claim_id"], row["gpu"], row["cpu"], row["ram"], row["model"], row["quant"],
            int(row["context_tokens"] or 0), row["metric"], float(low), float(high or low), row["unit"], row["note"],
        ))
    return found


def judged(knowledge: Knowledge, runs: Sequence[PublicRun], rows: Sequence[Claim] | None = None) -> list[Judged]:
    """Every claim with its verdict; `runs` are the measured ones to look near in."""
    chosen = claims() if rows is None else rows
    checks = [(claim, CHECKS.get(claim.metric, _untold(f"{claim.metric} is not predicted"))) for claim in chosen]
    return [check(claim, knowledge, runs) for claim, check in checks]


def table(found: Sequence[Judged]) -> Table:
    """The claims in words."""
    rows = []
    for item in found:
        claim, near = item.claim, []
        context = f"{claim.context_tokens:,} tokens" if claim.context_tokens else ""
        where = ", ".join(filter(None, (claim.gpu, claim.cpu, claim.ram, claim.model, claim.quant, context)))
        span = f"{claim.low:g}" if claim.low == claim.high else f"{claim.low:g}-{claim.high:g}"
        for run in item.nearest:
            speeds = ("-" if value is None else speed(value) for value in (run.decode_tok_s, run.prefill_tok_s))
            near.append(f"{run.machine}: {run.model} {run.quant} {'/'.join(speeds)}")
        said = f"{span} {claim.unit}", item.ours, item.verdict
        rows.append((claim.id, where, claim.metric, *said, "; ".join(near), " ".join(item.sources)))
    titles = columns("claim", "on", "what", "claimed", "here", "verdict", "measured nearby", "sources")
    return Table(titles, rows, brief=6)


def document(found: Sequence[Judged], title: str = "") -> Document:
    """The claims below an introduction."""
    counts = ", ".join(f"{sum(item.verdict == verdict for item in found)} {verdict}" for verdict in get_args(Verdict))
    remark = Paragraph(f"{len(found)} claims: {counts}.")
    return Document(title, [Section("", [Paragraph(INTRODUCTION)]), Section("Claims", [remark, table(found)])])


def as_data(found: Sequence[Judged]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        asdict(item.claim)
        | {"verdict": item.verdict, "ours": item.ours, "sources": list(item.sources)}
        | {"nearest": [run._asdict() for run in item.nearest]}
        for item in found
    ]
