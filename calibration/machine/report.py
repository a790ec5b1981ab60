"""What a calibration found, shown: in a terminal, as a document with charts, and as data for programs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from advisor.answer import LIMITS
from advisor.charts import COLOURS, Chart, Curve, axis_of
from advisor.documents import (
    Block,
    Document,
    Paragraph,
    Points,
    Section,
    Table,
    TableColumn,
    as_text,
    bar,
    columns,
    number,
)
from advisor.machines.from_parts import machine_of
from advisor.profiles.own_machine import hardware_of
from calibration.machine.findings import Findings, Series, run_label
from calibration.machine.outlook import CONTEXT_TOKENS, MODELS
from calibration.machine.profile import told_runs
from catalog.profiles import OWN_RUNS, Profile

WIDTH = 100
MOST_RUNS = 30
"""Runs listed in the terminal, the worst predicted first; the page and JSON have all."""
SPEEDS = {"decode": "writing", "prefill": "reading"}
ERRORS = "Predicted without having seen the run, against measured"
BANDWIDTH = "RAM read, by threads"
DEPTHS = "Writing, by tokens in the context"
EXPERTS = "Writing, by layers whose experts are in RAM"
FITTED = "What was fitted: factors on what all machines tell"
HERE = f"Well-known models here ({CONTEXT_TOKENS:,} tokens of room, empty)"
UPGRADES = "What an upgrade would change (writing)"
TEXT = TableColumn()


def machine_name(profile: Profile) -> str:
    """The machine in a few words, with its memory. Raises `InputError` for a profile of none."""
    hardware = hardware_of(profile)
    machine, ram = machine_of(hardware), hardware.ram
    unknown = "cpu" in machine.unknown and hardware.cpu
    name = " + ".join([*(gpu.name for gpu in machine.gpus), str(hardware.cpu)]) if unknown else machine.name
    speed = f"{ram.type}-{ram.mt_s}" if ram.type and ram.mt_s else ram.type
    sizes = [f"{ram.gb:g} GiB" if ram.gb else None, None if machine.unified else speed]
    return ", ".join([name.replace(" | ", ", "), *([" ".join(filter(None, sizes))] if any(sizes) else [])])


def engine_name(profile: Profile) -> str:
    """The engine with its version and build."""
    engine = profile.engine
    if engine == OWN_RUNS:
        return engine.name
    build = f"({engine.build})" if engine.build and engine.build != engine.version else None
    return " ".join(filter(None, [engine.name, engine.version, build, f"on {engine.backend}"]))


def lines(found: Findings) -> list[str]:
    """For a terminal, briefly: at most 100 columns, ASCII."""
    profile = found.profile
    held = sum(run.held_out for run in profile.runs)
    kept = f", {held} of them kept to check the fit with" if held else ""
    count = len(profile.runs) + len(profile.measured)
    measured = f"measured {profile.measured_on} with {engine_name(profile)}: {count} runs{kept}"
    most = max((row.value for _, row in found.bandwidth), default=1.0)
    read = [
        Paragraph(f"{threads:>4} {row.value:>7.1f} GB/s +- {row.spread:.1%}  {bar(row.value / most)}")
        for threads, row in found.bandwidth
    ]
    pairs = [Paragraph(f"{row.value:+.2f}  {row.first} and {row.second}") for row in found.correlations]
    sections = [
        Section(f"Profile {profile.name}: {machine_name(profile)}", [Paragraph(measured), Paragraph(found.use)]),
        Section("Runs of its owner", [Points(list(_runs_told(profile)))]),
        Section(ERRORS, list(_errors_told(found))),
        Section(BANDWIDTH, read),
        Section(DEPTHS, list(_bars(found.over_depth, "tokens"))),
        Section(EXPERTS, list(_bars(found.over_experts, "layers"))),
        Section(FITTED, list(_fitted_told(found))),
        Section("Told apart badly (correlation)", pairs),
        Section(HERE, [Points(list(_models_told(found)), mark="")]),
        Section(UPGRADES, list(_upgrades_told(found))),
        Section("Mind", [Points(profile.notes)]),
    ]
    return as_text(Document("", sections), WIDTH).splitlines()


def _runs_told(profile: Profile) -> Iterator[str]:
    for run in told_runs(profile):
        speeds = (("writes", run.decode), ("reads", run.prefill))
        told = " and ".join(f"{verb} {number(speed.tok_s)} tok/s" for verb, speed in speeds if speed)
        yield f"{run_label(run)}: {told}"


def _errors_told(found: Findings) -> Iterator[Block]:
    for kind, of in found.errors.items():
        yield Paragraph(
            f"{SPEEDS[kind]:<8} {of.rows:>4} runs   error: median {of.median:.1%}, 90th percentile {of.p90:.1%}   "
            f"(repeats differ by {of.spread:.1%})"
        )
    rows = sorted(found.comparisons, key=lambda row: -abs(row.error))
    if rows:
        titles = {"": 8, "measured": 10, "predicted": 11, "error": 8}
        table = []
        for row in rows[:MOST_RUNS]:
            speeds = number(row.measured.tok_s), number(row.predicted)
            label = run_label(row.run, without="" if found.profile.devices else "n_gpu_layers")
            table.append((SPEEDS[row.kind], *speeds, f"{row.error:+.1%}", label))
        places = [TableColumn(title, width, right=bool(title)) for title, width in titles.items()]
        yield Table([*places, TEXT], table)
    if len(rows) > MOST_RUNS:
        yield Paragraph(f"and {len(rows) - MOST_RUNS} more that are predicted better (--html and --json have all)")


def _bars(found: Sequence[Series], unit: str) -> Iterator[Block]:
    for series in found:
        yield Table([TEXT], [(series.label,)], head=False)
        most = max(point.measured for point in series.points)
        for point in series.points:
            told = f"(predicted {number(point.predicted)})" if point.predicted else ""
            speed = f"{number(point.measured):>7} tok/s  {bar(point.measured / most)} {told}"
            yield Paragraph(f"{point.at:>8,.0f} {unit} {speed}")


def _fitted_told(found: Findings) -> Iterator[Block]:
    informed = [row for row in found.parameters if row.informed]
    for row in informed:
        name = f"{row.coefficient} ({row.label})" if row.label else row.coefficient
        yield Paragraph(f"{name:<30} x {row.factor:>5.2f} +- {math.expm1(row.log_error):>4.0%}   {row.unit}")
    assumed = len(found.parameters) - len(informed)
    if assumed:
        told = "as probed here or on other machines (--html and --json have all)"
        yield Points([f"no run here informs {assumed} more: {told}"])


def _models_told(found: Findings) -> Iterator[str]:
    for answer in found.outlook.now if found.outlook else ():
        name, speed = f"{answer.model} {answer.quant}", answer.decode_tok_s
        if speed is None:
            yield f"{name}: does not fit"
            continue
        limit = LIMITS[answer.bottleneck or "ram_bandwidth"].sentence
        yield f"{name}: writes {number(speed.p50)} tok/s ({number(speed.p05)}-{number(speed.p95)}); limited by {limit}"


def _upgrades_told(found: Findings) -> Iterator[Block]:
    if found.outlook is None:
        return
    rows = found.outlook.upgrades
    if rows:
        places = [TableColumn("", 44), *(TableColumn(name, 18, right=True) for name in MODELS)]
        yield Table(places, [(row.what, *gains(row.tok_s, row.gain_share)) for row in rows])
    remarks = dict.fromkeys(row.assumed for row in rows)
    told = [f"{', '.join(row.what for row in rows if row.assumed == remark)}: {remark}" for remark in remarks]
    yield Points([*told, *found.outlook.gaps])


def gains(tok_s: Sequence[float | None], gain_share: Sequence[float | None]) -> list[str]:
    """What an upgrade gives each model, in words: its speed with the upgrade, and the gain where it ran before."""
    words = []
    for speed, gain in zip(tok_s, gain_share, strict=True):
        if speed is None:
            words.append("does not fit")
        elif gain is None:
            words.append(f"fits: {number(speed)} tok/s")
        else:
            more = f"{gain:+.0%}" if gain < 1 else f"x {number(1 + gain)}"
            words.append(f"{number(speed)} tok/s, {more}")
    return words


def document(found: Findings) -> Document:
    """All of it with its charts, for a page and for pictures."""
    profile = found.profile
    measured = f"measured {profile.measured_on} with {engine_name(profile)}: {len(profile.runs)} runs."
    parameters = [
        (row.coefficient, row.label, row.unit, f"x {row.factor:.3f}", f"{row.log_error:.3f}",
         "informed by these runs" if row.informed else "assumed") for row in found.parameters
    ]
    titles = columns("Coefficient", "Of", "Unit", "Factor", "Standard error (log)", "Known", numbers=3)
    pairs = [(row.first, row.second, f"{row.value:+.2f}") for row in found.correlations]
    badly = Table(columns("First", "Second", "Correlation", numbers=1), pairs)
    return Document(f"Calibration of {machine_name(profile)}", [
        Section("", [Paragraph(f"Profile {profile.name}, {measured}\n{found.use}"), Points(profile.notes)]),
        Section(ERRORS, list(_errors_drawn(found))),
        Section(BANDWIDTH, list(_bandwidth_drawn(found))),
        Section(DEPTHS, list(_series_drawn(found.over_depth, DEPTHS, "tokens in the context"))),
        Section(EXPERTS, list(_series_drawn(found.over_experts, EXPERTS, "layers with experts in RAM"))),
        Section(FITTED, [Table(titles, parameters)] if parameters else []),
        Section("Told apart badly", [badly] if pairs else []),
        *_future(found),
    ])


def _errors_drawn(found: Findings) -> Iterator[Block]:
    if not found.comparisons:
        return
    for kind, of in found.errors.items():
        yield Paragraph(
            f"{SPEEDS[kind].capitalize()}: {of.rows} runs, median error {of.median:.1%}, 90th percentile {of.p90:.1%}; "
            f"repeats of a run differ by {of.spread:.1%}."
        )
    speeds = [speed for row in found.comparisons for speed in (row.measured.tok_s, row.predicted)]
    x, y = (axis_of(f"{word}, tok/s", speeds, logarithmic=True) for word in ("measured", "predicted"))
    ends = ((x.low, x.low), (x.high, x.high))
    curves = [Curve("as measured", ends, dots=False, dashed=True, colour=len(COLOURS) - 1)]
    for place, kind in enumerate(found.errors):
        points = tuple((row.measured.tok_s, row.predicted) for row in found.comparisons if row.kind == kind)
        curves.append(Curve(SPEEDS[kind], points, line=False, colour=place))
    yield Chart("Predicted against measured speeds", tuple(curves), x, y)
    rows = [
        (SPEEDS[row.kind], run_label(row.run), number(row.measured.tok_s), number(row.predicted), f"{row.error:+.1%}")
        for row in found.comparisons
    ]
    yield Table(columns("Speed", "Run", "Measured", "Predicted", "Error", numbers=3), rows)


def _bandwidth_drawn(found: Findings) -> Iterator[Block]:
    if found.bandwidth:
        points = tuple((float(threads), row.value) for threads, row in found.bandwidth)
        x = axis_of("threads", [at for at, _ in points])
        y = axis_of("GB/s read from RAM", [value for _, value in points])
        yield Chart("Bandwidth of RAM over threads", (Curve("GB/s", points),), x, y, keys=False)


def _series_drawn(found: Sequence[Series], title: str, unit: str) -> Iterator[Block]:
    """A chart of what was measured, as dots, and of what was predicted, dashed."""
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
    yield Chart(title, tuple(curves), x, y)
    yield Paragraph("Points are measured, dashed lines predicted without them.")


def _future(found: Findings) -> Iterator[Section]:
    if found.outlook is None:
        return
    rows = []
    for answer in found.outlook.now:
        speed = answer.decode_tok_s
        told = f"{number(speed.p50)} ({number(speed.p05)}-{number(speed.p95)})" if speed else "does not fit"
        limit = LIMITS[answer.bottleneck].sentence if answer.bottleneck else ""
        rows.append((f"{answer.model} {answer.quant}", limit, told))
    blocks: list[Block] = [Table(columns("Model", "Limited by", "Writes, tok/s", numbers=1), rows)]
    gaps = [Paragraph(f"{gap[0].upper()}{gap[1:]}.") for gap in found.outlook.gaps]
    if not found.outlook.upgrades:
        yield Section(HERE, [*blocks, *gaps])
        return
    yield Section(HERE, blocks)
    table = [(row.what, row.assumed, *gains(row.tok_s, row.gain_share)) for row in found.outlook.upgrades]
    yield Section(UPGRADES, [Table(columns("Upgrade", "Assumed", *MODELS, numbers=len(MODELS)), table), *gaps])


def as_data(found: Findings) -> dict[str, Any]:
    """The findings for other programs; shares are of 1, speeds in tok/s."""
    seen = found.outlook
    return {
        "profile": found.profile.model_dump(mode="json"),
        "use": found.use,
        "errors": {kind: asdict(figures) for kind, figures in found.errors.items()},
        "comparisons": [
            {
                "kind": row.kind, "run": run_label(row.run), "measured_tok_s": row.measured.tok_s,
                "predicted_tok_s": row.predicted, "error": row.error,
            } for row in found.comparisons
        ],
        "ram_read_gb_s": {str(threads): row.value for threads, row in found.bandwidth},
        "over_depth": [asdict(series) for series in found.over_depth],
        "over_n_cpu_moe": [asdict(series) for series in found.over_experts],
        "parameters": [asdict(row) for row in found.parameters],
        "models": [answer.model_dump(mode="json") for answer in seen.now] if seen else [],
        "upgrades": [
            {"what": row.what, "assumed": row.assumed, "tok_s": dict(zip(MODELS, row.tok_s, strict=True)),
             "gain_share": dict(zip(MODELS, row.gain_share, strict=True))} for row in seen.upgrades
        ] if seen else [],
        "gaps": list(seen.gaps) if seen else [],
    }
