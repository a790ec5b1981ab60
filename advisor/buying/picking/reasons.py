"""Why a pick, and what speaks against it, in sentences of facts."""

from collections.abc import Iterator, Mapping
from typing import Literal

from advisor.answer import REGIMES
from advisor.buying.picking.picks import BEYOND, ENOUGH_RUNS, Pairing, PickName
from advisor.buying.picking.practice import practice_of
from advisor.buying.wish import ALL_KINDS
from advisor.documents import number, seconds
from advisor.market.money import Exchange
from catalog.names.gpus import resolve_gpu

WORDS_PER_TOKEN = 0.75
"""English. Source: OpenAI, "What are tokens and how to count them?"."""
MUCH_POWER_W = 450.0
"""More than this under load is heard and felt in a room: this program's choice."""
OWN_RUNS = "by_own_runs"
"""The warning that tells of the owner's own measurements speaks for a pick."""
WIDE_PRICE = 1.5
"""High over low of the 80 % interval from which a price is called uncertain."""
WHOLE_OR_PART: Mapping[str, str] = {
    "cpu": "processor", "ram": "memory", "ssd": "disk", "psu": "power supply", "unified": "machine",
    "office": "office PC",
}
"""What is bought second-hand, by the kind of part."""
PICK_WORDS: Mapping[PickName, str] = {
    "value": "Our pick", "cheapest": "Spend less", "fastest": "Fastest for your money", "ready_made": "Ready-made",
}
REMARKS: Mapping[PickName, str] = {
    "value": "the most for the money", "cheapest": "the cheapest that is pleasant",
    "fastest": "what the whole budget buys", "ready_made": "nothing to put together",
}


def context_words(tokens: int) -> str:
    """A number of tokens as people say it.

    >>> context_words(61440), context_words(512)
    ('60K', '512')
    """
    return f"{tokens / 1024:.0f}K" if tokens >= 1024 else str(tokens)


def why(pick: PickName, item: Pairing, first: Pairing, exchange: Exchange) -> Iterator[str]:
    """What speaks for a pick; `first` is the pick that others are compared with."""
    task = item.goal.task
    decode = item.prediction.decode_tok_s
    if pick == "cheapest":
        yield f"{exchange.said(first.build.price_usd - item.build.price_usd)} less than our pick"
    if pick == "fastest":
        times, more = first.step_s / item.step_s, item.build.price_usd - first.build.price_usd
        extra = f"{exchange.said(more)} more" if more > 0 else f"{exchange.said(-more)} less"
        yield f"{times:.1f} times as fast as our pick for {extra}, judged by the slower half of each range"
    if pick == "ready_made":
        yield "is bought as it stands: nothing to choose, nothing to build"
    if decode:
        words = number(decode.p50 * WORDS_PER_TOKEN)
        each = f" for each of {item.goal.wish.users}" if item.goal.wish.users > 1 else ""
        yield f"writes {number(decode.p50)} tokens a second{each}, some {words} words"
    if item.prefill_tok_s:
        yield f"reads {context_words(task.reads)} tokens in {seconds(item.wait_s)} before the first answer"
    if item.choice.llm.id != first.choice.llm.id and item.choice.cautious > first.choice.cautious:
        yield f"its model is better: index {item.choice.quality:.0f}, not {first.choice.quality:.0f}"
    if item.measured >= ENOUGH_RUNS:
        yield f"{item.measured} public runs name this {'card' if has_card(item) else 'machine'}"
    yield from (warning.message for warning in item.prediction.warnings if warning.code == OWN_RUNS)
    if spare := spare_gb(item):
        yield f"{spare:.0f} GB of graphics memory stay free for a longer context or a larger model"


def against(item: Pairing, first: Pairing, exchange: Exchange) -> Iterator[str]:
    """What speaks against a pick."""
    build = item.build
    used = dict.fromkeys(part.kind for part in build.parts if part.quote.condition == "used")
    if "gpu" in used:
        yield "a second-hand card: no maker's warranty, so test it on the first day"
    elif used:
        what = " and ".join(WHOLE_OR_PART.get(kind, kind) for kind in used)
        yield f"second-hand {what}: no maker's warranty"
    yield from of_card(item)
    if item.choice.cautious < 0.9 * first.choice.cautious:
        yield f"a weaker model: index {item.choice.quality:.0f}, not {first.choice.quality:.0f}"
    yield from _of_speed(item)
    if build.cards and build.cards.count > 1:
        yield f"{build.cards.count} cards need room, air and cables: harder to build than one"
    if build.power_w > MUCH_POWER_W:
        yield f"draws {build.power_w:.0f} W under load: it will be heard and felt"
    low, high = build.interval_usd
    if low > 0 and high / low > WIDE_PRICE:
        yield f"its price is uncertain: {exchange.said(low)} to {exchange.said(high)}"
    main = max(build.parts, key=lambda part: part.quote.price_usd)
    if main.quote.one_source and main.quote.observations:
        yield f"the price of {main.name} rests on one source: look for it before you decide"
    if build.kind != "desktop":
        yield "its memory cannot be added to later"
    elif build.platform is None and not item.ready_made:
        yield "a used office PC: its own power supply and slots set the limits"
    yield from (note.message for note in build.notes if note.code != "check_length")
    yield from (warning.message for warning in item.prediction.warnings if warning.code != OWN_RUNS)


def of_card(item: Pairing) -> Iterator[str]:
    """What living with its card is like, where that is hard."""
    card = next((part.name for part in item.build.parts if part.kind == "gpu"), "")
    if not card:
        return
    known = practice_of(resolve_gpu(card).row)
    if known.ended:
        yield f"{card}: {known.ended}"
    if not known.outputs:
        yield f"{card} has no output for a screen"


def _of_speed(item: Pairing) -> Iterator[str]:
    """What speaks against the speed of a pick."""
    answer = item.prediction
    if item.label and item.measured < ENOUGH_RUNS:
        runs = {0: "no public run names", 1: "one public run names"}.get(item.measured, f"{item.measured} runs name")
        spread = answer.decode_tok_s
        wide = f": expect {number(spread.p05)} to {number(spread.p95)} tok/s" if spread else ""
        yield f"{runs} this {'card' if has_card(item) else 'machine'}{wide}"
    if REGIMES[answer.placement.strategy].beside_ram:
        share = min(1.0, answer.placement.ram_gb / max(answer.placement.weights_gb, 0.1))
        part = "all" if share > ALMOST_ALL else f"{share:.0%}"
        yield f"{part} of the model lies in main memory, which slows both reading and writing"
    if item.wait_s > item.goal.longest_wait_s / 2:
        yield f"{seconds(item.wait_s)} to read {context_words(item.goal.task.reads)} tokens is long"


def has_card(item: Pairing) -> bool:
    """Whether a build has a graphics card that is bought for it."""
    return any(part.kind == "gpu" for part in item.build.parts)


def spare_gb(item: Pairing) -> float | None:
    """Graphics memory that stays free, where that is a few GiB."""
    cards = item.build.cards
    if cards is None or cards.gpu is None or REGIMES[item.prediction.placement.strategy].beside_ram:
        return None
    free = cards.count * resolve_gpu(cards.gpu.name).row.usable_vram_gib - item.prediction.placement.vram_gb
    return free if free >= LEAST_SPARE_GB else None


ALMOST_ALL = 0.95
"""More than this is said to be all of it."""
LEAST_SPARE_GB = 3.0
"""Less free memory than this is no argument."""


def model_sentence(item: Pairing, budget: str) -> str:
    """Why this model."""
    choice, task = item.choice, item.goal.task
    if choice.known is None or choice.facts is None:
        return f"{choice.llm.name} {choice.quant}, as asked; nobody measured how good it is"
    span = f"quality index {choice.quality:.0f}, likely {choice.low:.0f} to {choice.high:.0f}"
    estimated = "" if choice.known.how == "measured" else ", estimated from other benchmarks"
    asked = item.goal.wish.model is not None
    best = "as asked" if asked else f"for {task.words} the best balance of quality and speed that {budget} buys"
    thinks = "thinks before it answers" if choice.known.reasons else "answers at once"
    kept = f"{choice.quant} keeps {choice.kept:.0%} of its quality"
    facts = [best, f"{span}{estimated}", kept, thinks, f"licence {choice.facts.licence or 'not known'}"]
    if choice.facts.commercial == "no":
        facts.append("not for earning money")
    elif choice.facts.commercial == "conditions":
        facts.append(f"with conditions: {choice.facts.conditions}" if choice.facts.conditions else "with conditions")
    if choice.facts.released:
        facts.append(f"of {choice.facts.released[:7]}")
    return f"{choice.llm.name} {choice.quant}: {', '.join(facts)}"


def near_words(kind: str, item: Pairing, first: Pairing, budget_usd: float, exchange: Exchange) -> str:
    """A sentence about a build just beside the wish."""
    what = f"{item.build.label} with {item.choice.llm.name} {item.choice.quant}"
    speed = f"{number(item.decode_tok_s)} tok/s"
    if kind == "more":
        return f"{exchange.said(item.build.price_usd - budget_usd)} above the budget: {what} writes {speed}"
    if kind == "better":
        return (
            f"A better model: {what}, index {item.choice.quality:.0f} instead of {first.choice.quality:.0f}, writes "
            f"{speed} for {exchange.said(item.build.price_usd)}; a typical step, reading and thinking included, takes "
            f"{seconds(item.step_s)} instead of {seconds(first.step_s)}"
        )
    return f"For {exchange.said(item.build.price_usd)}: {what} writes {speed}"


def beside_words(
    picks: Mapping[PickName, Pairing], more: Pairing | None, budget_usd: float | None, exchange: Exchange
) -> Iterator[tuple[Literal["more", "less", "ready_made"], str, PickName | None]]:
    """What a little more and less money brings and what needs no building, with the pick that each is, if any. `more`:
    what is a tenth faster just above the budget.
    """
    first = picks["value"]

    def told(item: Pairing) -> str:
        return f"{item.build.label}, {number(item.decode_tok_s)} instead of {number(first.decode_tok_s)} tok/s"

    fast, cheap, ready = (picks.get(name) for name in ("fastest", "cheapest", "ready_made"))
    dearer = fast.build.price_usd - first.build.price_usd if fast else 0.0
    if fast and 0 < dearer <= (budget_usd or first.build.price_usd):
        yield "more", f"{exchange.said(dearer)} more: {told(fast)}", "fastest"
    elif more and budget_usd:
        yield "more", near_words("more", more, first, budget_usd, exchange), None
    elif budget_usd:
        extra = exchange.said((BEYOND - 1) * budget_usd)
        yield "more", f"up to {extra} more brings nothing that is a tenth faster", None
    if cheap:
        yield "less", f"{exchange.said(first.build.price_usd - cheap.build.price_usd)} less: {told(cheap)}", "cheapest"
    else:
        yield "less", "nothing cheaper is so fast that nobody waits for it", None
    if ready:
        price, itself = exchange.said(ready.build.price_usd), "our pick itself, or " if first.ready_made else ""
        what = f"{ready.build.label} for {price}, {number(ready.decode_tok_s)} tok/s"
        yield "ready_made", f"{itself}{what}", "ready_made"
    elif not first.ready_made and set(first.goal.wish.kinds) == set(ALL_KINDS):
        limit = " for this money" if budget_usd else ""
        yield "ready_made", f"no small computer, Mac or laptop with a price here does it{limit}", None


def way_words(change: str, item: Pairing, exchange: Exchange) -> str:
    """What to change of a wish that nothing serves, and what then does."""
    price, speed = exchange.said(item.build.price_usd), f"{number(item.decode_tok_s)} tok/s"
    does = f"{item.build.label} runs {item.choice.llm.name} {item.choice.quant} at {speed}"
    read = f", reading {context_words(item.goal.task.reads)} tokens in {seconds(item.wait_s)}"
    wait = read if item.wait_s > 1 else ""
    worst = exchange.said(item.build.interval_usd[1])
    unsure = "" if item.affordable(item.build.price_usd) else f", at worst {worst}, as one source alone tells its price"
    return {
        "used": f"Take used parts too: for {price}, {does}{wait}",
        "money": f"Spend {price}{unsure}: {does}{wait}",
        "model": f"Take another model: for {price}, {does}{wait}",
        "speed": f"Be patient: for {price}, {does}{wait}",
        "context": f"Ask for less context: for {price}, {does}{wait}",
        "kinds": f"Take any kind of computer: for {price}, {does}{wait}",
    }[change]

