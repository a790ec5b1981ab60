"""Currencies: dated rates against the US dollar, and amounts of money as people write them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from advisor.errors import InputError
from catalog import tables
from catalog.prices import ExchangeRate

SYMBOLS = {
    "$": "USD", "€": "EUR", "£": "GBP", "C$": "CAD", "A$": "AUD", "¥": "JPY", "₹": "INR", "R$": "BRL", "zł": "PLN",
}
CURRENCIES = ("USD", "EUR", "GBP", "CAD", "AUD", "JPY", "INR", "BRL", "CNY", "PLN")
NO_CENTS = frozenset({"JPY", "INR"})
"""Currencies in which nobody writes hundredths of a part's price."""
MOST = 1e12
_AMOUNT = re.compile(
    r"""(?P<before>[A-Za-z]{0,3}[$€£¥₹]|zł|[A-Za-z]{3}(?=[\s\d]))?\s*
        (?P<number>\d{1,3}(?:[,\s'’]\d{2,3})*[,\s'’]\d{3}(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d+(?:[.,]\d+)?)\s*(?P<thousand>[kK](?![A-Za-z]))?\s*
        (?P<after>[$€£¥₹]|zł|[A-Za-z]{3,7})?""",
    re.VERBOSE,
)
_DOLLARS = re.compile(r"\$(\d+(?:,\d{3})*(?:\.\d+)?)")
_WORDS = {"DOLLAR": "USD", "DOLLARS": "USD", "BUCKS": "USD", "EURO": "EUR", "EUROS": "EUR", "POUND": "GBP",
          "POUNDS": "GBP", "YEN": "JPY", "RUPEES": "INR", "US$": "USD", "ZŁ": "PLN"}


@dataclass(frozen=True)
class Money:
    """An amount in a currency."""

    amount: float
    currency: str

    def __str__(self) -> str:
        return shown(self.amount, self.currency)


@dataclass(frozen=True)
class Rates:
    """Exchange rates: units of each currency for one US dollar, by the day they were read, oldest first."""

    by_currency: Mapping[str, tuple[tuple[date, float], ...]]

    @classmethod
    def of(cls, rows: Iterable[ExchangeRate], own: Mapping[str, float] | None = None) -> "Rates":
        """From rows of the table; `own` are units per dollar that the person gave, which go before all others."""
        found: dict[str, list[tuple[date, float]]] = {}
        for row in rows:
            found.setdefault(row.currency, []).append((row.as_of, row.per_usd))
        table = {currency: tuple(sorted(dated)) for currency, dated in found.items()}
        return cls(table | {currency: ((date.min, rate),) for currency, rate in (own or {}).items()})

    def per_usd(self, currency: str, day: date) -> float:
        """Units of `currency` for one dollar on a day: the newest rate known by then, else the oldest.

        Raises `InputError` for a currency without a rate.
        """
        if currency == "USD":
            return 1.0
        dated = self.by_currency.get(currency)
        if not dated:
            known = ", ".join(["USD", *sorted(self.by_currency)])
            raise InputError(f"no exchange rate is known for {currency}: give --rate {currency}=... or use {known}")
        return next((rate for seen, rate in reversed(dated) if seen <= day), dated[0][1])


@dataclass(frozen=True, slots=True)
class Exchange:
    """A currency that amounts are shown in, at a rate: units for one US dollar."""

    currency: str = "USD"
    per_usd: float = 1.0

    def of(self, usd: float) -> float:
        """The amount in this currency."""
        return usd * self.per_usd

    def said(self, usd: float) -> str:
        """An amount of dollars as people read it in this currency, in whole units."""
        return shown(round(self.of(usd)), self.currency)

    def worded(self, text: str) -> str:
        """A text whose amounts of dollars are told in this currency, in whole units.

        >>> Exchange("EUR", 0.9).worded("take $1,000 off")
        'take €900 off'
        """
        return _DOLLARS.sub(lambda found: self.said(float(found[1].replace(",", ""))), text)


def shipped_rates(own: Mapping[str, float] | None = None) -> Rates:
    """The shipped rates, with the person's own before them."""
    return Rates.of(tables.exchange_rates(), own)


def money_of(text: str, currency: str = "USD") -> Money:
    """An amount as written: "$1,500", "1000 EUR", "€ 1.200", "2k"; without a currency it is of `currency`.

    Raises `InputError` for what is no amount above zero.

    >>> [str(money_of(words)) for words in ("$1,500", "1000 EUR", "2k", "999.99 eur")]
    ['$1,500', '€1,000', '$2,000', '€999.99']
    """
    found = _AMOUNT.fullmatch(text.strip())
    if not found:
        raise InputError(f"{text!r} is no amount of money: write it like 1500, $1,500 or 1000 EUR")
    written = [_currency_of(word) for word in (found["before"], found["after"]) if word]
    if None in written or len(set(written)) > 1:
        raise InputError(f"{text!r} names no currency that is known: write it like $1,500 or 1000 EUR")
    amount = _number_of(found["number"]) * (1000 if found["thousand"] else 1)
    if not 0 < amount < MOST:
        raise InputError(f"{text[:60]!r} is no amount above zero that a computer could cost")
    return Money(amount, next((word for word in written if word), currency))


def _number_of(text: str) -> float:
    """1,500 and 1.500 with three digits after the mark are thousands; 999.99 and 999,99 have cents."""
    digits = re.sub(r"[\s'’]", "", text)
    if digits.count(".") > 1:  # 1.234.567,89
        return float(digits.replace(".", "").replace(",", "."))
    whole, mark, last = digits, "", ""
    if found := re.fullmatch(r"(.*?)([.,])(\d+)", digits):
        whole, mark, last = found.groups()
    if mark and len(last) == 3 and whole:
        return float(whole.replace(",", "") + last)
    return float(whole.replace(",", "") + (f".{last}" if mark else ""))


def _currency_of(word: str) -> str | None:
    name = word.upper()
    symbols = {symbol.upper(): currency for symbol, currency in SYMBOLS.items()}
    return symbols.get(name) or _WORDS.get(name) or (name if name in CURRENCIES else None)


def currency_of(text: str) -> str:
    """The code of a currency as people write it. Raises `InputError` for one that is not known.

    >>> currency_of("eur"), currency_of("£")
    ('EUR', 'GBP')
    """
    found = _currency_of(text.strip())
    if found is None:
        raise InputError(f"currency {text[:20]!r} is none of {', '.join(CURRENCIES)}")
    return found


def shown(amount: float, currency: str = "USD") -> str:
    """An amount as people read it; hundredths only where they are there and the amount is below 1,000."""
    symbol = next((symbol for symbol, name in SYMBOLS.items() if name == currency), "")
    cents = abs(amount - round(amount)) >= 0.005 and amount < 1000 and currency not in NO_CENTS
    text = f"{amount:,.2f}" if cents else f"{amount:,.0f}"
    return f"{symbol}{text}" if symbol else f"{text} {currency}"
