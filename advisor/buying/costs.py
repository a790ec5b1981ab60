"""What a computer costs beside its price: electricity, dollars per million tokens, and whether an API would be cheaper.

Left out and said so: what it brings when sold, repairs, cooling of the room, the owner's time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from pydantic import BaseModel, ConfigDict

from advisor.choosing.tasks import Purpose
from advisor.errors import InputError
from advisor.market.money import Exchange
from catalog import tables
from catalog.names.index import nearest
from catalog.prices import ApiPrice, PowerPrice

SUPPLY_SHARE: Final = 0.88
"""Of the power at the wall what a supply gives on: 80 PLUS Bronze asks 85 % at half load, Gold 90 %. Source:
CLEAResult, 80 PLUS program, 115 V internal."""
DAYS_A_MONTH: Final = 30.4
HOME: Final = "US"
"""Whose electricity counts where no country is named."""
LONGEST_MONTHS: Final = 120.0
"""Later than that is never: no computer of today is used for so long."""


class RunningCosts(BaseModel):
    """By hours of writing and reading a day; amounts in US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kwh_usd: float
    hours_per_day: float
    power_usd_per_month: float
    """Electricity while it works; that of an idle computer is not counted."""
    usd_per_million_tokens: float
    """Electricity of a million written tokens, with the reading of the task's steps."""
    api_usd_per_month: tuple[float, float] | None
    """The same work over an API: by the lowest and by the median price of the model; None where none is known."""
    pays_back_months: tuple[float, float] | None
    """Until the computer has cost less than the API, at the low and at the high end of its price; None: never."""


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


@cache
def _api() -> Mapping[tuple[str, str], ApiPrice]:
    return {(row.name, row.kind): row for row in tables.api_prices()}


def running_costs(
    llm_id: str, task: Purpose, power_w: float, price_usd: tuple[float, float], speeds_tok_s: tuple[float, float],
    power: Power,
) -> RunningCosts:  # fmt: skip
    """Costs of a computer. `power_w`: of its parts under load; `price_usd`: low and high; `speeds_tok_s`: decode and
    prefill.

    >>> from advisor.choosing.tasks import TASKS
    >>> told = running_costs("-", TASKS["chat"], 308.0, (900, 1100), (40.0, 1e9), Power(0.19, 2.0))
    >>> round(told.usd_per_million_tokens, 2), round(told.power_usd_per_month, 2), told.pays_back_months
    (0.46, 4.04, None)
    """
    decode, prefill = speeds_tok_s
    step_s = task.step_s(decode, prefill)
    usd_per_s = power_w / SUPPLY_SHARE / 1000 * power.kwh_usd / 3600
    busy_s = power.hours_per_day * 3600 * DAYS_A_MONTH
    monthly = usd_per_s * busy_s
    steps = busy_s / step_s
    bills = [
        steps * (task.new * row.input_usd_per_m + task.writes * row.output_usd_per_m) / 1e6
        for kind in ("lowest", "median") if (row := _api().get((llm_id, kind)))
    ]  # fmt: skip
    months: tuple[float, float] | None = None
    if bills and max(bills) > monthly:
        soonest = price_usd[0] / (max(bills) - monthly)
        latest = price_usd[1] / (min(bills) - monthly) if min(bills) > monthly else LONGEST_MONTHS
        if soonest < LONGEST_MONTHS:
            months = round(soonest, 1), round(min(latest, LONGEST_MONTHS), 1)
    return RunningCosts(
        kwh_usd=power.kwh_usd, hours_per_day=power.hours_per_day, power_usd_per_month=monthly,
        usd_per_million_tokens=usd_per_s * step_s / task.writes * 1e6,
        api_usd_per_month=(min(bills), max(bills)) if bills else None, pays_back_months=months,
    )  # fmt: skip


def cost_words(told: RunningCosts, exchange: Exchange, where: str = "") -> Iterator[str]:
    """The costs in sentences."""
    of = f" ({where})" if where else ""
    price = f"{exchange.of(told.kwh_usd):.2f} {exchange.currency} a kWh{of}"
    yield (
        f"at {told.hours_per_day:g} hours of work a day it takes {_money(told.power_usd_per_month, exchange)} of "
        f"electricity a month at {price}, {_money(told.usd_per_million_tokens, exchange)} for a million written tokens"
    )
    if told.api_usd_per_month is None:
        return
    low, high = (_money(usd, exchange) for usd in told.api_usd_per_month)
    bill = f"the same work over an API costs {low} to {high} a month" if low != high else f"over an API {low} a month"
    if told.pays_back_months is None:
        yield f"{bill}: in money alone it never pays back; it is yours for privacy and without limits"
    else:
        soon, late = told.pays_back_months
        end = "never" if late >= LONGEST_MONTHS else f"{late:.0f} months"
        yield f"{bill}: it pays back after {soon:.0f} months at the earliest, at the latest {end}"


def _money(usd: float, exchange: Exchange) -> str:
    amount = exchange.of(usd)
    return exchange.said(usd) if amount >= 20 else f"{amount:.2f} {exchange.currency}"
