"""Dated price quotes and how far to believe them."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.rows import Positive, Row

PartKind = Literal[
    "gpu", "cpu", "ram", "board", "ssd", "psu", "case", "cooler", "unified", "laptop", "office", "accessory"
]
Condition = Literal["new", "used"]


Kind = Literal[
    "street", "asking", "sold", "deal", "list", "range_low", "range_high", "asking_median", "asking_mean",
    "pre_shortage", "pre_shortage_leftover",
]
Seller = Literal["", "trusted", "cheapest", "all", "maker", "own"]


class Observation(BaseModel):
    """A price that somebody saw or paid: a fact, never overwritten."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    part_kind: PartKind
    part: str = Field(min_length=1)
    """Name of the catalog row."""
    memory_gib: Positive | None = None
    """Memory size it is for, where one row is sold in several (unified machines, laptops)."""
    condition: Condition
    kind: Kind
    """street: a shop's shelf price, or the lowest of a shop; asking: the cheapest offers of a market; sold: what was
    paid; deal: one posted offer after coupon; list: the launch price or the maker's own shop; range: a source that says
    "x to y"; asking_median, asking_mean: of all offers; pre_shortage: 2025, before memory rose; leftover: of parts no
    longer made.
    """
    seller: Seller = ""
    """Whose offers: trusted sellers' alone, the cheapest of anyone, all, the maker's shop, the reader's own figure."""
    price: Positive
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    as_of: date
    """The day it was seen; the middle of the month where only that is known."""
    source: str = Field(min_length=1)
    note: str = ""


class PriceFactor(BaseModel):
    """What a kind of price is multiplied by to be what an ordinary buyer pays a trusted seller."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: Kind
    seller: Seller = ""
    part_kind: PartKind | None = None
    """None: of all kinds of parts that have no row of their own."""
    factor: Positive | None = None
    """None: such a price says nothing."""
    start: Positive | None = None
    """What it was before anything was fitted, and is held near where observations are few."""
    log_error: float | None = None
    """Standard error of the factor's logarithm, where it was fitted."""
    pairs: int | None = None
    """Observations that were compared with others of the same part of other kinds."""
    source: str = Field(min_length=1)
    as_of: date


class PriceTrend(BaseModel):
    """How fast prices of a kind of part go stale."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    part_kind: PartKind
    condition: Condition
    tau_months: Positive
    """An observation's weight falls by e in this time."""
    drift_per_month: float
    """Rise of log price a month in 2026."""
    log_sd: Positive
    """Standard deviation of log(price seen / estimate) where the newest observation is of the day."""
    log_sd_per_month: float = Field(ge=0)
    """What the age of the newest observation adds to it: sqrt(log_sd^2 + log_sd_per_month^2 x months)."""
    observations: int
    """Left out one by one to fit this row; 0: too few, the row is the start."""
    source: str = Field(min_length=1)
    as_of: date


class PowerPrice(Row):
    """What households pay for electricity; `name` is the country's code of two letters."""

    country: str
    usd_per_kwh: float = Field(gt=0)


class ApiPrice(Row):
    """What a model costs over an interface; `name` is the id of its row in llms.csv."""

    kind: Literal["lowest", "median"]
    """Of the providers that a market lists, by a blend of three tokens read to one written."""
    input_usd_per_m: float = Field(ge=0)
    output_usd_per_m: float = Field(ge=0)


class ClosedPrice(Row):
    """What a model costs whose weights nobody can run; `name` is the maker's."""

    size: Literal["small", "middle", "large"]
    """Among its maker's models of the time."""
    input_usd_per_m: float = Field(ge=0)
    output_usd_per_m: float = Field(ge=0)


class Rental(Row):
    """What a graphics card costs by the hour, in a data centre or at a stranger's home; `name`: its row in gpus.csv."""

    provider: str = Field(min_length=1)
    kind: Literal["market", "verified hosts", "community", "secure", "on-demand"]
    """The first two: the median of all offers of a market that day."""
    usd_per_hour: Positive


class ExchangeRate(BaseModel):
    """Units of another currency for one US dollar."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    currency: str = Field(pattern="^[A-Z]{3}$")
    per_usd: Positive
    as_of: date
    source: str = Field(min_length=1)
