"""Rows of what is shown of builds; all pure.

Of many: what the filters leave, ranking and chart. Of one: parts, the time of a token, memories, measured runs nearby.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from advisor.answer import LIMITS, REGIMES, Prediction, Range
from advisor.buying.picking.practice import practice_of
from advisor.buying.recommendation import KIND_WORDS, RankedBuild
from advisor.buying.report import contents, counted, tokens
from advisor.documents import number, seconds
from advisor.market.money import Exchange
from advisor.physics.stages import STAGES
from advisor.prediction.capacity import Capacity
from advisor.prediction.case import Case
from catalog.efficiency import PublicRun
from catalog.names.gpus import resolve_gpu
from catalog.units import GIB
from webapp.described import SHELVES, Parts
from webapp.words import PAGE_WORDS, WORDS_A_TOKEN, age, price_dates

Row = dict[str, Any]
PLACES = {name: regime.words for name, regime in REGIMES.items()}
_URL = re.compile(r"https?://[^\s,;()]+")


def address(source: str) -> str | None:
    """The web address that a source names, if any.

    >>> address("https://example.com/a (read 2026-11-24)"), address("data sheet")
    ('https://example.com/a', None)
    """
    found = _URL.search(source)
    return found.group() if found else None


def said(speed: Range | None) -> str:
    """A speed with its range in words."""
    return f"{number(speed.p50)} ({number(speed.p05)}-{number(speed.p95)})" if speed else "does not run"


def money_titles(currency: str) -> tuple[str, str]:
    """What the columns of a price, and of the price of each token a second, are called in a currency."""
    return ("Price", "$/(tok/s)") if currency == "USD" else (f"Price, {currency}", f"{currency}/(tok/s)")


def ranking(builds: Sequence[RankedBuild], day: date, exchange: Exchange) -> list[Row]:
    """One row per build for the table, prices in a currency; numbers stay numbers so that they can be sorted."""
    rows = []
    price, per_speed = money_titles(exchange.currency)
    for build in builds:
        answer = build.prediction
        decode, prefill = answer.decode_tok_s, answer.prefill_tok_s
        rows.append({
            "Build": build.name, "Model": f"{build.model} {build.quant}", price: exchange.of(build.price_usd),
            "tok/s": decode.p50 if decode else None,
            "90 % range": f"{number(decode.p05)} to {number(decode.p95)}" if decode else "",
            per_speed: exchange.of(build.usd_per_tok_s), "With": contents(build),
            "Prompt": prefill.p50 if prefill else None,
            "First token": answer.time_to_first_token_s, "Longest context": tokens(build.longest_context_tokens),
            "Power": build.power_w, "Limited by": LIMITS[build.bottleneck].short if build.bottleneck else "",
            "Best for its price": "yes" if build.pareto else "", "Prices of": price_dates(build.parts, day),
        })
    return rows


def parts_text(build: RankedBuild) -> str:
    """The build in one line, as `described` reads it."""
    hardware = build.prediction.scenario.hardware
    ram = hardware.ram
    if hardware.machine:
        return Parts(machine=hardware.machine, ram=f"{ram.gb:g}GB" if ram.gb else "").text
    # What the kit is sold as, not what it runs at on this board
    kit = next((part.name.split()[0] for part in build.parts if part.kind == "ram"), f"{ram.type}-{ram.mt_s}")
    cards = sum(gpu.count for gpu in hardware.gpus)
    gpu = hardware.gpus[0].name if hardware.gpus else ""
    more = tuple((part.kind, part.name) for part in build.parts if part.kind in SHELVES)
    return Parts(gpu=gpu, cpu=hardware.cpu_name or "", ram=f"{kit} {ram.gb:g}GB", cards=cards or 1, more=more).text


def points(builds: Sequence[RankedBuild], picked: Sequence[int], exchange: Exchange) -> list[Row]:
    """Points of the price and speed chart, prices in a currency; `picked`: places of the builds that are picks."""
    front = _front(builds)
    return [
        {
            "name": build.name, "model": f"{build.model} {build.quant}", "price": exchange.of(build.price_usd),
            "speed": speed.p50, "low": speed.p05, "high": speed.p95, "kind": build.kind, "front": place in front,
            "open": place in picked,
        }
        for place, build in enumerate(builds) if (speed := build.prediction.decode_tok_s)
    ]


def front_words(builds: Sequence[RankedBuild], exchange: Exchange) -> list[str]:
    """The Pareto front in words, cheapest first: what the chart shows; with the models where there are several."""
    several = len({(build.model, build.quant) for build in builds}) > 1
    return [
        f"{exchange.said(build.price_usd)}: {build.name}, {said(build.prediction.decode_tok_s)} tok/s"
        + f" with {build.model} {build.quant}" * several
        for build in map(builds.__getitem__, _front(builds))
    ]


def _front(builds: Sequence[RankedBuild]) -> list[int]:
    """Places of the builds than which none shown is both cheaper and writes faster, the cheapest first. A build's own
    mark (`pareto`) is of whole steps, with what is read: a line through those would go up and down.
    """
    speeds = {at: speed.p50 for at, build in enumerate(builds) if (speed := build.prediction.decode_tok_s)}
    found: list[int] = []
    for at in sorted(speeds, key=lambda at: (builds[at].price_usd, -speeds[at])):
        if not found or speeds[at] > speeds[found[-1]]:
            found.append(at)
    return found


def for_tinkerers(build: RankedBuild) -> bool:
    """Whether a card is to be bought for it that nobody is offered unasked, such as a server's without a fan."""
    bought = (part.name for part in build.parts if part.kind == "gpu" and part.price_usd > 0)
    return any(practice_of(resolve_gpu(name).row).tinkerers for name in bought)


def parts(build: RankedBuild, day: date, exchange: Exchange) -> list[Row]:
    """The parts with their prices in a currency, the 80 % interval, the date, age and source of each."""
    return [
        {
            "Part": KIND_WORDS[part.kind][0], "Name": name, "Price": exchange.said(part.price_usd * count),
            "8 of 10 pay": f"{exchange.said(part.low_usd * count)} to {exchange.said(part.high_usd * count)}",
            "Condition": part.condition, "Seen": f"{part.price_observations}x",
            "Age": age(part.price_as_of, day) if part.price_as_of else "",
            "Link": address(part.price_source), "Source": part.price_source,
        }
        for name, part, count in counted(build)
    ]


def page_s(tok_s: float) -> float:
    """Seconds in which a page of text is written."""
    return PAGE_WORDS / WORDS_A_TOKEN / tok_s


def stages(prediction: Prediction, name: str = "one token") -> list[Row]:
    """The time of a token by what takes it, as parts of one bar in milliseconds."""
    return [
        {
            "bar": name, "part": STAGES[stage.stage].words, "size": stage.seconds_per_token * 1000,
            "said": seconds(stage.seconds_per_token), "order": order, "stage": stage.stage,
        }
        for order, stage in enumerate(prediction.breakdown)
    ]


def waterfall(prediction: Prediction) -> list[Row]:
    """The time of a token as one stage after the other, in milliseconds."""
    rows, start = [], 0.0
    for row in stages(prediction):
        rows.append({"part": row["part"], "start": start, "end": start + row["size"], "said": row["said"]})
        start += row["size"]
    return rows


def memories(case: Case) -> list[Row]:
    """How full each memory is, in GiB; `there` is 0 where the size is not known."""
    machine, place = case.machine, case.placement
    if machine.unified:
        sizes: list[tuple[str, float, float | None]] = [
            ("shared memory", sum(place.vram_bytes) + place.ram_bytes, machine.ram.capacity_bytes)
        ]
    else:
        several = len(machine.gpus) > 1
        pairs = enumerate(zip(machine.gpus, place.vram_bytes, strict=True), 1)
        sizes = [(f"VRAM {n}" if several else "VRAM", need, gpu.vram_bytes) for n, (gpu, need) in pairs]
        sizes.append(("RAM", place.ram_bytes, machine.ram.capacity_bytes))
    if place.storage_bytes > 0:
        sizes.append(("disk", place.storage_bytes, None))
    rows = []
    for name, need, there in sizes:
        words = f"{need / GIB:.1f} GiB" + (f" of {there / GIB:.1f} GiB" if there else "")
        if machine.unified and there and machine.gpus and machine.gpus[0].vram_bytes < there:
            words += f", {machine.gpus[0].vram_bytes / GIB:.1f} GiB for the GPU"
        rows.append({"bar": name, "need": need / GIB, "there": (there or 0.0) / GIB, "said": words})
    return rows


def room(capacity: Capacity, case: Case) -> list[str]:
    """What would fit beside and beyond, in sentences."""
    lines = []
    if capacity.longest_context:
        lines.append(f"Up to {capacity.longest_context:,} tokens of context fit as it lies.")
    replanned = capacity.longest_context_replanned
    if replanned and replanned != capacity.longest_context:
        lines.append(f"{replanned:,} tokens fit with more of the model in RAM, which is slower.")
    memory = "memory" if case.machine.unified else "VRAM"
    if capacity.vram_for_everything_gib:
        lines.append(f"{capacity.vram_for_everything_gib:.1f} GiB of {memory} would hold all of it.")
    floor = capacity.vram_floor_gib
    if floor and floor != capacity.vram_for_everything_gib:
        lines.append(f"{floor:.1f} GiB of VRAM are the least, with all experts in RAM.")
    if capacity.ram_floor_gib:
        lines.append(f"{capacity.ram_floor_gib:.1f} GiB of RAM are the least that keep the disk out of it.")
    return lines


def nearby(runs: Sequence[PublicRun], asked: PublicRun, answer: Prediction) -> list[Row]:
    """Measured runs as rows: on which hardware, and whether the predicted range holds them where they are of the same
    card, model and quantisation at a like context; without columns that say nothing.
    """
    rows = [
        {
            "Machine": run.machine, "Writes, tok/s": run.decode_tok_s, "Model": f"{run.model} {run.quant}",
            "Hardware": _alike(run, asked), "Beside our range": _beside(run, asked, answer.decode_tok_s),
            "Reads, tok/s": run.prefill_tok_s, "Where": PLACES.get(run.regime, run.regime),
            "At context": run.depth, "Date": run.as_of, "Link": address(run.source), "Source": run.source,
        }
        for run in runs
    ]
    empty = {name for name in (rows[0] if rows else ()) if all(row[name] in (None, "") for row in rows)} - {"Link"}
    return [{name: value for name, value in row.items() if name not in empty} for row in rows]


def _alike(run: PublicRun, asked: PublicRun) -> str:
    if run.gpus == asked.gpus and (run.gpus or run.cpu == asked.cpu):
        return "same"
    return "like it" if run.architecture and run.architecture == asked.architecture else "another"


def _beside(run: PublicRun, asked: PublicRun, speed: Range | None) -> str:
    same = _alike(run, asked) == "same" and (run.model, run.quant, run.regime) == (
        asked.model, asked.quant, asked.regime
    )
    if not same or speed is None or run.decode_tok_s is None:
        return ""
    if abs(run.depth - asked.depth) > max(4096, asked.depth / 2):
        return "at another context"
    return "inside" if speed.p05 <= run.decode_tok_s <= speed.p95 else "outside"


def next_dollars(build: RankedBuild, exchange: Exchange) -> str:
    """What the next dollars buy, with the gain per $100 or what that is; empty where no swap gains enough."""
    swap = build.next_dollar
    if swap is None:
        return ""
    each = swap.gain_share / swap.extra_usd * 100 if swap.extra_usd >= 100 else None
    rate = f" (about {each:+.0%} per {exchange.said(100)})" if each else ""
    return f"{exchange.worded(swap.text)}, to {number(swap.decode_tok_s)} tok/s{rate}"
