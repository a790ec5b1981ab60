"""What a computer costs beside its price: electricity, dollars per million tokens, and whether an API or a rented card
would be cheaper.

Left out and said so: what it brings when sold, repairs, cooling of the room, the owner's time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from statistics import median
from typing import Final

from pydantic import BaseModel, ConfigDict

from advisor.answer import Range
from advisor.buying.compatibility import load_w
from advisor.choosing.tasks import Purpose
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.market.money import Exchange, shown
from advisor.question import GpuRequest, Hardware
from catalog import tables
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName, nearest
from catalog.names.machines import resolve_machine
from catalog.parts import Laptop, UnifiedMachine
from catalog.prices import ApiPrice, ClosedPrice, PowerPrice

SUPPLY_SHARE: Final = 0.88
"""Of the power at the wall what a supply gives on: 80 PLUS Bronze asks 85 % at half load, Gold 90 %. Source:
CLEAResult, 80 PLUS program, 115 V internal."""
DAYS_A_MONTH: Final = 30.4
HOME: Final = "US"
"""Whose electricity counts where no country is named."""
LONGEST_MONTHS: Final = 120.0
"""Later than that is never: no computer of today is used for so long."""


class Rent(BaseModel):
    """A card of a data centre that is as fast, by the hour, for the hours that the computer would work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: str
    usd_per_hour: tuple[float, float]
    """The lowest and the median of what providers ask."""
    as_of: date
    """The newest of their prices."""
    usd_per_month: tuple[float, float]
    pays_back_months: tuple[float, float] | None
    """Until the computer has cost less than the rent, at the low and at the high end of its price; None: never."""


class RunningCosts(BaseModel):
    """By hours of writing and reading a day; amounts in US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kwh_usd: float
    hours_per_day: float
    power_usd_per_month: float
    """Electricity while it works; that of an idle computer is not counted."""
    usd_per_million_tokens: float
    """Electricity of a million written tokens, with the reading of the task's steps, at the median speeds."""
    usd_per_million_tokens_range: tuple[float, float]
    """The same at the p95 and at the p05 of both speeds."""
    api_usd_per_month: tuple[float, float] | None
    """The same work over an API: by the lowest price of the model for what the computer does at the p05 of its speeds,
    and by the median price for what it does at the p95; None where no price is known.
    """
    pays_back_months: tuple[float, float] | None
    """Until the computer has cost less than the API: at the low end of its price and the dearer bill, and at the high
    end and the cheaper bill; None: never.
    """
    rent: Rent | None = None
    """None: no card with a known rent is as fast."""
    closed_usd_per_month: dict[str, tuple[float, float]] = {}
    """As many tokens of models that only their makers run, by size among the maker's own: small, middle, large; the
    cheapest of a size for what the computer does at the p05 of its speeds, the dearest for what it does at the p95.
    """


@dataclass(frozen=True, slots=True)
class Power:
    """What electricity costs and how much the computer is used."""

    kwh_usd: float
    hours_per_day: float
    where: str = ""


def power_of(kwh_usd: float | None, country: str | None, hours_per_day: float) -> Power:
    """From what a wish says; without a price that of the country's households, by default the US.

    Raises `InputError` for a country without a price.
    """
    if kwh_usd is not None:
        return Power(kwh_usd, hours_per_day)
    code = (country or HOME).strip()
    row = _by_country().get(code.upper()) or _by_country().get(code.lower())
    if row is None:
        names = ", ".join(nearest(code, [item.country for item in tables.electricity()]))
        raise InputError(f"no price of electricity is known of {code[:40]!r}: nearest {names}; or give --kwh-price")
    return Power(row.usd_per_kwh, hours_per_day, row.country)


@cache
def _by_country() -> Mapping[str, PowerPrice]:
    rows = tables.electricity()
    return {row.name: row for row in rows} | {row.country.lower(): row for row in rows}


@dataclass(frozen=True, slots=True)
class Rented:
    """A card that can be rented: its lowest and median price an hour, and the day of the newest."""

    name: str
    usd_per_hour: tuple[float, float]
    as_of: date


@cache
def rented_cards() -> tuple[Rented, ...]:
    """The cards that can be rented, the cheapest first."""
    by_name: dict[str, list[float]] = {}
    newest: dict[str, date] = {}
    for row in tables.rentals():
        by_name.setdefault(row.name, []).append(row.usd_per_hour)
        newest[row.name] = max(newest.get(row.name, row.as_of), row.as_of)
    found = (Rented(name, (min(usd), median(usd)), newest[name]) for name, usd in by_name.items())
    return tuple(sorted(found, key=lambda item: item.usd_per_hour[1]))


def rent_of(card: Rented, price_usd: tuple[float, float], power: Power, power_usd_per_month: float) -> Rent:
    """What renting a card costs for the hours of a computer that costs `price_usd`, low and high.

    >>> card = Rented("RTX 3090", (0.1, 0.2), date(2026, 8, 22))
    >>> told = rent_of(card, (600.0, 700.0), Power(0.2, 10.0), 20.4)
    >>> [round(usd, 1) for usd in told.usd_per_month], told.pays_back_months
    ([30.4, 60.8], (14.9, 70.0))
    """
    hours = power.hours_per_day * DAYS_A_MONTH
    low, usual = (usd * hours for usd in card.usd_per_hour)
    months = _pays_back(price_usd, (low, usual), power_usd_per_month)
    return Rent(
        card=card.name, usd_per_hour=card.usd_per_hour, as_of=card.as_of, usd_per_month=(low, usual),
        pays_back_months=months,
    )


def _pays_back(
    price_usd: tuple[float, float], bills_usd: tuple[float, float], monthly_usd: float
) -> tuple[float, float] | None:
    """Months until a computer has cost less than the dearer and than the cheaper bill; None: not in its life."""
    if max(bills_usd) <= monthly_usd:
        return None
    soonest = price_usd[0] / (max(bills_usd) - monthly_usd)
    latest = price_usd[1] / (min(bills_usd) - monthly_usd) if min(bills_usd) > monthly_usd else LONGEST_MONTHS
    return (round(soonest, 1), round(min(latest, LONGEST_MONTHS), 1)) if soonest < LONGEST_MONTHS else None


@cache
def _api() -> Mapping[str, tuple[ApiPrice, ...]]:
    """By the model's id, the lowest first."""
    rows = sorted(tables.api_prices(), key=lambda row: row.kind)
    return {name: tuple(row for row in rows if row.name == name) for name in {row.name for row in rows}}


def api_prices_of(llm_id: str) -> tuple[ApiPrice, ...]:
    """What a model costs over an API: at the cheapest provider, and at the one in the middle; () where none is known.

    >>> [row.kind for row in api_prices_of("qwen3.6-35b-a3b")]
    ['lowest', 'median']
    """
    return _api().get(llm_id, ())


def draws_w(hardware: Hardware) -> float:
    """What a computer draws under load, from the figures of its parts; a card whose power is limited no more than that.

    A processor that is not named draws what the one that stands for it does. Raises as `machine_of`, and `InputError`
    for a card that is described by figures, which say nothing of its power.
    """
    cards = sum(item.count * _card_w(item) for item in hardware.gpus)
    if hardware.machine is not None:
        return machine_draws_w(resolve_machine(hardware.machine, hardware.ram.gb).row) + cards
    beside = machine_of(hardware).cpu
    try:
        cpu = resolve_cpu(beside.name).row
    except UnknownName:  # described by its figures: what is usual of its kind
        alike = [row for row in tables.cpus() if row.segment == beside.segment]
        cpu = alike[0].model_copy(update={"tdp_w": median(row.tdp_w for row in alike)})
    return cards + load_w(None, 0, cpu) + (beside.sockets - 1) * cpu.tdp_w


def machine_draws_w(row: UnifiedMachine | Laptop) -> float:
    """The same of a machine that is sold whole: as its source states, else the sum of card, processor and the rest."""
    if row.power_w:
        return row.power_w
    assert isinstance(row, Laptop)  # the power of every other whole machine is stated
    return load_w(resolve_gpu(row.gpu).row, 1, resolve_cpu(row.cpu).row)


def _card_w(asked: GpuRequest) -> float:
    if asked.custom and not asked.custom.like:
        raise InputError("what a described card draws is not known: say the computer's power, power_w")
    name, vram_gb = (asked.custom.like or "", None) if asked.custom else (asked.name, asked.vram_gb)
    most = resolve_gpu(name, vram_gb).row.power_w
    return min(most, asked.power_limit_w or most)


def running_costs(
    llm_id: str, task: Purpose, power_w: float, price_usd: tuple[float, float], speeds_tok_s: tuple[Range, Range],
    power: Power, users: int = 1, rented: Rented | None = None,
) -> RunningCosts:
    """Costs of a computer. `power_w`: of its parts under load; `price_usd`: low and high; `speeds_tok_s`: decode of
    each of the users who write at once, and prefill; `rented`: a card that is as fast.

    Both speeds of a computer are low or high together: what it is not known to reach, cooling and drivers, is in both.

    >>> from advisor.choosing.tasks import TASKS
    >>> speeds = Range(p50=40.0, p05=32.0, p95=50.0), Range(p50=1e9, p05=1e9, p95=1e9)
    >>> told = running_costs("-", TASKS["chat"], 308.0, (900, 1100), speeds, Power(0.19, 2.0))
    >>> round(told.usd_per_million_tokens, 2), round(told.power_usd_per_month, 2), told.pays_back_months
    (0.46, 4.04, None)
    >>> [round(usd, 2) for usd in told.usd_per_million_tokens_range]
    [0.37, 0.58]
    """
    decode, prefill = speeds_tok_s
    pairs = ((decode.p05, prefill.p05), (decode.p50, prefill.p50), (decode.p95, prefill.p95))
    slow_s, step_s, quick_s = (task.step_s(writes, reads / users) for writes, reads in pairs)
    usd_per_s = power_w / SUPPLY_SHARE / 1000 * power.kwh_usd / 3600
    busy_s = power.hours_per_day * 3600 * DAYS_A_MONTH
    monthly = usd_per_s * busy_s
    fewest, most = (users * busy_s / seconds for seconds in (slow_s, quick_s))
    per_million, quickest, slowest = (
        usd_per_s * seconds / task.writes / users * 1e6 for seconds in (step_s, quick_s, slow_s)
    )
    bills = [_step_usd(row, task) for row in api_prices_of(llm_id)]
    api = (fewest * min(bills), most * max(bills)) if bills else None
    return RunningCosts(
        kwh_usd=power.kwh_usd, hours_per_day=power.hours_per_day, power_usd_per_month=monthly,
        usd_per_million_tokens=per_million, usd_per_million_tokens_range=(quickest, slowest), api_usd_per_month=api,
        pays_back_months=_pays_back(price_usd, api, monthly) if api else None,
        rent=rent_of(rented, price_usd, power, monthly) if rented else None,
        closed_usd_per_month=_closed(fewest, most, task),
    )


def _step_usd(row: ApiPrice | ClosedPrice, task: Purpose) -> float:
    """What a step of a task costs over an API."""
    return (task.new * row.input_usd_per_m + task.writes * row.output_usd_per_m) / 1e6


def _closed(fewest: float, most: float, task: Purpose) -> dict[str, tuple[float, float]]:
    """Bills for so many steps by the sizes of closed models, the cheapest size first."""
    found: dict[str, list[float]] = {}
    for row in tables.closed_prices():
        found.setdefault(row.size, []).append(_step_usd(row, task))
    ordered = sorted(found.items(), key=lambda item: min(item[1]))
    return {size: (fewest * min(usd), most * max(usd)) for size, usd in ordered}


def cost_words(told: RunningCosts, exchange: Exchange, where: str = "") -> Iterator[str]:
    """The costs in sentences."""
    of = f" ({where})" if where else ""
    price = f"{exchange.of(told.kwh_usd):.2f} {exchange.currency} a kWh{of}"
    yield (
        f"at {told.hours_per_day:g} hours of work a day it takes {_money(told.power_usd_per_month, exchange)} of "
        f"electricity a month at {price}, {_span(told.usd_per_million_tokens_range, exchange)} for a million written "
        "tokens by the range of its speeds"
    )
    if told.api_usd_per_month:
        bill = f"the same work over an API costs {_span(told.api_usd_per_month, exchange)} a month"
        yield f"{bill}, by its price and by how much the computer does: {_pays_back_words(told.pays_back_months)}"
    if told.rent:
        rent = told.rent
        hourly = " to ".join(dict.fromkeys(f"{exchange.of(usd):.2f}" for usd in rent.usd_per_hour))
        bill = (
            f"a rented {rent.card}, at least as fast, costs {hourly} {exchange.currency} an hour "
            f"({rent.as_of:%b %Y}), {_span(rent.usd_per_month, exchange)} a month"
        )
        yield f"{bill}: {_pays_back_words(rent.pays_back_months)}"
    if told.closed_usd_per_month:
        sizes = [f"{size} {_span(usd, exchange)}" for size, usd in told.closed_usd_per_month.items()]
        yield (
            f"closed models for as many tokens, by their size: {', '.join(sizes)} a month; how good they are beside "
            "this one is not in our tables"
        )


def _span(usd: tuple[float, float], exchange: Exchange) -> str:
    return " to ".join(dict.fromkeys(_money(each, exchange) for each in usd))


def _pays_back_words(months: tuple[float, float] | None) -> str:
    if months is None:
        return "in money alone the computer never pays back; it is yours for privacy and without limits"
    soon, late = months
    end = "never" if late >= LONGEST_MONTHS else f"{late:.0f} months"
    return f"the computer pays back after {soon:.0f} months at the earliest, at the latest {end}"


def saving_words(told: RunningCosts, exchange: Exchange, where: str = "") -> Iterator[str]:
    """The costs of a computer that is there already, in sentences: only what it draws is weighed against an API."""
    first, *_ = cost_words(told, exchange, where)
    yield first
    if told.api_usd_per_month is None:
        return
    low, high = (usd - told.power_usd_per_month for usd in told.api_usd_per_month)
    bill = f"the same work over an API costs {_span(told.api_usd_per_month, exchange)} a month"
    if low >= 0:
        yield f"{bill}: the computer saves {_span((low, high), exchange)} of it"
    elif high <= 0:
        yield f"{bill}, less than the electricity: the computer runs for privacy"
    else:
        yield f"{bill}: the cheapest costs less than the electricity"


def _money(usd: float, exchange: Exchange) -> str:
    """An amount, in hundredths where it is small."""
    amount = exchange.of(usd)
    return exchange.said(usd) if amount >= 20 else shown(round(amount, 2), exchange.currency)
