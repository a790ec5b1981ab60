"""Ranked builds as documents: their cells, what they mean, how old their prices are. The same words on every page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from advisor.answer import LIMITS
from advisor.buying.recommendation import KIND_WORDS, PartLine, RankedBuild, Recommendation
from advisor.documents import Cell, Section, Table, TableColumn, Words, as_csv, columns, number
from advisor.market.money import Exchange, shown

DOLLARS = Exchange()
PER_SPEED = "$/(tok/s)"
ORDERS = {
    "value": "least $/(tok/s)", "speed": "the fastest", "price": "the cheapest",
    "prompt": "the fastest to read a prompt",
}
CONDITIONS = {"new": "new parts", "used": "used parts where quoted", "any": "new or used parts"}


def headline(found: Recommendation) -> str:
    """The question in one line."""
    wish, answer = found.scenario["wish"], found.builds[0].prediction
    budget = f"{exchange_of(found).said(wish['budget_usd'])} or less" if wish["budget_usd"] else "any price"
    wanted = f"{wish['context']:,} tokens of context, {wish['min_tok_s']:g} tok/s or more"
    return f"{answer.model} {answer.quant}, {wanted}{people(wish)}, {CONDITIONS[wish['condition']]}, {budget}"


def people(wish: Mapping[str, Any]) -> str:
    """How many write at once, where it is not one alone."""
    return f" for each of {wish['users']} at once" if wish.get("users", 1) > 1 else ""


def exchange_of(found: Recommendation) -> Exchange:
    """The currency of an answer."""
    return Exchange(found.currency, found.per_usd)


def cells(build: RankedBuild, exchange: Exchange = DOLLARS) -> dict[str, str]:
    """Numbers of a build by the title of their column."""
    unit = shown(exchange.of(build.usd_per_tok_s) if exchange.of(1) < 10 else round(exchange.of(build.usd_per_tok_s)),
                 exchange.currency)
    decode, prefill = build.prediction.decode_tok_s, build.prediction.prefill_tok_s
    return {
        "Price": exchange.said(build.price_usd),
        "(80 %)": f"{exchange.said(build.low_usd)} to {exchange.said(build.high_usd)}", PER_SPEED: unit,
        "tok/s": number(decode.p50) if decode else "",
        "(90 %)": f"{number(decode.p05)}-{number(decode.p95)}" if decode else "",
        "Prompt": number(prefill.p50) if prefill else "", "Context": tokens(build.longest_context_tokens),
        "Power": f"{build.power_w:.0f} W", "Limit": LIMITS[build.bottleneck].short if build.bottleneck else "",
    }


def contents(build: RankedBuild) -> str:
    """Processor and memory of a build, or the memory of a whole machine."""
    ram = build.prediction.scenario.hardware.ram
    if build.kind != "desktop":
        return f"{ram.gb:g} GB, {build.kind}" if ram.gb else build.kind
    hardware = build.prediction.scenario.hardware
    cpu = next((part.name for part in build.parts if part.kind == "cpu"), hardware.cpu_name or "")
    return f"{cpu}, {ram.gb:g} GB {ram.type}-{ram.mt_s}"


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


def provenance(part: PartLine, exchange: Exchange = DOLLARS) -> str:
    """Condition, interval of one piece, on how much it rests and the newest date in a few words."""
    if part.condition == "owned" or part.own:
        return "owned" if part.condition == "owned" else f"{part.condition}, your price of {part.price_as_of}"
    seen = f"{part.price_observations} seen" if part.price_observations > 1 else "1 seen"
    alone = ", one source" if part.one_source and part.price_observations > 1 else ""
    span = f"{exchange.said(part.low_usd)}-{exchange.of(part.high_usd):,.0f}"
    return f"{part.condition}, {span}, {seen}{alone}, newest {part.price_as_of}"


def explanation(found: Recommendation) -> list[str]:
    """What was chosen, what the columns mean, how old the prices are and what was left out."""
    several = len({build.name for build in found.builds}) < len(found.builds)
    which = "" if several else "the best of each card or machine, "
    first = ORDERS[found.scenario["wish"].get("sort", "value")] if found.task is None else "the best for its price"
    shown = f"{found.tried:,} builds do; shown: {which}{first} first (--all and --limit show more)."
    lines = (
        f"Quantisation: {found.quant_choice}." if found.task is None else "",
        f"{shown} *: no build that was tried is both cheaper and faster.",
        _titles_explained(found.scenario["workload"]),
        "As good: more than half of the intervals of what a token per second costs is the same."
        if any(build.tie for build in found.builds) else "",
        _price_dates(found.builds),
        f"Amounts in {found.currency}: {found.per_usd:.4g} for one US dollar; tax and duty are not in them."
        if found.currency != "USD" else "",
        *(f"Left out, {line}." for line in found.left_out),
        *_cautions(found.builds),
        *(f"Note: {line}." for line in found.assumptions),
    )
    return [line for line in lines if line]


def _cautions(builds: Sequence[RankedBuild]) -> list[str]:
    """What to mind of builds further down, which the list of parts does not show."""
    fanless = (build for build in builds if any(note.code == "no_fan" for note in build.notes))
    names = dict.fromkeys(part.name for build in fanless for part in build.parts if part.kind == "gpu")
    advice = "without a fan of its own (shroud and fan are among the parts) and in need of Above 4G Decoding"
    return [f"Mind: {advice}: {', '.join(names)}."] if names else []


def _titles_explained(load: dict[str, int]) -> str:
    depth = load["context_depth"] or load["prompt_tokens"]
    return (
        f"tok/s: median writing speed with {depth:,} tokens in the context, and where 9 of 10 real runs should "
        f"fall. Prompt: tok/s reading {load['prompt_tokens']:,} tokens. Context: the longest that fits in memory. "
        "Power: of the parts under load, estimated. +$: what the next dollars buy."
    )


def _price_dates(builds: Sequence[RankedBuild]) -> str:
    parts = [part for build in builds for part in build.parts if part.price_as_of]
    if not parts:
        return ""
    dates = sorted(part.price_as_of for part in parts if part.price_as_of)
    old, stale = (
        ", ".join(sorted({KIND_WORDS[part.kind][1] for part in parts if getattr(part, flag)}))
        for flag in ("before_shortage", "stale")
    )
    said = f"; those of 2025 ({old}) are from before the memory shortage" if old else ""
    said += f"; older than 45 days, though such prices move: {stale}" if stale else ""
    return (
        "Prices: what an ordinary buyer pays a seller to trust, before tax, by what was seen, the newest of each part "
        f"of {dates[0]} to {dates[-1]}{said}. In brackets: where 8 of 10 such prices fall. Check them before you buy; "
        "--json has the sources."
    )


# A table of ranked builds.

WIDE, MIDDLE = 100, 80
"""Columns of a terminal from which all, or all but prompt, context and power, are shown."""


def ranking_section(found: Recommendation, width: int, title: str = "") -> Section:
    """The table of the builds for a terminal of `width` columns."""
    titles, exchange = titles_for(width), exchange_of(found)
    head = [TableColumn(right=True, whole=True), TableColumn("Build", fills=True)]
    head += [TableColumn(_titled(title, exchange), right=title != "Limit", whole=True) for title in titles]
    ranking: list[list[Cell]] = []
    for build, tied in leaders(found.builds) if found.task is None else [(build, []) for build in found.builds]:
        numbers = cells(build, exchange)
        runs = f"{build.model} {build.quant}; " if found.task else ""
        plain = f"{runs}{contents(build)}; {numbers['(80 %)']}"
        words = Words(build.name, plain, "\n".join((*_tied(tied, exchange), *_next(build, exchange))))
        ranking.append([f"{build.rank}{'*' if build.pareto else ' '}", words, *(numbers[title] for title in titles)])
    return Section(title, [Table(head, ranking)])


def leaders(builds: Sequence[RankedBuild]) -> list[tuple[RankedBuild, list[RankedBuild]]]:
    """Builds in their order, each with those after it that prices cannot tell from it: shown as one."""
    found: list[tuple[RankedBuild, list[RankedBuild]]] = []
    for build in builds:
        leader = next((tied for first, tied in found if build.name in first.tie), None)
        if leader is None:
            found.append((build, []))
        else:
            leader.append(build)
    return found


def _tied(tied: Sequence[RankedBuild], exchange: Exchange) -> list[str]:
    """The line that names builds as good as the one above it."""
    named = [
        f"{build.rank}{'*' if build.pareto else ''} {build.name} ({exchange.said(build.price_usd)}, "
        f"{number(build.prediction.decode_tok_s.p50) if build.prediction.decode_tok_s else '-'} tok/s)"
        for build in tied
    ]
    return [f"as good: {', '.join(named)}"] if named else []


def _next(build: RankedBuild, exchange: Exchange) -> list[str]:
    """The line of what the next dollars buy."""
    swap = build.next_dollar
    return [f"+{exchange.said(swap.extra_usd)}:{swap.text.partition(':')[2]}"] if swap else []


def _titled(title: str, exchange: Exchange) -> str:
    return title.replace("$", exchange.currency) if exchange.currency != "USD" else title


def titles_for(width: int) -> tuple[str, ...]:
    """Titles of the columns that a terminal has room for."""
    if width >= WIDE:
        return ("Price", PER_SPEED, "tok/s", "(90 %)", "Prompt", "Context", "Power", "Limit")
    return ("Price", PER_SPEED, "tok/s", "(90 %)", "Limit") if width >= MIDDLE else ("Price", PER_SPEED, "tok/s")


# CSV, one line for each build.

CSV_COLUMNS = (
    "rank", "kind", "name", "parts", "price_usd", "low_usd", "high_usd", "price", "currency", "usd_per_tok_s", "pareto",
    "decode_tok_s", "decode_p05", "decode_p95", "prefill_tok_s", "time_to_first_token_s", "longest_context_tokens",
    "power_w", "bottleneck", "strategy", "n_gpu_layers", "n_cpu_moe", "vram_gb", "ram_gb", "next_dollar",
    "oldest_price", "tie", "predict_command",
)


def to_csv(found: Recommendation) -> str:
    """A header and one line per build."""
    rows = [list(_csv_row(build, found.currency)) for build in found.builds]
    return as_csv(Table(columns(*CSV_COLUMNS), rows), harmless=False)  # no word of it is a visitor's


def _csv_row(build: RankedBuild, currency: str) -> Iterator[Cell]:
    answer, lies = build.prediction, build.prediction.placement
    decode, prefill = answer.decode_tok_s, answer.prefill_tok_s
    parts = "; ".join(name for name, _, _ in counted(build))
    yield from (build.rank, build.kind, build.name, parts, f"{build.price_usd:.2f}", f"{build.low_usd:.2f}")
    yield from (f"{build.high_usd:.2f}", f"{build.price:.2f}", currency, f"{build.usd_per_tok_s:.2f}", build.pareto)
    yield from (f"{speed:.2f}" for speed in (decode.p50, decode.p05, decode.p95)) if decode else ("", "", "")
    yield f"{prefill.p50:.1f}" if prefill else ""
    yield "" if answer.time_to_first_token_s is None else f"{answer.time_to_first_token_s:.3f}"
    yield from (build.longest_context_tokens, f"{build.power_w:.0f}", build.bottleneck)
    yield from (lies.strategy, lies.n_gpu_layers, lies.n_cpu_moe, f"{lies.vram_gb:.2f}", f"{lies.ram_gb:.2f}")
    yield build.next_dollar.text if build.next_dollar else ""
    yield min((str(part.price_as_of) for part in build.parts if part.price_as_of), default="")
    yield "; ".join(build.tie)
    yield build.predict_command
