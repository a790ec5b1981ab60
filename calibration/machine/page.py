"""What a calibration found, as one page of HTML that needs nothing else: charts are drawn into it, no script runs."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from advisor.answer import LIMITS
from advisor.charts import COLOURS, Axis, Chart, Curve, axis_of, svg
from advisor.documents import number
from calibration.machine.findings import Findings, Series, run_label
from calibration.machine.outlook import CONTEXT_TOKENS, MODELS
from calibration.machine.report import SPEEDS, engine_name, gains, machine_name

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #8886; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; max-width: 44rem; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
svg .grid { stroke: #8884; }
.scroll { overflow-x: auto; }
.key { display: inline-block; margin-right: 1.2rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: 50%; margin-right: .4rem; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
Cells = Sequence[str]


def page(found: Findings) -> str:
    """The whole page."""
    profile = found.profile
    title = f"Calibration of {machine_name(profile)}"
    body = "\n".join([*_start(found), *_errors(found), *_curves(found), *_numbers(found), *_future(found)])
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _start(found: Findings) -> Iterator[str]:
    profile = found.profile
    told = (
        f"Profile {profile.name}, measured {profile.measured_on} with {engine_name(profile)}: {len(profile.runs)} runs."
    )
    yield f"<p>{escape(told)}<br>{escape(found.use)}</p>"
    if profile.notes:
        yield f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in profile.notes)}</ul>"


def _heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _table(head: Cells, rows: Iterable[Cells], numbers: int) -> str:
    """A table whose last `numbers` columns are numbers."""
    first = len(head) - numbers

    def row(cells: Cells, tag: str) -> str:
        marks = ((' class="n"' if place >= first else "", cell) for place, cell in enumerate(cells))
        return f"<tr>{''.join(f'<{tag}{mark}>{escape(cell)}</{tag}>' for mark, cell in marks)}</tr>"

    lines = "\n".join(row(cells, "td") for cells in rows)
    return f'<div class="scroll"><table>\n<thead>{row(head, "th")}</thead>\n<tbody>\n{lines}\n</tbody></table></div>'


def _keys(labels: Sequence[str]) -> str:
    keys = (
        f'<span class="key"><i style="background:{COLOURS[place % len(COLOURS)]}"></i>{escape(label)}</span>'
        for place, label in enumerate(labels)
    )
    return f"<p>{''.join(keys)}</p>"


def _chart(title: str, curves: Sequence[Curve], x: Axis, y: Axis) -> str:
    return svg(Chart(title, tuple(curves), x, y))


def _errors(found: Findings) -> Iterator[str]:
    if not found.comparisons:
        return
    yield _heading("Predicted without having seen the run, against measured")
    for kind, figures in found.errors.items():
        yield (
            f"<p>{SPEEDS[kind].capitalize()}: {figures.rows} runs, median error {figures.median:.1%}, 90th percentile "
            f"{figures.p90:.1%}; repeats of a run differ by {figures.spread:.1%}.</p>"
        )
    speeds = [speed for row in found.comparisons for speed in (row.measured.tok_s, row.predicted)]
    x, y = (axis_of(f"{word}, tok/s", speeds, logarithmic=True) for word in ("measured", "predicted"))
    ends = ((x.low, x.low), (x.high, x.high))
    curves = [Curve("as measured", ends, dots=False, dashed=True, colour=len(COLOURS) - 1)]
    for place, kind in enumerate(found.errors):
        points = tuple((row.measured.tok_s, row.predicted) for row in found.comparisons if row.kind == kind)
        curves.append(Curve(SPEEDS[kind], points, line=False, colour=place))
    yield _keys([SPEEDS[kind] for kind in found.errors])
    yield _chart("Predicted against measured speeds", curves, x, y)
    rows = (
        (SPEEDS[row.kind], run_label(row.run), number(row.measured.tok_s), number(row.predicted), f"{row.error:+.1%}")
        for row in found.comparisons
    )
    yield _table(("Speed", "Run", "Measured", "Predicted", "Error"), rows, 3)


def _curves(found: Findings) -> Iterator[str]:
    if found.bandwidth:
        points = tuple((float(threads), row.value) for threads, row in found.bandwidth)
        x = axis_of("threads", [at for at, _ in points])
        y = axis_of("GB/s read from RAM", [value for _, value in points])
        yield _heading("RAM read, by threads")
        yield _chart("Bandwidth of RAM over threads", [Curve("GB/s", points)], x, y)
    yield from _over(found.over_depth, "Writing, by tokens in the context", "tokens in the context")
    yield from _over(found.over_experts, "Writing, by layers whose experts are in RAM", "layers with experts in RAM")


def _over(found: Sequence[Series], title: str, unit: str) -> Iterator[str]:
    """A chart of measured points joined, and of what was predicted, dashed."""
    if not found:
        return
    every = [point for series in found for point in series.points]
    x = axis_of(unit, [point.at for point in every])
    y = axis_of("tok/s", [max(point.measured, point.predicted or 0.0) for point in every])
    curves = []
    for place, series in enumerate(found):
        measured = tuple((point.at, point.measured) for point in series.points)
        told = tuple((point.at, point.predicted) for point in series.points if point.predicted)
        curves.append(Curve(series.label, measured, line=False, colour=place))
        curves.append(Curve(series.label, told, dots=False, dashed=True, colour=place))
    yield _heading(title)
    yield _keys([series.label for series in found])
    yield _chart(title, curves, x, y)
    yield "<p>Points are measured, dashed lines predicted without them.</p>"


def _numbers(found: Findings) -> Iterator[str]:
    if found.parameters:
        yield _heading("What was fitted: factors on what all machines tell")
        rows = (
            (row.coefficient, row.label, row.unit, f"x {row.factor:.3f}", f"{row.log_error:.3f}",
             "informed by these runs" if row.informed else "assumed") for row in found.parameters
        )  # fmt: skip
        yield _table(("Coefficient", "Of", "Unit", "Factor", "Standard error (log)", "Known"), rows, 3)
    if found.correlations:
        yield _heading("Told apart badly")
        pairs = ((row.first, row.second, f"{row.value:+.2f}") for row in found.correlations)
        yield _table(("First", "Second", "Correlation"), pairs, 1)


def _future(found: Findings) -> Iterator[str]:
    if found.outlook is None:
        return
    yield _heading(f"Well-known models here ({CONTEXT_TOKENS:,} tokens of room, empty)")
    rows = []
    for answer in found.outlook.now:
        speed = answer.decode_tok_s
        told = f"{number(speed.p50)} ({number(speed.p05)}-{number(speed.p95)})" if speed else "does not fit"
        limit = LIMITS[answer.bottleneck].sentence if answer.bottleneck else ""
        rows.append((f"{answer.model} {answer.quant}", limit, told))
    yield _table(("Model", "Limited by", "Writes, tok/s"), rows, 1)
    if found.outlook.upgrades:
        yield _heading("What an upgrade would change (writing)")
        table = ((row.what, row.assumed, *gains(row)) for row in found.outlook.upgrades)
        yield _table(("Upgrade", "Assumed", *MODELS), table, len(MODELS))
    yield from (f"<p>{escape(gap[0].upper() + gap[1:])}.</p>" for gap in found.outlook.gaps)
