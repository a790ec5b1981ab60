"""What people paid and built, beside what is said here: `python -m tests.benchmarks.real_builds [NAME ...]`.

tests/data/real_builds_bought.csv has every report of a build that lists parts of the catalog: what was paid for each
line, or for the whole. Prices are those known on the day of the build, without what the report itself added to them,
and before tax: `tax` is the part of it in the shop prices of a report. What a report does not say of its memory (speed,
size of modules) is the cheapest that gives it; of a whole computer what is not listed (board, supply, case, cooler,
disk) is the cheapest that fits. Where the report names model and computer, the fastest pick for the same money is
compared with what was built, both predicted.

Prices are compared with those of the day of the report. Where the report, or an earlier one of the same computer, tells
that parts were bought long before (`bought`), no day is known to which the price belongs: those are counted apart.
"""

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from advisor.buying.advice import advise
from advisor.buying.compatibility import cooler_problem, psu_watts_needed, socket_problem
from advisor.buying.ownership import Owned
from advisor.buying.pricing import Quote, interval_of, price_of
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.choosing.tasks import TASKS
from advisor.errors import InputError
from advisor.market.market import Market, shipped_market
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Hardware
from catalog import tables
from catalog.names.parts import NamedPart, resolve_part
from catalog.parts import Cpu, Gpu
from catalog.prices import Observation, PartKind

TABLE = Path(__file__).parents[1] / "data" / "real_builds_bought.csv"
SAME_PRICE, SAME_DAYS = 0.01, 60
"""An observation of a part at the price of the report, so near its day, is the report's own."""


@dataclass(frozen=True)
class Line:
    """Pieces of one part; `paid` is for all of them, None where only the whole has a price."""

    part: str
    count: int
    condition: str
    paid: float | None


@dataclass(frozen=True)
class Bought:
    """A report of a build."""

    name: str
    day: date
    source: str
    currency: str
    tax: float
    """In the prices of what was bought new, over that without it."""
    total: float | None
    whole: bool
    lines: tuple[Line, ...]
    unnamed: str
    model: str
    quant: str
    hardware: Hardware | None
    bought: str
    """When it was bought, where that was not about the day of the report."""


class Priced(NamedTuple):
    """What was paid for the lines that had a price that day, and what is said of it; what had none."""

    paid_usd: float
    ours_usd: float
    low_usd: float
    high_usd: float
    missing: tuple[str, ...]

    @property
    def error(self) -> float:
        """Ours over paid, less one."""
        return self.ours_usd / self.paid_usd - 1

    @property
    def inside(self) -> bool:
        """Whether what was paid lies within the 80 % interval."""
        return self.low_usd <= self.paid_usd <= self.high_usd


def builds() -> list[Bought]:
    """The table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [_bought(row) for row in csv.DictReader(file)]


def _bought(row: dict[str, str]) -> Bought:
    hardware = Hardware.model_validate(json.loads(row["hardware"])) if row["hardware"] else None
    return Bought(
        row["name"], date.fromisoformat(row["as_of"]), row["source"], row["currency"], float(row["tax"] or 0),
        float(row["total"]) if row["total"] else None, bool(row["whole"]),
        tuple(Line(*line) for line in json.loads(row["lines"])), row["unnamed"], row["model"], row["quant"], hardware,
        row["bought"],
    )


# Prices.


MEMORY = re.compile(r"(?P<type>DDR\d)(?:-(?P<mt_s>\d+))? (?:(?P<modules>\d+)x)?(?P<gib>\d+)GB(?P<registered> RDIMM)?")
MOST_MODULES = 16


def named(text: str) -> list[tuple[NamedPart, int]]:
    """The part of a line and 1, or kits of memory, each with how many of them give the size that is meant."""
    asked = MEMORY.fullmatch(text)
    if asked is None:
        return [(resolve_part(text), 1)]
    wanted, found = float(asked["gib"]) * int(asked["modules"] or 1), []
    for kit in tables.ram_kits():
        many, rest = divmod(wanted, kit.modules * kit.module_gib)
        alike = kit.ram_type == asked["type"] and kit.registered == bool(asked["registered"])
        alike &= asked["modules"] in (None, str(int(many) * kit.modules))
        plain = kit.form_factor == "DIMM" and "LRDIMM" not in kit.name and asked["mt_s"] in (None, str(kit.mt_s))
        if alike and plain and not rest and 1 <= many * kit.modules <= MOST_MODULES:
            found.append((NamedPart("ram", kit, None, (), ()), int(many)))
    return found


def market_without(market: Market, bought: Bought) -> Market:
    """A market without what the report itself added to it."""
    parts = {part.name: line for line in bought.lines for part, _ in named(line.part)}

    def own(item: Observation) -> bool:
        line = parts.get(item.part)
        if item.source == bought.source or line is None:
            return item.source == bought.source
        near = abs((item.as_of - bought.day).days) <= SAME_DAYS and item.currency == bought.currency
        alike = line.paid is not None and abs(item.price * line.count / line.paid - 1) <= SAME_PRICE
        return near and alike

    return Market(tuple(item for item in market.observations if not own(item)), market.basis, market.rates)


def quotes_of_line(line: Line, stocks: dict[str, Stock]) -> list[Quote]:
    """The prices of its pieces on the day, by the condition of the line: of several ways the cheapest."""
    prices = stocks[line.condition].prices
    ways = [
        [quote] * many * line.count
        for part, many in named(line.part) if (quote := prices.quote(part.kind, part.name, part.memory_gib))
    ]
    return min(ways, key=price_of, default=[])


def priced(bought: Bought, market: Market) -> Priced | str:
    """What was paid and what is said, or why nothing is said."""
    known = market_without(market, bought).estimates(bought.day)
    stocks = {choice: stock_of(choice, Owned(), known) for choice in ("new", "used", "any")}
    told = [(line, quotes_of_line(line, stocks)) for line in bought.lines]
    missing = tuple(line.part for line, found in told if not found)
    there = [line for line, found in told if found]
    quotes = [quote for _, found in told for quote in found]
    rate = market.rates.per_usd(bought.currency, bought.day)
    if bought.whole:
        if missing or (bought.unnamed and bought.total):
            return f"no price that day of {', '.join((*missing, *([bought.unnamed] if bought.unnamed else [])))}"
        rest = _completed(bought, stocks["any"])
        if rest is None:
            return "no price that day of what it needs beside"
        quotes, paid = [*quotes, *rest], (bought.total or 0.0) / rate
    else:
        paid = sum((line.paid or 0.0) / (1 + bought.tax * (line.condition == "new")) for line in there) / rate
        if not there:
            return f"no price that day of {', '.join(missing)}"
    return Priced(paid, price_of(quotes), *interval_of(quotes), missing)


def _completed(bought: Bought, stock: Stock) -> list[Quote] | None:
    """The cheapest board, supply, case, cooler and disk for a computer of parts, as far as they are not listed."""
    parts = [(named(line.part)[0][0], line.count) for line in bought.lines]
    rows, kinds = [(part.row, count) for part, count in parts], {part.kind for part, _ in parts}
    cpu = next((row for row, _ in rows if isinstance(row, Cpu)), None)
    if cpu is None:
        return []
    gpu, count = next(((row, count) for row, count in rows if isinstance(row, Gpu)), (None, 0))
    boards = [row for row in stock.boards if socket_problem(cpu, row) is None]
    wanted: dict[PartKind, Sequence[Any]] = {
        "board": [] if "board" in kinds else boards,
        "psu": [row for row in stock.psus if row.watts >= psu_watts_needed(gpu, count, cpu)],
        "case": stock.cases, "cooler": [row for row in stock.coolers if cooler_problem(row, cpu) is None],
        "ssd": [row for row in stock.ssds if row.capacity_gb >= 480],
    }
    found = []
    for kind, some in wanted.items():
        if kind in kinds:
            continue
        quotes = [stock.prices.quote(kind, row.name) for row in some]
        cheapest = min((quote for quote in quotes if quote), key=lambda quote: quote.price_usd, default=None)
        if cheapest is None:
            return None
        found.append(cheapest)
    return found


# Speeds.


class Compared(NamedTuple):
    """Seconds of a typical chat step on what was built and on the best pick for its money; infinite where none runs."""

    theirs_s: float
    ours_s: float
    ours: str


def compared(bought: Bought, market: Market) -> Compared | None:
    """What was built beside the picks for its money and model, both predicted; None where it cannot be predicted."""
    if not (bought.model and bought.hardware and bought.total):
        return None
    budget_usd = bought.total / market.rates.per_usd(bought.currency, bought.day)
    wish = Wish(
        model=bought.model, quant=bought.quant, budget_usd=budget_usd, condition="any", as_of=bought.day, tinkerer=True,
        min_tok_s=0.1,
    )
    asked = wish.question(bought.quant).model_copy(update={"hardware": bought.hardware})
    answer, task = predict(asked, load()), TASKS["chat"]
    if not (answer.decode_tok_s and answer.prefill_tok_s):
        return None
    try:
        found = advise(wish, load(), market_without(market, bought))
    except InputError:
        return Compared(task.step_s(answer.decode_tok_s.p50, answer.prefill_tok_s.p50), float("inf"), "nothing")
    best = float("inf"), "nothing for that money"
    for pick in found.picks:
        told = found.builds[pick.build].prediction
        if told.decode_tok_s and told.prefill_tok_s:
            step = task.step_s(told.decode_tok_s.p50, told.prefill_tok_s.p50)
            best = min(best, (step, found.builds[pick.build].name))
    return Compared(task.step_s(answer.decode_tok_s.p50, answer.prefill_tok_s.p50), *best)


def report(names: Sequence[str]) -> Iterator[str]:
    """Lines of the report, and the figures."""
    market, all_of = shipped_market(), [item for item in builds() if not names or item.name in names]
    told: list[tuple[Priced, bool]] = []
    beside: list[Compared] = []
    for bought in all_of:
        price = priced(bought, market)
        if isinstance(price, str):
            yield f"{bought.name} {bought.day}: {price}"
        else:
            told.append((price, not bought.bought))
            then = f", bought {bought.bought}" if bought.bought else ""
            without = f", without {', '.join(price.missing)}" if price.missing else ""
            yield (
                f"{bought.name} {bought.day}: paid ${price.paid_usd:,.0f}, ours ${price.ours_usd:,.0f} "
                f"({price.low_usd:,.0f} to {price.high_usd:,.0f}), {price.error:+.0%}"
                f"{'' if price.inside else ', OUTSIDE'}{without}{then}"
            )
        speed = compared(bought, market)
        if speed:
            beside.append(speed)
            yield f"    {speed.theirs_s:.0f} s a step as built, {speed.ours_s:.0f} s on {speed.ours}"
    about_then = [item for item, known in told if known]
    for words, some in (("bought about then", about_then), ("all", [item for item, _ in told])):
        if some:
            inside, error = sum(item.inside for item in some), median(abs(item.error) for item in some)
            yield f"prices, {words}: {inside} of {len(some)} within the interval, median error {error:.1%}"
    yield f"{len(all_of)} builds"
    if beside:
        good = sum(item.ours_s <= item.theirs_s for item in beside)
        yield f"picks: {good} of {len(beside)} at least as fast as what was built"


if __name__ == "__main__":
    for line in report(sys.argv[1:]):
        print(line, flush=True)
