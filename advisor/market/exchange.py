"""Exchange rates that a person gives: "EUR=0.9", or the European Central Bank's reference rates from a file or address.

Source of the formats: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from advisor.errors import InputError, reason
from advisor.market.money import CURRENCIES, Rates, shipped_rates
from catalog.prices import ExchangeRate

MOST_BYTES: Final = 32 * 2**20
TIMEOUT_S: Final = 20.0
SINGLE = re.compile(r"\s*([A-Za-z]{3})\s*=\s*([\d.]+)\s*")
DAY = re.compile(r"""time=['"](\d{4}-\d\d-\d\d)['"]""")
RATE = re.compile(r"""currency=['"]([A-Z]{3})['"]\s+rate=['"]([\d.]+)['"]""")


def rates_given(texts: Sequence[str]) -> Rates:
    """The shipped rates with those that texts give: "EUR=0.9" (0.9 EUR for one US dollar), or where the bank's file is.

    Raises `InputError` for a text that gives none.
    """
    own: dict[str, float] = {}
    dated = dict(shipped_rates().by_currency)
    for text in texts:
        single = SINGLE.fullmatch(text)
        if single:
            own[single[1].upper()] = _rate(text, single[2])
            continue
        rows = bank_rates(_content(text), text)
        found = dict(Rates.of(rows).by_currency)
        dated = {
            currency: tuple(sorted({**dict(dated.get(currency, ())), **dict(found.get(currency, ()))}.items()))
            for currency in (dated | found)
        }
    return Rates(dated | {currency: ((date.min, rate),) for currency, rate in own.items()})


def _rate(text: str, number: str) -> float:
    try:
        rate = float(number)
    except ValueError:
        rate = 0.0
    if not 1e-4 <= rate <= 1e6:
        raise InputError(f"--rate {text!r}: give units for one US dollar, for example EUR=0.9")
    return rate


def _content(place: str) -> bytes:
    """The bank's file from disk or from an https address, a packed one unpacked."""
    try:
        if place.startswith("https://"):
            with urlopen(place, timeout=TIMEOUT_S) as answer:
                content: bytes = answer.read(MOST_BYTES + 1)
        else:
            with Path(place).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except (OSError, URLError, ValueError) as error:
        said = reason(error.reason if isinstance(error, URLError) and isinstance(error.reason, OSError) else error)
        raise InputError(
            f"--rate {place!r} cannot be read ({said}): give EUR=0.9, or the European Central Bank's eurofxref file"
        ) from None
    if content.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                first = packed.infolist()[0]
                content = packed.read(first) if first.file_size <= MOST_BYTES else bytes(MOST_BYTES + 1)
        except (zipfile.BadZipFile, IndexError):
            raise InputError(f"--rate {place!r} is a damaged archive") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"--rate {place!r} has more than {MOST_BYTES // 2**20} MiB")
    return content


def bank_rates(content: bytes, named: str) -> list[ExchangeRate]:
    """Units for one US dollar by day, from the bank's CSV or XML, which count in euros.

    Raises `InputError` for a file that holds none.
    """
    text = content.decode("utf-8", errors="replace")
    days = _xml(text) if "<" in text[:200] else _table(text)
    rows = [
        ExchangeRate(currency=currency, per_usd=rate / euro["USD"], as_of=day, source=named)
        for day, euro in days if euro.get("USD", 0) > 0
        for currency, rate in {**euro, "EUR": 1.0}.items() if currency in CURRENCIES and currency != "USD" and rate > 0
    ]
    if not rows:
        raise InputError(f"--rate {named!r} holds no rates: give EUR=0.9 or the European Central Bank's eurofxref file")
    return rows


def _xml(text: str) -> list[tuple[date, dict[str, float]]]:
    """Days and rates by their marks; nothing else of the file is read."""
    pieces = DAY.split(text)[1:]
    return [
        (date.fromisoformat(day), {currency: float(rate) for currency, rate in RATE.findall(body)})
        for day, body in zip(pieces[::2], pieces[1::2], strict=True)
    ]


def _table(text: str) -> list[tuple[date, dict[str, float]]]:
    lines = csv.reader(io.StringIO(text))
    titles = [title.strip().upper() for title in next(lines, [])]
    found = []
    for line in lines:
        cells = [cell.strip() for cell in line]
        day = _day(cells[0]) if cells else None
        if day and titles[:1] == ["DATE"]:
            numbers = zip(titles[1:], cells[1:], strict=False)
            found.append((day, {name: float(cell) for name, cell in numbers if re.fullmatch(r"\d+(\.\d+)?", cell)}))
    return found


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007
        except ValueError:
            continue
    return None
