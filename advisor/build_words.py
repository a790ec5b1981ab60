"""How to say a ranked build: its cells, what they mean, how old its prices are. The same words on every page."""

from collections import Counter
from collections.abc import Sequence

from advisor.recommendation import KIND_WORDS, PartLine, RankedBuild, Recommendation
from advisor.report import number

LIMITS = {
    "vram_bandwidth": "GPU memory", "ram_bandwidth": "RAM speed",
    "cpu_compute": "CPU compute", "gpu_overhead": "GPU overhead",
    "cpu_overhead": "CPU waits", "pcie": "PCIe link", "storage": "disk",
}  # fmt: skip
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
        "Power": f"{build.power_w:.0f} W", "Limit": LIMITS.get(build.bottleneck or "", ""),
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
