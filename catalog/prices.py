"""Dated price quotes and how far to believe them."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.rows import Positive

PartKind = Literal["gpu", "cpu", "ram", "board", "ssd", "psu", "case", "cooler", "unified", "laptop"]
Condition = Literal["new", "used"]


class Price(BaseModel):
    """One quote for one catalog part."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    part_kind: PartKind
    part: str = Field(min_length=1)
    """Name of the catalog row."""
    memory_gib: Positive | None = None
    """Memory size the quote is for, where one row is sold in several (unified machines, laptops)."""
    condition: Condition
    price_usd: Positive
    as_of: date
    judgement: Literal["street", "deal", "asking", "range_low", "range_high", "pre_shortage"]
    """street: lowest in-stock or mean of listings; deal: a posted discount, below street; asking: a single listing;
    range: press.
    """
    source: str = Field(min_length=1)
