"""What every catalog row has in common: a name, a source and the date it was read."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _split(value: Any) -> Any:
    """Read a table cell such as "DDR4;DDR5" as a tuple; an empty cell is an empty tuple."""
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(";") if item.strip())
    return () if value is None else value


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
Counts = Annotated[tuple[int, ...], BeforeValidator(_split)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_split)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


class Row(BaseModel):
    """A cited fact: unknown columns are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1)
    source: str = Field(min_length=1)
    as_of: date
