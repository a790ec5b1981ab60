"""The accuracy page: its document, its charts, and its figures for programs."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby
from statistics import median
from typing import Any

from advisor.answer import REGIMES
from advisor.charts import COLOURS, Chart, Curve, axis_of
from advisor.documents import Document, Paragraph, Section, Table, as_markdown, columns
from advisor.market import check_report
from advisor.market.market import shipped_market
from advisor.physics.knowledge import load
from calibration.accuracy import anchoring
from calibration.accuracy.accuracy import GROUPS, AccuracyTable, Comparison, explanation, figures, grouped, worst
from calibration.accuracy.baselines import BASELINES, Baseline
from catalog import tables

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
PUBLISHED = """What others publish of themselves, on rows of their own, so that it is no comparison (read 2026-11-29):
FitCheck 17.5 % with an accelerator left out, fitted to LocalScore's runs, dense models within one card alone;
quantprobe 19 %, and 5.8 % on a machine that it was calibrated on."""
WIDER = """The first table leaves out a machine with its aliases: all its runs, and those of the same people on the same
cards or processor. Here more is left out before it is predicted: everything that one source measured, and every run on
an architecture of cards (of processors, where no card takes part): the error on "a card nobody has measured"."""


def of_kind(found: AccuracyTable, kind: str) -> list[Comparison]:
    """Comparisons of decode or of prefill."""
    return [row for row in found.comparisons if row.kind == kind]


def by_regime(rows: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Comparisons by regime in the order of `GROUP_OF_REGIME`, all of them last."""
    groups = grouped(rows, "regime") | {"all": list(rows)}
    return {name: groups[name] for name in GROUP_OF_REGIME if name in groups}


def document(found: AccuracyTable, title: str = "", introduction: str = INTRODUCTION) -> Document:
    """The whole page."""
    decode = of_kind(found, "decode")
    return Document(title, [
        Section("", [Paragraph(introduction)]),
        *(_regimes(kind, of_kind(found, kind)) for kind in KINDS),
        _beside(decode),
        *(_groups(group, found) for group in GROUPS if group != "regime"),
        *(_worst(kind, of_kind(found, kind)) for kind in KINDS),
        _wider(),
        anchoring.section(found, load().efficiencies, GROUP_OF_REGIME, anchoring.TOLD),
        _left_out(found),
        prices(),
    ])


def prices() -> Section:
    """How far estimates of prices are from what was seen."""
    table = check_report.table(check_report.checked(shipped_market()))
    return Section("Prices", [Paragraph(check_report.INTRODUCTION), table])


def charts(found: AccuracyTable) -> list[Chart]:
    """Predicted against measured speeds by where the weights lie, with the lines of agreement and of a factor 2."""
    drawn = []
    for kind in KINDS:
        rows = of_kind(found, kind)
        speeds = [speed for row in rows for speed in (row.measured, row.predicted)]
        x = axis_of("measured, tok/s", speeds, logarithmic=True)
        y = axis_of("predicted without that machine, tok/s", speeds, logarithmic=True)
        curves = []
        for regime, group in grouped(rows, "regime").items():
            points = tuple((row.measured, row.predicted) for row in group)
            label, colour = f"{REGIMES[regime].group} ({len(group)})", COLOURS.index(REGIMES[regime].colour)
            curves.append(Curve(label, points, line=False, colour=colour))
        for factor in (1.0, 0.5, 2.0):
            ends = tuple((end, end * factor) for end in (x.low, x.high))
            curves.append(Curve("", ends, dots=False, dashed=factor != 1.0, colour=len(COLOURS) - 1))
        drawn.append(Chart(kind, tuple(curves), x, y))
    return drawn


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


def _section(
    title: str, remark: str, titles: Sequence[str], rows: Sequence[Sequence[str]], brief: int | None = None
) -> Section:
    return Section(title, [Paragraph(remark), Table(columns(*titles), rows, brief=brief)])


def _regimes(kind: str, rows: Sequence[Comparison]) -> Section:
    titles = ("where", "rows", "machines", "balanced", "median", "90th percentile", "within 20 %", "within x2",
               "inside", "width", "rank correlation")
    table = []
    for name, group in by_regime(rows).items():
        of = figures(group)
        shares = (of.machine_balanced_ape, of.median_ape, of.p90_ape, of.within_20pct, of.within_2x,
                  of.interval_coverage)
        rank = f"{of.spearman:.3f}" if of.spearman and of.rows >= RANKED_ROWS else ""
        width = f"{of.median_interval_ratio:.2f}"
        table.append((GROUP_OF_REGIME[name], str(of.rows), str(of.machines), *map(percent, shares), width, rank))
    return _section(f"{kind.capitalize()} by where the weights lie", "", titles, table)


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
    titles = ("where", *(f"{item.name} (ours)" for item in BASELINES))
    pairs = [tuple(by_regime(part) for part in baseline_rows(item, rows)) for item in BASELINES]
    table = []
    for name, words in GROUP_OF_REGIME.items():
        cells = []
        for theirs, ours in pairs:
            errors = [percent(figures(part[name]).machine_balanced_ape) for part in (theirs, ours) if name in part]
            cells.append(f"{errors[0]} ({errors[1]})" if errors else "")
        table.append((words, *cells))
    where = "; ".join(f"[{item.name}]({item.source}): {item.where}" for item in BASELINES)
    remark = (
        "Balanced error of their formulas, in brackets ours on the same rows, which are those where the formula has an "
        f"answer. {where}. None of them predicts prefill. {PUBLISHED}"
    )
    return _section("Decode beside other advisors", remark, titles, table)


def _groups(group: str, found: AccuracyTable) -> Section:
    titles = (group, *(f"{kind}: {name}" for kind in KINDS for name in ("rows", "machines", "balanced", "bias")))
    parts = [grouped(of_kind(found, kind), group) for kind in KINDS]
    names = [name for name, rows in parts[0].items() if len(rows) >= FEWEST_ROWS]
    table = [(name, *(cell for part in parts for cell in _short(part.get(name)))) for name in names]
    remark = f"Of {FEWEST_ROWS} decode rows and more. Bias: median predicted / measured."
    return _section(f"By {group}", remark, titles, table)


def _short(rows: list[Comparison] | None) -> tuple[str, ...]:
    if not rows:
        return ("", "", "", "")
    of = figures(rows)
    bias = median(row.predicted / row.measured for row in rows)
    return str(of.rows), str(of.machines), percent(of.machine_balanced_ape), f"{bias:.2f}"


def _worst(kind: str, rows: Sequence[Comparison]) -> Section:
    titles = ("machine", "model", "where", "measured", "predicted", "what the case tells", "the row's own note",
               "source")
    table = []
    for row in worst(rows, WORST):
        depth = row.case.scenario.workload.context_depth
        lies = f"{REGIMES[row.run.regime].group}, {row.case.setting.backend}"
        where = f"{lies}, at {depth:,} tokens" if depth else lies
        table.append((
            machine_words(row.machine), f"{row.case.llm.name} {row.case.quant.name}", where, speed(row.measured),
            speed(row.predicted), explanation(row, rows), row.run.note, row.run.source,
        ))
    remark = "In tok/s, one row per machine and model."
    return _section(f"Furthest off: {kind}", remark, titles, table, brief=6)


def _wider() -> Section:
    titles = ("left out", "speed", "where", "rows", "groups", "balanced", "90th percentile", "bias")
    table = [
        (row.left_out, row.speed, GROUP_OF_REGIME.get(row.regime, row.regime), str(row.rows), str(row.groups),
         percent(row.balanced), percent(row.p90), f"{row.bias:.2f}")
        for row in tables.left_out_wider()
    ]
    return _section("Sources and architectures left out", WIDER, titles, table)


def _left_out(found: AccuracyTable) -> Section:
    reasons = found.left_out.copy()
    for _, reason in found.refused:
        reasons[reason] += 1
    table = [(reason, str(count)) for reason, count in reasons.most_common()]
    remark = f"Of {found.rows_read} rows of evidence; nothing is left out because it fits badly."
    return _section("Rows that are not compared", remark, ("reason", "rows"), table)


def as_data(found: AccuracyTable) -> dict[str, Any]:
    """All figures for programs; shares of 1, speeds in tok/s."""
    data: dict[str, Any] = {
        "rows_read": found.rows_read,
        "left_out": dict(found.left_out),
        "refused": len(found.refused),
        "left_out_wider": [row.model_dump(mode="json") for row in tables.left_out_wider()],
    }
    data["anchored"] = [
        asdict(row) for told in anchoring.TOLD for row in anchoring.anchored(found, told, load().efficiencies)
    ]
    data["floor"] = [asdict(of) for of in anchoring.floors(found)]
    for kind in KINDS:
        rows = of_kind(found, kind)
        data[kind] = {
            group: {name: asdict(figures(part)) for name, part in grouped(rows, group).items()} for group in GROUPS
        } | {"all": asdict(figures(rows))}
        data[kind]["furthest_off"] = [
            {
                "machine": row.machine, "model": row.case.llm.name, "quant": row.case.quant.name,
                "regime": row.run.regime, "measured_tok_s": row.measured, "predicted_tok_s": row.predicted,
                "low_tok_s": row.low, "high_tok_s": row.high, "explanation": explanation(row, rows),
                "note": row.run.note, "source": row.run.source,
            } for row in worst(rows, WORST)
        ]
    data["baselines"] = {item.name: _baseline(item, of_kind(found, "decode")) for item in BASELINES}
    return data


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


def page(found: AccuracyTable, title: str, picture: str | None, made_by: str) -> str:
    """The whole page in Markdown, with a picture where one was drawn; `made_by` is the command that renews it."""
    introduction = f"{INTRODUCTION} Renewed by `{made_by}`."
    if picture:
        introduction += f"\n\n![Predicted against measured speeds]({picture})"
    return as_markdown(document(found, title, introduction))
