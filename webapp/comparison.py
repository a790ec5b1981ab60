"""Builds side by side: one column per build, one row per fact. All pure."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from advisor.build_words import LIMITS, tokens
from advisor.report import number, seconds
from webapp.build_rows import REGIMES, said
from webapp.described import DescribedBuild
from webapp.words import price_dates

Row = dict[str, Any]


def titles(found: Sequence[DescribedBuild]) -> list[str]:
    """A short name for each build, told apart where two are called the same."""
    names = [item.build.name if item.build else item.prediction.machine.split(" | ")[0] for item in found]
    return [name if names.count(name) == 1 else f"{name} ({at})" for at, name in enumerate(names, 1)]


def facts(found: Sequence[DescribedBuild], day: date) -> list[Row]:
    """The table."""
    columns = [_facts(item, day) for item in found]
    names = titles(found)
    return [
        {"Fact": fact, **{name: column[fact] for name, column in zip(names, columns, strict=True)}}
        for fact in columns[0]
    ]  # fmt: skip


def _facts(item: DescribedBuild, day: date) -> dict[str, str]:
    answer, build = item.prediction, item.build
    first, speed = answer.time_to_first_token_s, answer.decode_tok_s
    return {
        "Processor": answer.machine.rpartition(" | ")[2], "Memory": _memory(item),
        "Price": f"${build.price_usd:,.0f}" if build else "no price",
        "Prices of": price_dates(build.parts, day) if build else item.why_not,
        "Writes, tok/s": said(speed), "Reads, tok/s": said(answer.prefill_tok_s),
        "$/(tok/s)": f"${build.usd_per_tok_s:,.1f}" if build else "",
        "First token": seconds(first) if first is not None else "",
        "Longest context": tokens(build.longest_context_tokens) if build else "",
        "Power": f"{build.power_w:.0f} W" if build else "",
        "Where the weights lie": REGIMES.get(answer.regime, answer.regime),
        "n_cpu_moe": str(answer.placement.n_cpu_moe),
        "VRAM used": f"{answer.placement.vram_gb:.1f} GiB", "RAM used": f"{answer.placement.ram_gb:.1f} GiB",
        "Limited by": LIMITS.get(answer.bottleneck or "", ""),
        "Mind": "; ".join(note.message for note in (*(build.notes if build else ()), *answer.warnings)),
    }  # fmt: skip


def _memory(item: DescribedBuild) -> str:
    ram = item.prediction.scenario.hardware.ram
    kind = f"{ram.type}-{ram.mt_s}" if ram.type and ram.mt_s else ram.type or ""
    return " ".join(filter(None, (f"{ram.gb:g} GB" if ram.gb else "", kind))) or "not said"


def speeds(found: Sequence[DescribedBuild]) -> list[Row]:
    """Writing speeds for the chart; a build that does not run has none."""
    return [
        {"name": name, "speed": speed.p50, "low": speed.p05, "high": speed.p95,
         "said": f"{number(speed.p50)} ({number(speed.p05)}-{number(speed.p95)})"}
        for name, item in zip(titles(found), found, strict=True) if (speed := item.prediction.decode_tok_s)
    ]  # fmt: skip
