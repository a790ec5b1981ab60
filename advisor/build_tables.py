"""Ranked builds as text: a table for the terminal, Markdown and CSV. Plain words; what a number means stands below the table."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from advisor.recommendation import PartLine, RankedBuild, Recommendation
from advisor.report import number

LIMITS = {
    "vram_bandwidth": "GPU memory", "ram_bandwidth": "RAM speed", "gpu_overhead": "GPU overhead", "cpu_overhead": "CPU waits",
    "pcie": "PCIe link", "storage": "disk",
}  # fmt: skip
WIDE, MIDDLE = 100, 80
"""Columns of a terminal from which all, or all but context and power, are shown."""
CSV_COLUMNS = (
    "rank", "kind", "name", "parts", "price_usd", "usd_per_tok_s", "pareto", "decode_tok_s", "decode_p05", "decode_p95", "prefill_tok_s",
    "time_to_first_token_s", "longest_context_tokens", "power_w", "bottleneck", "strategy", "n_gpu_layers", "n_cpu_moe", "vram_gb", "ram_gb",
    "next_dollar", "oldest_price", "predict_command",
)  # fmt: skip


def terminal(found: Recommendation, width: int) -> RenderableType:
    """The whole answer for a terminal of `width` columns."""
    best = found.builds[0]
    return Group(
        Text(headline(found), style="bold"), "", _ranking(found.builds, width), *_wrapped(explanation(found)), "",
        Text(f"Parts of build 1, {best.name}", style="bold"), _parts_table(best), *_wrapped([*best.notes, f"To see build 1 by itself: {best.predict_command}"]),
    )  # fmt: skip


def headline(found: Recommendation) -> str:
    """The question in one line."""
    wish = found.scenario["wish"]
    budget = f"${wish['budget_usd']:,.0f} or less" if wish["budget_usd"] else "any price"
    condition = {"new": "new parts", "used": "used parts where quoted", "any": "new or used parts"}[wish["condition"]]
    model = found.builds[0].prediction.model
    return f"{model} {found.builds[0].prediction.quant}, {wish['context']:,} tokens of context, {wish['min_tok_s']:g} tok/s or more, {condition}, {budget}"


def _ranking(builds: Sequence[RankedBuild], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", width=min(width, 130))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("Build", ratio=1, overflow="fold")
    columns = _columns(width)
    for title in columns:
        table.add_column(title, justify="left" if title == "Limit" else "right", no_wrap=True)
    for build in builds:
        cells = _cells(build)
        table.add_row(f"{build.rank}{'*' if build.pareto else ' '}", _described(build), *(cells[title] for title in columns))
    return table


def _columns(width: int) -> tuple[str, ...]:
    if width >= WIDE:
        return ("Price", "$/(tok/s)", "tok/s", "(90 %)", "Prompt", "Context", "Power", "Limit")
    return ("Price", "$/(tok/s)", "tok/s", "(90 %)", "Limit") if width >= MIDDLE else ("Price", "$/(tok/s)", "tok/s")


def _cells(build: RankedBuild) -> dict[str, str]:
    decode, prefill = build.prediction.decode_tok_s, build.prediction.prefill_tok_s
    return {
        "Price": money(build.price_usd), "$/(tok/s)": f"${build.usd_per_tok_s:,.1f}", "tok/s": number(decode.p50) if decode else "",
        "(90 %)": f"{number(decode.p05)}-{number(decode.p95)}" if decode else "", "Prompt": number(prefill.p50) if prefill else "",
        "Context": tokens(build.longest_context_tokens), "Power": f"{build.power_w:.0f} W", "Limit": LIMITS.get(build.bottleneck or "", ""),
    }  # fmt: skip


def _described(build: RankedBuild) -> Text:
    text = Text(build.name, style="bold")
    inside = contents(build)
    if inside:
        text.append(f"\n{inside}", style="not bold")
    if build.next_dollar:
        text.append(f"\n{build.next_dollar.text}", style="not bold dim")
    return text


def contents(build: RankedBuild) -> str:
    """Processor and memory of a build, or the memory of a whole machine."""
    ram = build.prediction.scenario.hardware.ram
    if build.kind != "desktop":
        return f"{ram.gb:g} GB, {build.kind}" if ram.gb else build.kind
    cpu = next((part.name for part in build.parts if part.kind == "cpu"), "")
    return f"{cpu}, {ram.gb:g} GB {ram.type}-{ram.mt_s}"


def money(usd: float) -> str:
    """Whole dollars.

    >>> money(1234.5)
    '$1,234'
    """
    return f"${usd:,.0f}"


def tokens(count: int | None) -> str:
    """A context in thousands of 1024 tokens.

    >>> tokens(262144), tokens(None)
    ('256K', '-')
    """
    return f"{count / 1024:.0f}K" if count else "-"


def explanation(found: Recommendation) -> list[str]:
    """What the columns mean, how old the prices are and what was left out."""
    load = found.scenario["workload"]
    lines = [
        f"Quantisation: {found.quant_choice}.",
        f"Of {found.tried:,} builds that do, the best of each card or machine (--all for every one); * none that was tried is cheaper and faster.",
        f"tok/s: median writing speed with {load['context_depth']:,} tokens in the context, in brackets where 9 of 10 real runs should fall; "
        f"Prompt: tok/s when reading {load['prompt_tokens']} tokens; Context: the longest that fits in memory; Power: of the parts under load, an "
        "estimate; + lines: what the next dollars buy.",
        _price_dates(found.builds),
        *(f"Left out, {line}." for line in found.left_out),
        *(f"Note: {line}." for line in found.assumptions),
    ]
    return [line for line in lines if line]


def _price_dates(builds: Sequence[RankedBuild]) -> str:
    parts = [part for build in builds for part in build.parts if part.price_as_of]
    if not parts:
        return ""
    dates = sorted(part.price_as_of for part in parts if part.price_as_of)
    old = sorted({part.kind for part in parts if part.price_judgement == "pre_shortage"})
    deals = sum(part.price_judgement == "deal" for part in parts)
    said = f"; {', '.join(old)} prices are of 2025, from before the memory shortage" if old else ""
    passing = "; some are posted deals that may be gone" if deals else ""
    return f"Prices are quotes of {dates[0]} to {dates[-1]}{said}{passing}. Check them before you buy (--json has each source)."


def _wrapped(lines: Sequence[str]) -> list[RenderableType]:
    return [Padding(Text(line, style="dim"), (0, 0, 0, 0)) for line in lines]


def _parts_table(build: RankedBuild) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for justify in ("left", "left", "right", "left"):
        table.add_column(justify=justify)  # type: ignore[arg-type]
    for (part, count) in _grouped(build):
        name = part.name if count == 1 else f"{count} x {part.name}"
        table.add_row(part.kind, name, money(part.price_usd * count), provenance(part))
    table.add_row("", Text("together", style="bold"), Text(money(build.price_usd), style="bold"), "")
    return table


def _grouped(build: RankedBuild) -> list[tuple[PartLine, int]]:
    return list(Counter(build.parts).items())


def provenance(part: PartLine) -> str:
    """Condition, kind of quote and its date in a few words."""
    if part.condition == "owned":
        return "owned"
    words = {"pre_shortage": "before the memory shortage", "range": "middle of a range"}.get(part.price_judgement, part.price_judgement)
    return f"{part.condition}, {words}, {part.price_as_of}"


def to_csv(found: Recommendation) -> str:
    """One line per build."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(_csv_row(build) for build in found.builds)
    return out.getvalue()


def _csv_row(build: RankedBuild) -> Iterator[object]:
    answer = build.prediction
    decode, prefill, lies = answer.decode_tok_s, answer.prefill_tok_s, answer.placement
    yield from (build.rank, build.kind, build.name, "; ".join(f"{count} x {part.name}" for part, count in _grouped(build)))
    yield from (f"{build.price_usd:.2f}", f"{build.usd_per_tok_s:.2f}", build.pareto)
    yield from (f"{speed:.2f}" for speed in (decode.p50, decode.p05, decode.p95)) if decode else ("", "", "")
    yield f"{prefill.p50:.1f}" if prefill else ""
    yield f"{answer.time_to_first_token_s:.3f}" if answer.time_to_first_token_s is not None else ""
    yield from (build.longest_context_tokens, f"{build.power_w:.0f}", build.bottleneck, lies.strategy, lies.n_gpu_layers, lies.n_cpu_moe)
    yield from (f"{lies.vram_gb:.2f}", f"{lies.ram_gb:.2f}", build.next_dollar.text if build.next_dollar else "")
    yield min((str(part.price_as_of) for part in build.parts if part.price_as_of), default="")
    yield build.predict_command


def to_markdown(found: Recommendation) -> str:
    """A table and its explanation, for a page or an issue."""
    columns = _columns(WIDE)
    head = ["#", "Build", *columns, "Next dollars"]
    lines = [f"**{headline(found)}**", "", _markdown_row(head), _markdown_row(["---"] * len(head))]
    for build in found.builds:
        cells = _cells(build)
        name = f"**{build.name}**, {contents(build)}"
        after = build.next_dollar.text if build.next_dollar else ""
        lines.append(_markdown_row([f"{build.rank}{'*' if build.pareto else ''}", name, *(cells[title] for title in columns), after]))
    lines += ["", *(f"- {line}" for line in explanation(found)), "", f"Parts of build 1, {found.builds[0].name}:", ""]
    lines += [_markdown_row(["Part", "Name", "Price", "Quote"]), _markdown_row(["---"] * 4)]
    for part, count in _grouped(found.builds[0]):
        lines.append(_markdown_row([part.kind, part.name if count == 1 else f"{count} x {part.name}", money(part.price_usd * count), f"{provenance(part)}, {part.price_source}"]))
    return "\n".join([*lines, ""])


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
