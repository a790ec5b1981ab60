"""The accuracy page as sections of tables, which the terminal and Markdown both show."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from statistics import median
from typing import Any

from advisor.answer import REGIMES
from calibration.accuracy.accuracy import GROUPS, Accuracy, Comparison, Figures, figures, grouped
from calibration.accuracy.baselines import BASELINES, Baseline
from calibration.fit.leaving_out import MANY_RUNS
from catalog.units import GIB

# Why a prediction is far off, as far as its case tells: what was not said, and what lies outside the physics.

OLD = {"2024": "a build of 2024 or before", "2025a": "a build of early 2025"}
LEAST_SPILL_GIB = 0.1
APART = 1.5
"""Factor between two measurements of one thing from which on they are told apart."""


def explanation(row: Comparison, others: Sequence[Comparison]) -> str:
    """Reasons found in the case, "" where nothing in it tells; `others` are all comparisons."""
    return "; ".join([*_measured_otherwise(row, others), *_unsaid(row), *_outside(row), *_rare(row, others)])


def _measured_otherwise(row: Comparison, others: Sequence[Comparison]) -> list[str]:
    """Runs of the same question on the same machine that came out quite differently: no prediction can meet both."""
    asked = _question(row)
    alike = [item.measured for item in others if item.machine == row.machine and _question(item) == asked]
    apart = [speed for speed in alike if abs(math.log(speed / row.measured)) > math.log(APART)]
    if not apart:
        return []
    low, high = (f"{pick(apart):.3g}" for pick in (min, max))
    return [f"other builds or settings gave {low if low == high else f'{low} to {high}'} tok/s for the same"]


def _question(row: Comparison) -> tuple[object, ...]:
    load = row.case.scenario.workload
    prompt = load.prompt_tokens if row.kind == "prefill" else 0
    where = row.case.regime, row.case.placement.n_cpu_moe
    return row.case.llm.name, row.case.quant.name, *where, load.context_depth, prompt


def _unsaid(row: Comparison) -> list[str]:
    case, engine = row.case, row.run.scenario.engine
    found = []
    if REGIMES[case.regime].beside_ram:
        found += ["the CPU is not named"] if "cpu" in case.machine.unknown else []
        found += ["the RAM's speed is not said"] if "ram_speed" in case.machine.unknown else []
        if case.machine.gpus and engine.n_gpu_layers is None and engine.n_cpu_moe is None:
            found.append("the placement is not said: the planner's is taken")
    if "vram" in case.machine.unknown:
        found.append("the card's memory size is not said")
    return found


def _outside(row: Comparison) -> list[str]:
    case, found = row.case, []
    storage_gib = case.placement.storage_bytes / GIB
    spilled_gib = case.placement.spilled_bytes / GIB
    if storage_gib > LEAST_SPILL_GIB:
        found.append(f"{storage_gib:.0f} GiB overflow into storage, whose speed depends on the disk and its cache")
    elif row.run.regime == "storage":
        found.append("the row says that it paged, by the sizes it need not")
    if spilled_gib > LEAST_SPILL_GIB and not case.machine.unified:
        found.append(f"{spilled_gib:.1f} GiB more than the cards hold: the driver spills")
    if case.machine.cpu.sockets > 1 and REGIMES[case.regime].beside_ram:
        found.append("several sockets: speed depends on the NUMA settings")
    if case.setting.era in OLD:
        found.append(OLD[case.setting.era])
    elif case.setting.stated == "unstated":
        found.append("the build is not named")
    return found


def _rare(row: Comparison, others: Sequence[Comparison]) -> list[str]:
    alike = {item.machine for item in others if item.architecture == row.architecture}
    if len(alike) == 1:
        return [f"no other machine with {row.architecture} was measured"]
    models = {item.machine for item in others if item.case.llm.name == row.case.llm.name}
    return ["this model was measured on no other machine"] if len(models) == 1 else []


def worst(rows: Sequence[Comparison], count: int) -> list[Comparison]:
    """The rows furthest off, one per machine and model: a sweep's rows are off alike."""
    found: dict[tuple[str, str], Comparison] = {}
    for row in sorted(rows, key=lambda item: -abs(item.log_ratio)):
        found.setdefault((row.machine, row.case.llm.name), row)
    return list(found.values())[:count]


KINDS = ("decode", "prefill")
FEWEST_ROWS = 10
"""Groups of fewer rows are not listed."""
RANKED_ROWS = 100
"""Rank correlations of fewer rows turn on near ties within one sweep and are not shown."""
WORST = 15
GROUP_OF_REGIME = {name: regime.group for name, regime in REGIMES.items()} | {"all": "all"}
INTRODUCTION = """Every speed here is predicted by a fit that never saw the machine it was measured on (resolved GPU and
CPU): what is fitted is fitted again without it, intervals too (how: see below). Error: |predicted - measured| /
measured. Balanced: the median of the machines' medians, so that one well-measured machine does not decide. Inside:
share of the measured speeds within the interval that should hold 90 %; width: its p95 / p05."""
LEAVING_OUT = f"""The machines below, of more than {MANY_RUNS} measured speeds each, are left out by a whole refit, from
the fit of all to its own optimum. The others are left out on the tangent of the fit of all: the same robust fit with
the physics made linear there, to its optimum. On twelve machines of 2 to 86 speeds (the five largest of the others and
seven drawn at random; 481 speeds, measured 2026-11-28) the two ways are 0.8 % apart at the median and 4.4 % at the 90th
percentile, and give balanced errors of 15.3 % (whole refits: 14.5 %) for decode and 28.9 % (29.1 %) for prefill."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a remark and a table of words."""

    title: str
    remark: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    brief: int | None = None
    """Columns that a terminal has room for; None: all."""


def of_kind(found: Accuracy, kind: str) -> list[Comparison]:
    """Comparisons of decode or of prefill."""
    return [row for row in found.comparisons if row.kind == kind]


def by_regime(rows: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Comparisons by regime in the order of `GROUP_OF_REGIME`, all of them last."""
    groups = grouped(rows, "regime") | {"all": list(rows)}
    return {name: groups[name] for name in GROUP_OF_REGIME if name in groups}


def sections(found: Accuracy) -> list[Section]:
    """The whole page."""
    decode = of_kind(found, "decode")
    return [
        *(_regimes(kind, of_kind(found, kind)) for kind in KINDS),
        _beside(decode),
        *(_groups(group, found) for group in GROUPS if group != "regime"),
        *(_worst(kind, of_kind(found, kind)) for kind in KINDS),
        _refits(found),
        _left_out(found),
    ]


def percent(share: float) -> str:
    """A share as people write it.

    >>> percent(0.0473), percent(3.7)
    ('4.7 %', '370 %')
    """
    return f"{share * 100:.1f} %" if share < 0.995 else f"{share * 100:.0f} %"


def speed(tok_s: float) -> str:
    """Three significant digits.

    >>> speed(3.14159), speed(1234.5)
    ('3.14', '1234')
    """
    return f"{tok_s:.3g}" if tok_s < 100 else f"{tok_s:.0f}"


def machine_words(key: str) -> str:
    """A machine's key with like cards counted.

    >>> machine_words("RTX 3090 + RTX 3090 + RTX A6000 | EPYC 7532")
    '2 x RTX 3090 + RTX A6000, EPYC 7532'
    """
    cards, *cpu = key.split(" | ")
    counted = [(name, len(list(group))) for name, group in groupby(cards.split(" + "))]
    return ", ".join([" + ".join(f"{count} x {name}" if count > 1 else name for name, count in counted), *cpu])


def _regimes(kind: str, rows: Sequence[Comparison]) -> Section:
    columns = ("where", "rows", "machines", "balanced", "median", "90th percentile", "within 20 %", "within x2",
               "inside", "width", "rank correlation")  # fmt: skip
    table = [(GROUP_OF_REGIME[name], *_cells(figures(group))) for name, group in by_regime(rows).items()]
    return Section(f"{kind.capitalize()} by where the weights lie", "", columns, table)


def _cells(of: Figures) -> tuple[str, ...]:
    return (
        str(of.rows), str(of.machines), percent(of.machine_balanced_ape), percent(of.median_ape), percent(of.p90_ape),
        percent(of.within_20pct), percent(of.within_2x), percent(of.interval_coverage),
        f"{of.median_interval_ratio:.2f}", f"{of.spearman:.3f}" if of.spearman and of.rows >= RANKED_ROWS else "",
    )  # fmt: skip


def baseline_rows(baseline: Baseline, rows: Sequence[Comparison]) -> tuple[list[Comparison], list[Comparison]]:
    """The rows where a baseline has an answer: predicted by it, and by us."""
    theirs, ours = [], []
    for row in rows:
        speed_ = baseline.predicted(row.case)
        if speed_ is not None:
            theirs.append(replace(row, predicted=speed_))
            ours.append(row)
    return theirs, ours


def _beside(rows: Sequence[Comparison]) -> Section:
    columns = ("where", *(f"{name} (ours)" for name in (item.name for item in BASELINES)))
    pairs = [tuple(by_regime(part) for part in baseline_rows(item, rows)) for item in BASELINES]
    table = [
        (group, *(_pair(theirs.get(name), ours.get(name)) for theirs, ours in pairs))
        for name, group in GROUP_OF_REGIME.items()
    ]
    where = "; ".join(f"[{item.name}]({item.source}): {item.where}" for item in BASELINES)
    remark = (
        "Balanced error of their formulas, in brackets ours on the same rows, which are those where the formula has an "
        f"answer. {where}. None of them predicts prefill."
    )
    return Section("Decode beside other advisors", remark, columns, table)


def _pair(theirs: list[Comparison] | None, ours: list[Comparison] | None) -> str:
    if not theirs or not ours:
        return ""
    return f"{percent(figures(theirs).machine_balanced_ape)} ({percent(figures(ours).machine_balanced_ape)})"


def _groups(group: str, found: Accuracy) -> Section:
    columns = (group, *(f"{kind}: {name}" for kind in KINDS for name in ("rows", "machines", "balanced", "bias")))
    parts = [grouped(of_kind(found, kind), group) for kind in KINDS]
    names = [name for name, rows in parts[0].items() if len(rows) >= FEWEST_ROWS]
    table = [(name, *(cell for part in parts for cell in _short(part.get(name)))) for name in names]
    remark = f"Of {FEWEST_ROWS} decode rows and more. Bias: median predicted / measured."
    return Section(f"By {group}", remark, columns, table)


def _short(rows: list[Comparison] | None) -> tuple[str, ...]:
    if not rows:
        return ("", "", "", "")
    of = figures(rows)
    bias = median(row.predicted / row.measured for row in rows)
    return str(of.rows), str(of.machines), percent(of.machine_balanced_ape), f"{bias:.2f}"


def _worst(kind: str, rows: Sequence[Comparison]) -> Section:
    columns = (
        "machine",
        "model",
        "where",
        "measured",
        "predicted",
        "what the case tells",
        "the row's own note",
        "source",
    )
    table = [
        (
            machine_words(row.machine), f"{row.case.llm.name} {row.case.quant.name}", _setting(row),
            speed(row.measured), speed(row.predicted), explanation(row, rows), row.run.note, row.run.source,
        )
        for row in worst(rows, WORST)
    ]  # fmt: skip
    remark = "In tok/s, one row per machine and model."
    return Section(f"Furthest off: {kind}", remark, columns, table, brief=6)


def _setting(row: Comparison) -> str:
    depth = row.case.scenario.workload.context_depth
    return f"{REGIMES[row.run.regime].group}, {row.case.setting.backend}" + (f", at {depth:,} tokens" if depth else "")


def refitted_machines(found: Accuracy) -> dict[str, list[Comparison]]:
    """Comparisons of the machines that were left out by a refit to its optimum, the largest first."""
    machines: dict[str, list[Comparison]] = {}
    for row in found.comparisons:
        machines.setdefault(row.machine, []).append(row)
    many = {name: rows for name, rows in machines.items() if len(rows) > MANY_RUNS}
    return dict(sorted(many.items(), key=lambda item: (-len(item[1]), item[0])))


def _refits(found: Accuracy) -> Section:
    columns = ("fitted again without", "speeds", *(f"{kind}: {name}" for kind in KINDS for name in ("median", "bias")))
    table = [
        (machine_words(name), str(len(rows)), *(cell for kind in KINDS for cell in _short_of(rows, kind)))
        for name, rows in refitted_machines(found).items()
    ]
    return Section("How a machine is left out", LEAVING_OUT, columns, table)


def _short_of(rows: Sequence[Comparison], kind: str) -> tuple[str, ...]:
    """Balanced error, here that of one machine, and bias."""
    return _short([row for row in rows if row.kind == kind])[2:]


def _left_out(found: Accuracy) -> Section:
    reasons = found.left_out.copy()
    for _, reason in found.refused:
        reasons[reason] += 1
    table = [(reason, str(count)) for reason, count in reasons.most_common()]
    remark = f"Of {found.rows_read} rows of evidence; nothing is left out because it fits badly."
    return Section("Rows that are not compared", remark, ("reason", "rows"), table)


def as_data(found: Accuracy) -> dict[str, Any]:
    """All figures for programs; shares of 1, speeds in tok/s."""
    data: dict[str, Any] = {
        "rows_read": found.rows_read,
        "left_out": dict(found.left_out),
        "refused": len(found.refused),
        "fitted_again_without": list(refitted_machines(found)),
    }
    for kind in KINDS:
        rows = of_kind(found, kind)
        data[kind] = {
            group: {name: asdict(figures(part)) for name, part in grouped(rows, group).items()} for group in GROUPS
        } | {"all": asdict(figures(rows))}
        data[kind]["furthest_off"] = [_datum(row, rows) for row in worst(rows, WORST)]
    data["baselines"] = {item.name: _baseline(item, of_kind(found, "decode")) for item in BASELINES}
    return data


def _datum(row: Comparison, others: Sequence[Comparison]) -> dict[str, Any]:
    return {
        "machine": row.machine, "model": row.case.llm.name, "quant": row.case.quant.name, "regime": row.run.regime,
        "measured_tok_s": row.measured, "predicted_tok_s": row.predicted, "low_tok_s": row.low, "high_tok_s": row.high,
        "explanation": explanation(row, others), "note": row.run.note, "source": row.run.source,
    }  # fmt: skip


def _baseline(baseline: Baseline, rows: Sequence[Comparison]) -> dict[str, Any]:
    theirs, ours = (by_regime(part) for part in baseline_rows(baseline, rows))
    return {"source": baseline.source, "where": baseline.where} | {
        name: {
            "rows": len(part),
            "machine_balanced_ape": figures(part).machine_balanced_ape,
            "ours": figures(ours[name]).machine_balanced_ape,
        }
        for name, part in theirs.items()
    }


def page(found: Accuracy, title: str, picture: str | None, made_by: str) -> str:
    """The whole page in Markdown, with a picture where one was drawn; `made_by` is the command that renews it."""
    introduction = f"{INTRODUCTION} Renewed by `{made_by}`."
    if picture:
        introduction += f"\n\n![Predicted against measured speeds]({picture})"
    return markdown(sections(found), title, introduction)


def markdown(parts: Sequence[Section], title: str, introduction: str) -> str:
    """Sections as one Markdown page."""
    blocks = [f"# {title}", introduction]
    for part in parts:
        blocks += [f"## {part.title}", *filter(None, [part.remark]), "\n".join(_table(part))]
    return "\n\n".join(blocks) + "\n"


def _table(part: Section) -> Iterator[str]:
    yield _line(part.columns)
    yield "|" + " --- |" * len(part.columns)
    yield from map(_line, part.rows)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"
