"""Ranked builds as CSV, one line each, and as Markdown."""

import csv
import io
from collections.abc import Iterable, Iterator

from advisor.build_tables import WIDE, columns
from advisor.build_words import cells, contents, counted, explanation, headline, money, provenance
from advisor.recommendation import RankedBuild, Recommendation

CSV_COLUMNS = (
    "rank", "kind", "name", "parts", "price_usd", "usd_per_tok_s", "pareto", "decode_tok_s", "decode_p05", "decode_p95",
    "prefill_tok_s", "time_to_first_token_s", "longest_context_tokens", "power_w", "bottleneck", "strategy",
    "n_gpu_layers", "n_cpu_moe", "vram_gb", "ram_gb", "next_dollar", "oldest_price", "predict_command",
)  # fmt: skip


def to_csv(found: Recommendation) -> str:
    """A header and one line per build."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(tuple(_csv_row(build)) for build in found.builds)
    return out.getvalue()


def _csv_row(build: RankedBuild) -> Iterator[object]:
    answer, lies = build.prediction, build.prediction.placement
    decode, prefill = answer.decode_tok_s, answer.prefill_tok_s
    parts = "; ".join(name for name, _, _ in counted(build))
    yield from (build.rank, build.kind, build.name, parts, f"{build.price_usd:.2f}", f"{build.usd_per_tok_s:.2f}")
    yield build.pareto
    yield from (f"{speed:.2f}" for speed in (decode.p50, decode.p05, decode.p95)) if decode else ("", "", "")
    yield f"{prefill.p50:.1f}" if prefill else ""
    yield "" if answer.time_to_first_token_s is None else f"{answer.time_to_first_token_s:.3f}"
    yield from (build.longest_context_tokens, f"{build.power_w:.0f}", build.bottleneck)
    yield from (lies.strategy, lies.n_gpu_layers, lies.n_cpu_moe, f"{lies.vram_gb:.2f}", f"{lies.ram_gb:.2f}")
    yield build.next_dollar.text if build.next_dollar else ""
    yield min((str(part.price_as_of) for part in build.parts if part.price_as_of), default="")
    yield build.predict_command


def to_markdown(found: Recommendation) -> str:
    """The table, what it means and the parts of the first build, for a page or an issue."""
    titles, best = columns(WIDE), found.builds[0]
    ranking = [_markdown_row(build, titles) for build in found.builds]
    parts = [
        (part.kind, name, money(part.price_usd * count), f"{provenance(part)}, {part.price_source}")
        for name, part, count in counted(best)
    ]
    lines = [f"**{headline(found)}**", "", *_table(("#", "Build", *titles, "Next dollars"), ranking), ""]
    lines += [*(f"- {line}" for line in explanation(found)), "", f"Parts of build 1, {best.name}:", ""]
    lines += [
        *_table(("Part", "Name", "Price", "Quote"), parts),
        "",
        f"To see it by itself: `{best.predict_command}`",
        "",
    ]
    return "\n".join(lines)


def _markdown_row(build: RankedBuild, titles: Iterable[str]) -> tuple[str, ...]:
    numbers, after = cells(build), build.next_dollar.text if build.next_dollar else ""
    rank, told = f"{build.rank}{'*' if build.pareto else ''}", f"**{build.name}**, {contents(build)}"
    return (rank, told, *(numbers[title] for title in titles), after)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
