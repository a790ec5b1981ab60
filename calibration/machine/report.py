"""What a calibration found, as lines of text for the terminal: at most 100 columns, ASCII."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from advisor.answer import LIMITS
from advisor.documents import bar, number
from advisor.machines.from_parts import machine_of
from advisor.profiles.own_machine import hardware_of
from calibration.machine.findings import Findings, OwnComparison, Parameter, Series, run_label
from calibration.machine.outlook import CONTEXT_TOKENS, MODELS, Outcome, Outlook
from catalog.profiles import Profile

WIDTH = 100
MOST_RUNS = 30
"""Runs listed in the terminal, the worst predicted first; the page and JSON have all."""
MODEL_COLUMN = 18
SPEEDS = {"decode": "writing", "prefill": "reading"}


def lines(found: Findings) -> list[str]:
    """The whole report."""
    sections = [
        ("", [*_heading(found)]),
        ("Predicted without having seen the run, against measured", [*_errors(found)]),
        ("RAM read, by threads", [*_bandwidth(found)]),
        ("Writing, by tokens in the context", [*_series(found.over_depth, "tokens")]),
        ("Writing, by layers whose experts are in RAM", [*_series(found.over_experts, "layers")]),
        ("What was fitted: factors on what all machines tell", [*_parameters(found.parameters)]),
        ("Told apart badly (correlation)", [*_correlations(found)]),
        (f"Well-known models here ({CONTEXT_TOKENS:,} tokens of room, empty)", [*_models(found.outlook)]),
        ("What an upgrade would change (writing)", [*_upgrades(found.outlook)]),
        ("Mind", [line for note in found.profile.notes for line in _point(note)]),
    ]
    text: list[str] = []
    for title, rows in sections:
        if rows:
            text += ["", title] if title else []
            text += rows
    return text


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
    build = f"({engine.build})" if engine.build and engine.build != engine.version else None
    return " ".join(filter(None, [engine.name, engine.version, build, f"on {engine.backend}"]))


def _heading(found: Findings) -> Iterator[str]:
    profile = found.profile
    kept = sum(run.held_out for run in profile.runs)
    yield f"Profile {profile.name}: {machine_name(profile)}"
    held = f", {kept} of them kept to check the fit with" if kept else ""
    yield f"  measured {profile.measured_on} with {engine_name(profile)}: {len(profile.runs)} runs{held}"
    yield from wrap(found.use, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _errors(found: Findings) -> Iterator[str]:
    for kind, figures in found.errors.items():
        yield (
            f"  {SPEEDS[kind]:<8} {figures.rows:>4} runs   error: median {figures.median:.1%}, 90th percentile "
            f"{figures.p90:.1%}   (repeats differ by {figures.spread:.1%})"
        )
    rows = sorted(found.comparisons, key=lambda row: -abs(row.error))
    if rows:
        yield f"  {'':<8} {'measured':>9} {'predicted':>10} {'error':>7}"
    yield from (_run(row) for row in rows[:MOST_RUNS])
    if len(rows) > MOST_RUNS:
        yield f"  and {len(rows) - MOST_RUNS} more that are predicted better (--html and --json have all)"


def _run(row: OwnComparison) -> str:
    text = f"  {SPEEDS[row.kind]:<8} {number(row.measured.tok_s):>9} {number(row.predicted):>10} {row.error:>+7.1%}  "
    return f"{text}{run_label(row.run)}"[:WIDTH]


def _bandwidth(found: Findings) -> Iterator[str]:
    most = max((row.value for _, row in found.bandwidth), default=1.0)
    for threads, row in found.bandwidth:
        yield f"  {threads:>4} {row.value:>7.1f} GB/s +- {row.spread:.1%}  {bar(row.value / most)}"


def _series(found: Iterable[Series], unit: str) -> Iterator[str]:
    for series in found:
        yield f"  {series.label}"[:WIDTH]
        most = max(point.measured for point in series.points)
        for point in series.points:
            told = f"(predicted {number(point.predicted)})" if point.predicted else ""
            share = bar(point.measured / most)
            yield f"  {point.at:>8,.0f} {unit} {number(point.measured):>7} tok/s  {share} {told}".rstrip()


def _parameters(rows: Sequence[Parameter]) -> Iterator[str]:
    told = [row for row in rows if row.informed]
    for row in told:
        name = f"{row.coefficient} ({row.label})" if row.label else row.coefficient
        yield f"  {name:<30} x {row.factor:>5.2f} +- {math.expm1(row.log_error):>4.0%}   {row.unit}"
    names = dict.fromkeys(row.coefficient if not row.label else f"{row.coefficient} ({row.label})"
                          for row in rows if not row.informed)  # fmt: skip
    if names:
        yield from wrap(f"assumed, as no run here informs them: {', '.join(names)}", WIDTH,
                        initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)  # fmt: skip


def _correlations(found: Findings) -> Iterator[str]:
    for row in found.correlations:
        yield f"  {row.value:+.2f}  {row.first} and {row.second}"


def _models(seen: Outlook | None) -> Iterator[str]:
    for answer in seen.now if seen else ():
        name, speed = f"{answer.model} {answer.quant}", answer.decode_tok_s
        if speed is None:
            yield f"  {name}: does not fit"
            continue
        limit = LIMITS[answer.bottleneck or "ram_bandwidth"].sentence
        text = f"{name}: writes {number(speed.p50)} tok/s ({number(speed.p05)}-{number(speed.p95)}); limited by {limit}"
        yield from wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _upgrades(seen: Outlook | None) -> Iterator[str]:
    if seen is None:
        return
    if seen.upgrades:
        yield f"  {'':<44}{''.join(f'{name:>{MODEL_COLUMN}}' for name in MODELS)}"
    for row in seen.upgrades:
        yield f"  {row.what:<44}{''.join(f'{gain:>{MODEL_COLUMN}}' for gain in gains(row))}"
    for remark in dict.fromkeys(row.assumed for row in seen.upgrades):
        of = [row.what for row in seen.upgrades if row.assumed == remark]
        yield from _point(f"{', '.join(of)}: {remark}")
    yield from (line for gap in seen.gaps for line in _point(gap))


def gains(row: Outcome) -> list[str]:
    """What an upgrade gives each model, in words."""
    words = []
    for speed, gain in zip(row.tok_s, row.gain_share, strict=True):
        if speed is None:
            words.append("does not fit")
        else:
            words.append(f"fits: {number(speed)} tok/s" if gain is None else f"{gain:+.0%}")
    return words


def _point(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")


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
    }  # fmt: skip
