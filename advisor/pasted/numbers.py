"""Numbers as programs print them and as people of several countries write them."""

import math
import re
from typing import Final

AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
"""A thousand with a separator, or three decimals."""
NUMBER: Final = r"\d{1,3}(?:(?P<sep>[.,' ])\d{3})+(?:(?!(?P=sep))[.,]\d+)?|\d+(?:[.,]\d+)?"
_LEADING = re.compile(r"\s*([-+]?\d{1,15}(?:\.\d{1,15})?(?:[eE][-+]?\d{1,2})?)")
_SIZED = re.compile(r"(\d{1,9}(?:[.,]\d{1,3})?)\s*([kKmM])?")
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(h|ms|m|s|us|µs|μs|ns)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


def leading(text: object) -> float | None:
    """The number that a cell begins with ("132.19 ± 0.55"), in programs' own spelling; None without one."""
    if isinstance(text, bool):
        return None
    if isinstance(text, int | float):
        return float(text) if abs(text) < 1e18 and math.isfinite(text) else None
    found = _LEADING.match(text) if isinstance(text, str) else None
    return float(found[1]) if found else None


def whole(text: object) -> int | None:
    """The same as a whole number."""
    value = leading(text)
    return None if value is None else int(value)


def written(text: str) -> float | None:
    """A number as people write it: 31.5, 31,5, 1.234,5, 1,234.5; None where it may mean two ("1,234").

    >>> written("31,5"), written("1.234,5"), written("1,234.5"), written("1,234")
    (31.5, 1234.5, 1234.5, None)
    """
    bare = text.replace(" ", "").replace("'", "")
    if AMBIGUOUS.fullmatch(bare):
        return None
    last = max(bare.rfind("."), bare.rfind(","))
    if last < 0 or (len({*bare} & {".", ","}) == 1 and bare.count(bare[last]) > 1):
        return float(re.sub("[.,]", "", bare))
    return float(f"{re.sub('[.,]', '', bare[:last])}.{bare[last + 1 :]}")


def tokens(text: str) -> int | None:
    """A count of tokens: 4096, 32k (32,768), 8K.

    >>> tokens("32k"), tokens("4096")
    (32768, 4096)
    """
    found = _SIZED.fullmatch(text.strip())
    if not found:
        return None
    return int(float(found[1].replace(",", ".")) * {None: 1, "k": 1024, "m": 1024**2}[found[2] and found[2].lower()])


def seconds(text: str) -> float | None:
    """A duration as Go prints it.

    >>> seconds("1m22.5s")
    82.5
    """
    parts = _DURATION.findall(text)
    return sum(float(value) * _SECONDS[unit] for value, unit in parts) if parts else None
