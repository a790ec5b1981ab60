"""Ranked builds as documents: their cells, what they mean, how old their prices are. The same words on every page."""

from collections import Counter
from collections.abc import Iterator, Sequence

from advisor.answer import LIMITS
from advisor.buying.recommendation import KIND_WORDS, PartLine, RankedBuild, Recommendation
from advisor.documents import (
    Cell,
    Document,
    Paragraph,
    Points,
    Section,
    Table,
    TableColumn,
    Words,
    as_csv,
    as_markdown,
    columns,
    number,
)  # fmt: skip

QUOTES = {"pre_shortage": "before the memory shortage", "range": "middle of a range"}
CONDITIONS = {"new": "new parts", "used": "used parts where quoted", "any": "new or used parts"}


def headline(found: Recommendation) -> str:
    """The question in one line."""
    wish, answer = found.scenario["wish"], found.builds[0].prediction
    budget = f"${wish['budget_usd']:,.0f} or less" if wish["budget_usd"] else "any price"
    wanted = f"{wish['context']:,} tokens of context, {wish['min_tok_s']:g} tok/s or more"
    return f"{answer.model} {answer.quant}, {wanted}, {CONDITIONS[wish['condition']]}, {budget}"


def cells(build: RankedBuild) -> dict[str, str]:
    """Numbers of a build by the title of their column."""
    decode, prefill = build.prediction.decode_tok_s, build.prediction.prefill_tok_s
    return {
        "Price": money(build.price_usd), "$/(tok/s)": f"${build.usd_per_tok_s:,.1f}",
        "tok/s": number(decode.p50) if decode else "",
        "(90 %)": f"{number(decode.p05)}-{number(decode.p95)}" if decode else "",
        "Prompt": number(prefill.p50) if prefill else "", "Context": tokens(build.longest_context_tokens),
        "Power": f"{build.power_w:.0f} W", "Limit": LIMITS[build.bottleneck].short if build.bottleneck else "",
    }  # fmt: skip


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


def counted(build: RankedBuild) -> list[tuple[str, PartLine, int]]:
    """Name with its count, one of its pieces, and the count, of each part."""
    found = Counter(build.parts).items()
    return [(part.name if count == 1 else f"{count} x {part.name}", part, count) for part, count in found]


def provenance(part: PartLine) -> str:
    """Condition, kind of quote and its date in a few words."""
    if part.condition == "owned":
        return "owned"
    return f"{part.condition}, {QUOTES.get(part.price_judgement, part.price_judgement)}, {part.price_as_of}"


def explanation(found: Recommendation) -> list[str]:
    """What was chosen, what the columns mean, how old the prices are and what was left out."""
    several = len({build.name for build in found.builds}) < len(found.builds)
    which = "" if several else "the best of each card or machine, "
    shown = f"{found.tried:,} builds do; shown: {which}least $/(tok/s) first (--all and --limit show more)."
    lines = (
        f"Quantisation: {found.quant_choice}.",
        f"{shown} *: no build that was tried is both cheaper and faster.",
        _titles_explained(found.scenario["workload"]),
        _price_dates(found.builds),
        *(f"Left out, {line}." for line in found.left_out),
        *_cautions(found.builds),
        *(f"Note: {line}." for line in found.assumptions),
    )
    return [line for line in lines if line]


def _cautions(builds: Sequence[RankedBuild]) -> list[str]:
    """What to mind of builds further down, which the list of parts does not show."""
    fanless = (build for build in builds if any(note.code == "no_fan" for note in build.notes))
    names = dict.fromkeys(part.name for build in fanless for part in build.parts if part.kind == "gpu")
    advice = "without a fan of its own (add one) and in need of Above 4G Decoding on the board"
    return [f"Mind: {advice}: {', '.join(names)}."] if names else []


def _titles_explained(load: dict[str, int]) -> str:
    return (
        f"tok/s: median writing speed with {load['context_depth']:,} tokens in the context, and where 9 of 10 real "
        f"runs should fall. Prompt: tok/s reading {load['prompt_tokens']} tokens. Context: the longest that fits in "
        "memory. Power: of the parts under load, estimated. +$: what the next dollars buy."
    )


def _price_dates(builds: Sequence[RankedBuild]) -> str:
    parts = [part for build in builds for part in build.parts if part.price_as_of]
    if not parts:
        return ""
    dates = sorted(part.price_as_of for part in parts if part.price_as_of)
    old = sorted({KIND_WORDS[part.kind][1] for part in parts if part.price_judgement == "pre_shortage"})
    said = f"; those of 2025 ({', '.join(old)}) are from before the memory shortage" if old else ""
    passing = ", some of them passing deals" if any(part.price_judgement == "deal" for part in parts) else ""
    quotes = f"Prices: quotes of {dates[0]} to {dates[-1]}{passing}{said}."
    return f"{quotes} Check them before you buy; --json has the sources."


# A terminal: ranked builds, what the numbers mean, and the parts of the first.

WIDE, MIDDLE = 100, 80
"""Columns of a terminal from which all, or all but prompt, context and power, are shown."""


def document(found: Recommendation, width: int) -> Document:
    """The answer for a terminal of `width` columns; the command for the first build is to follow, unwrapped."""
    best, titles = found.builds[0], titles_for(width)
    head = [TableColumn(right=True, whole=True), TableColumn("Build", fills=True)]
    head += [TableColumn(title, right=title != "Limit", whole=True) for title in titles]
    ranking: list[list[Cell]] = []
    for build in found.builds:
        numbers, after = cells(build), build.next_dollar.text if build.next_dollar else ""
        words = Words(build.name, contents(build), after)
        ranking.append([f"{build.rank}{'*' if build.pareto else ' '}", words, *(numbers[title] for title in titles)])
    parts: list[list[Cell]] = [
        [part.kind, name, money(part.price_usd * count), provenance(part)] for name, part, count in counted(best)
    ]
    parts.append(["", "together", Words(money(best.price_usd)), ""])
    sides = TableColumn(), TableColumn(), TableColumn(right=True), TableColumn()
    return Document(headline(found), [
        Section("", [Table(head, ranking)]),
        Section("", [Paragraph(line, faint=True) for line in explanation(found)]),
        Section(f"Parts of build 1, {best.name}", [
            Table(sides, parts, head=False), *(Paragraph(note.message, faint=True) for note in best.notes),
        ]),
        Section("", [Paragraph("To see build 1 by itself", strong=True)]),
    ])  # fmt: skip


def titles_for(width: int) -> tuple[str, ...]:
    """Titles of the columns that a terminal has room for."""
    if width >= WIDE:
        return ("Price", "$/(tok/s)", "tok/s", "(90 %)", "Prompt", "Context", "Power", "Limit")
    return ("Price", "$/(tok/s)", "tok/s", "(90 %)", "Limit") if width >= MIDDLE else ("Price", "$/(tok/s)", "tok/s")


# Files: CSV, one line for each build, and Markdown.

CSV_COLUMNS = (
    "rank", "kind", "name", "parts", "price_usd", "usd_per_tok_s", "pareto", "decode_tok_s", "decode_p05", "decode_p95",
    "prefill_tok_s", "time_to_first_token_s", "longest_context_tokens", "power_w", "bottleneck", "strategy",
    "n_gpu_layers", "n_cpu_moe", "vram_gb", "ram_gb", "next_dollar", "oldest_price", "predict_command",
)  # fmt: skip


def to_csv(found: Recommendation) -> str:
    """A header and one line per build."""
    rows = [list(_csv_row(build)) for build in found.builds]
    return as_csv(Table(columns(*CSV_COLUMNS), rows), harmless=False)  # no word of it is a visitor's


def _csv_row(build: RankedBuild) -> Iterator[Cell]:
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
    titles, best = titles_for(WIDE), found.builds[0]
    ranking: list[list[Cell]] = []
    for build in found.builds:
        numbers, after = cells(build), build.next_dollar.text if build.next_dollar else ""
        rank, words = f"{build.rank}{'*' if build.pareto else ''}", Words(build.name, contents(build))
        ranking.append([rank, words, *(numbers[title] for title in titles), after])
    parts = [
        (part.kind, name, money(part.price_usd * count), f"{provenance(part)}, {part.price_source}")
        for name, part, count in counted(best)
    ]
    return as_markdown(Document("", [Section("", [
        Paragraph(headline(found), strong=True),
        Table(columns("#", "Build", *titles, "Next dollars"), ranking),
        Points(explanation(found)),
        Paragraph(f"Parts of build 1, {best.name}:"),
        Table(columns("Part", "Name", "Price", "Quote"), parts),
        Paragraph(f"To see it by itself: `{best.predict_command}`"),
    ])]))  # fmt: skip
