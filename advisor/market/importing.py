"""Prices from a CSV file: a person's shop list, exports of eBay and Keepa, and what `advisor prices export` writes.

Columns are found by their titles, in any order, and each line is one observation (of Keepa, one for each price of it).
A line that cannot be read is told by its number and why; nothing is guessed but what a title stands for.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from advisor.errors import InputError
from advisor.files import beginning
from advisor.market.matching import other_offer
from advisor.market.money import CURRENCIES, money_of
from catalog.names.index import UnknownName
from catalog.names.parts import NamedPart, resolve_part, sizes_of
from catalog.prices import Condition, Kind, Observation, Seller

MOST_BYTES: Final = 64 * 2**20
MOST_LINES: Final = 200_000
MOST_BAD: Final = 1_000
"""Bad lines after which a file is taken for something else."""
FIRST_DAY: Final = date(2015, 1, 1)
"""Nobody buys by older prices."""
TITLES: Final[Mapping[str, tuple[str, ...]]] = {
    "part": ("part", "name", "item", "product", "component", "model", "item title", "listing title", "title"),
    "memory_gib": ("memory_gib", "memory_gb", "memory"),
    "condition": ("condition", "item condition"),
    "price": ("price", "price_usd", "unit price", "sold for", "sold price", "sale price", "item price", "current price",
              "cost", "amount"),
    "currency": ("currency", "currency code"),
    "as_of": ("as_of", "date", "seen", "seen on", "price_as_of", "sale date", "sold date", "date sold", "order date",
              "end date"),
    "source": ("source", "shop", "store", "url", "link", "item url", "vendor", "where", "price_source"),
    "kind": ("kind", "price kind", "judgement"),
    "seller": ("seller",),
    "note": ("note", "notes", "remark", "comment"),
    "part_kind": ("part_kind",),
}
"""Titles of columns, in lower case, the plainest first: what each is to an observation."""
SOLD: Final = frozenset({"sold for", "sold price", "sale price", "sale date", "sold date", "date sold", "order date"})
"""Titles that say that the price was paid."""
KEEPA: Final[Mapping[str, tuple[Condition, Kind, Seller]]] = {
    "buy box: current": ("new", "street", ""),
    "amazon: current": ("new", "street", ""),
    "new: current": ("new", "asking", "cheapest"),
    "used: current": ("used", "asking", "cheapest"),
}
"""Columns of Keepa's product viewer that are prices of today."""
KEEPA_CURRENCY: Final = {
    "com": "USD", "co.uk": "GBP", "de": "EUR", "fr": "EUR", "it": "EUR", "es": "EUR", "ca": "CAD", "co.jp": "JPY",
    "in": "INR", "com.br": "BRL", "com.au": "AUD",
}
CONDITIONS: Final[Mapping[str, Condition]] = {
    "new": "new", "brand new": "new", "used": "used", "pre-owned": "used", "preowned": "used", "second hand": "used",
    "refurbished": "used", "open box": "used", "like new": "used", "very good": "used", "good": "used",
}
SELLERS: Final = frozenset(get_args(Seller))
"""Other words of such a column are sellers' names, which say nothing here."""
FORMULA: Final = ("=", "+", "@", "\t", "\r")
DATE_FORMATS: Final = ("%Y-%m-%d", "%Y/%m/%d", "%b-%d-%y", "%b-%d-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
"""Only those that say which number is the day."""


@dataclass(frozen=True, slots=True)
class BadPriceLine:
    """A line of a file that says no price."""

    number: int
    """As an editor counts: the titles are line 1."""
    why: str


@dataclass(frozen=True)
class Imported:
    """What a file holds."""

    observations: tuple[Observation, ...]
    bad: tuple[BadPriceLine, ...]
    unread: tuple[str, ...] = ()
    """Titles of columns that say nothing here."""
    assumptions: tuple[str, ...] = ()


@dataclass
class _Usual:
    """What holds for lines that do not say it."""

    today: date
    source: str
    condition: Condition
    currency: str
    kind: Kind = "street"
    said: dict[str, None] = field(default_factory=dict)


def read_prices(
    path: Path, today: date, condition: Condition = "new", currency: str = "USD", source: str = ""
) -> Imported:
    """The observations of a file. Where lines do not say it, they are of `condition`, in `currency`, seen `today`.

    Raises `InputError` for a file that cannot be read or has no columns of a part and a price.
    """
    text = _text(path)
    lines = _lines(text, path)
    titles = [cell.strip().lower() for cell in next(lines, (0, []))[1]]
    places = {name: place for name, known in TITLES.items() if (place := _place(titles, known)) is not None}
    keepa = {titles.index(title): told for title, told in KEEPA.items() if title in titles}
    if "part" not in places or ("price" not in places and not keepa):
        raise InputError(
            f"{path.name!r} has no columns of a part and a price: its first line is to name them, for example "
            "part,condition,price,currency,as_of,source"
        )
    usual = _Usual(today, source or path.name, condition, currency)
    if "kind" not in places and SOLD & set(titles):
        usual.kind = "sold"
    found: list[Observation] = []
    bad: list[BadPriceLine] = []
    for number, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            found += _observations(cells, places, keepa, titles, usual)
        except InputError as error:
            bad.append(BadPriceLine(number, str(error)))
        if len(bad) >= MOST_BAD:
            raise InputError(
                f"{path.name!r}: {MOST_BAD:,} lines say no price, the first {_told(bad[0])}: is it prices?"
            )
    read = {*places.values(), *keepa, *(place for place, title in enumerate(titles) if title == "locale" and keepa)}
    unread = tuple(title for place, title in enumerate(titles) if place not in read and title)
    return Imported(tuple(found), tuple(bad), unread, tuple(usual.said))


def told(bad: Sequence[BadPriceLine], most: int = 20) -> str:
    """Bad lines in words."""
    more = f"; and {len(bad) - most:,} more" if len(bad) > most else ""
    return "; ".join(map(_told, bad[:most])) + more


def _told(line: BadPriceLine) -> str:
    return f"line {line.number:,}: {line.why}"


def _text(path: Path) -> str:
    """The text of a file: UTF-8, with or without its mark, UTF-16 with one, else Windows' western letters."""
    content = beginning(path, MOST_BYTES + 1, repr(path.name))
    if len(content) > MOST_BYTES:
        raise InputError(f"{path.name!r} has more than {MOST_BYTES // 2**20} MiB: split it")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content:
        raise InputError(f"{path.name!r} is no text: export it as CSV")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _lines(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells of each line with its number. The mark between cells is the one that the first line has most of."""
    head = text.partition("\n")[0][:10_000]
    mark = max(",;\t|", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=False)
    first = 1
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path.name!r}, line {rows.line_num:,}: {error}") from None
        if first > MOST_LINES:
            raise InputError(f"{path.name!r} has more than {MOST_LINES:,} lines: split it")
        if cells or first == 1:
            yield first, cells
        first = rows.line_num + 1


def _place(titles: Sequence[str], known: Sequence[str]) -> int | None:
    return next((titles.index(title) for title in known if title in titles), None)


def _observations(
    cells: Sequence[str], places: Mapping[str, int], keepa: Mapping[int, tuple[Condition, Kind, Seller]],
    titles: Sequence[str], usual: _Usual,
) -> Iterator[Observation]:
    """The observations of one line. Raises `InputError` that says why it has none."""
    if len(cells) != len(titles):
        raise InputError(f"{len(cells)} cells where the first line has {len(titles)}")
    told = {name: _plain(cells[place], name) for name, place in places.items()}
    part = _part(told)
    if offered := other_offer(told["part"], part):
        raise InputError(f"an offer of something else: {offered!r} in {told['part'][:80]!r}")
    day = _day(told.get("as_of"), usual)
    common: dict[str, Any] = {
        "part_kind": part.kind, "part": part.name, "memory_gib": part.memory_gib, "as_of": day,
        "source": told.get("source") or usual.source, "note": told.get("note", "")[:500],
    }
    if keepa:
        locale = _plain(cells[titles.index("locale")], "locale").lower() if "locale" in titles else "com"
        currency = KEEPA_CURRENCY.get(locale.removeprefix("amazon."), usual.currency)
        priced = [(place, told_) for place, told_ in keepa.items() if re.search(r"\d", cells[place])]
        if not priced:
            raise InputError("no price of today")
        for place, (condition, kind, seller) in priced:
            yield _observation(common, cells[place], currency, condition=condition, kind=kind, seller=seller)
        return
    currency = told.get("currency", "").upper() or usual.currency
    if currency not in CURRENCIES:
        raise InputError(f"currency {currency[:10]!r} is none of {', '.join(CURRENCIES)}")
    yield _observation(
        common, told["price"], currency, condition=_condition(told.get("condition"), usual),
        kind=told.get("kind") or usual.kind, seller=told["seller"] if told.get("seller") in SELLERS else "",
    )


def _observation(common: Mapping[str, Any], price: str, currency: str, **told: Any) -> Observation:
    if price.strip().startswith("-"):
        raise InputError(f"price {price[:40]!r} is below zero")
    money = money_of(price, currency)
    try:
        return Observation.model_validate({**common, **told, "price": money.amount, "currency": money.currency})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise InputError(f"{name} {str(first['input'])[:40]!r}: {first['msg'].lower()}") from None


def _plain(cell: str, name: str) -> str:
    """A cell's text; spreadsheets hide a formula behind an apostrophe, which our own exports do too."""
    text = cell.strip()
    if text.startswith("'"):
        return text[1:].strip()
    if text.startswith(FORMULA):
        raise InputError(f"{name} is a formula ({text[:30]!r}): write its value")
    return text


def _part(told: Mapping[str, str]) -> NamedPart:
    """The part of a line, with its size where it is sold in several."""
    text = told["part"]
    if not text:
        raise InputError("no part is named")
    size = told.get("memory_gib", "")
    try:
        part = resolve_part(f"{text} {_gib(size):g}GB" if size else text)
    except UnknownName as error:
        raise InputError(str(error)) from None
    if part.memory_gib is None and len(sizes_of(part.row)) > 1:
        sold = ", ".join(f"{size:g}" for size in sizes_of(part.row))
        raise InputError(f"{part.name} is sold with {sold} GB: name the size")
    return part


def _gib(text: str) -> float:
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s?(?:GB|GiB)?", text)
    if not number:
        raise InputError(f"memory size {text[:20]!r} is no number of GB")
    return float(number[1])


def _condition(text: str | None, usual: _Usual) -> Condition:
    if not text:
        usual.said[f"without a condition: taken as {usual.condition}"] = None
        return usual.condition
    name = re.sub(r"\s*[-(].*refurb.*|.*refurb.*", "refurbished", text.lower()).strip()
    found = CONDITIONS.get(name) or next((CONDITIONS[word] for word in CONDITIONS if name.startswith(word)), None)
    if found is None:
        raise InputError(f"condition {text[:40]!r} is neither new nor used")
    return found


def _day(text: str | None, usual: _Usual) -> date:
    if not text:
        usual.said[f"without a date: taken as seen on {usual.today}"] = None
        return usual.today
    day = next((found for form in DATE_FORMATS if (found := _parsed(text, form))), None)
    if day is None:
        raise InputError(f"date {text[:40]!r} is not read: write it like {usual.today}")
    if not FIRST_DAY <= day <= usual.today:
        raise InputError(f"date {day} lies {'in the future' if day > usual.today else 'too far back'}")
    return day


def _parsed(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text.partition("T")[0].strip(), form).date()  # noqa: DTZ007
    except ValueError:
        return None
