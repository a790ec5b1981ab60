"""What is known of one part's price: the estimate that counts, those of its other sizes, and what was seen."""

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, ConfigDict

from advisor.charts import Axis, Chart, Curve, axis_of
from advisor.documents import Bar, Cell, Document, Paragraph, Section, Table, TableColumn, columns
from advisor.market.estimate import DAYS_A_MONTH, Estimate, Part
from advisor.market.market import Choice, Market, chosen
from advisor.market.money import shown
from catalog.names.parts import NamedPart, sizes_of
from catalog.prices import Condition, Observation, PartKind


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceEstimate(_Told):
    """What an ordinary buyer pays a seller to trust, before tax; low to high is the 80 % interval."""

    price_usd: float
    low_usd: float
    high_usd: float
    observations: int
    sources: int
    """Independent ones."""
    newest: date
    one_source: bool
    stale: bool
    """Of a kind whose prices move, and older than 45 days."""
    own: bool
    """The person's own figure."""


class PricedVariant(_Told):
    """The estimate of one memory size (null: there is only one) in one condition."""

    memory_gib: float | None
    condition: Condition
    estimate: PriceEstimate


class PartPrice(_Told):
    """A part, its estimate under a choice of condition (null where nothing says anything), and what was seen of it."""

    kind: PartKind
    part: str
    variant: str | None
    """The memory size that is meant, where one row is sold in several."""
    condition: str
    """Of the estimate; what was asked where there is none."""
    as_of: date
    estimate: PriceEstimate | None
    variants: tuple[PricedVariant, ...]
    observations: tuple[Observation, ...]
    """Oldest first, in the currencies they were seen in."""
    assumptions: tuple[str, ...]


def part_price(market: Market, part: NamedPart, choice: Choice, as_of: date) -> PartPrice:
    """What was known of a part's price on a day. `choice`: new or used alone; any: the lower of both.

    Where a part is sold in several sizes and none is named there is no one estimate: `variants` has them all.
    """
    known = market.estimates(as_of)
    sizes = sizes_of(part.row) if part.memory_gib is None and len(sizes_of(part.row)) > 1 else (part.memory_gib,)
    conditions: tuple[Condition, ...] = ("new", "used")
    variants = tuple(
        PricedVariant(memory_gib=size, condition=condition, estimate=_told(found))
        for size in sizes for condition in conditions
        if (found := _found(known, part, size, condition))
    )
    new, used = (
        _found(known, part, sizes[0], condition) if len(sizes) == 1 and choice in (condition, "any") else None
        for condition in conditions
    )
    counts = chosen(new, used, "any")
    seen = market.seen(part.kind, part.name, part.memory_gib, as_of)
    return PartPrice(
        kind=part.kind, part=part.name, variant=f"{part.memory_gib:g} GB" if part.memory_gib else None,
        condition=counts[1] if counts else choice, as_of=as_of, estimate=_told(counts[0]) if counts else None,
        variants=variants, observations=tuple(item for item in seen if choice in (item.condition, "any")),
        assumptions=part.assumptions,
    )


def _found(
    known: Mapping[Part, Estimate], part: NamedPart, size: float | None, condition: Condition
) -> Estimate | None:
    """The estimate of a size, else that of observations which name none."""
    found = known.get(Part(part.kind, part.name, size, condition))
    if found is None and size is not None and len(sizes_of(part.row)) == 1:
        found = known.get(Part(part.kind, part.name, None, condition))
    return found


def _told(found: Estimate) -> PriceEstimate:
    return PriceEstimate(
        price_usd=round(found.price_usd, 2), low_usd=round(found.low_usd, 2), high_usd=round(found.high_usd, 2),
        observations=found.observations, sources=found.sources, newest=found.newest, one_source=found.one_source,
        stale=found.stale, own=found.own,
    )


def sentence(found: PartPrice, market: Market, currency: str = "USD") -> str:
    """The estimate in words, in a currency."""
    name = " ".join(filter(None, (found.part, found.variant)))
    if found.estimate is None:
        if found.variants and not found.variant and len({item.memory_gib for item in found.variants}) > 1:
            sizes = ", ".join(dict.fromkeys(f"{item.memory_gib:g} GB" for item in found.variants))
            return f"{name} is sold in several sizes: name one of {sizes}."
        others = ", ".join(dict.fromkeys(item.condition for item in found.variants))
        asked = "" if found.condition == "any" else f" {found.condition}"
        known = f"; there are {others} ones" if others else ""
        return f"Nothing that was seen until {found.as_of} tells what {name} costs{asked}{known}."
    told, rate = found.estimate, market.rates.per_usd(currency, found.as_of)
    price, low, high = (shown(usd * rate, currency) for usd in (told.price_usd, told.low_usd, told.high_usd))
    if told.own:
        return f"{name}, {found.condition}: {price}, your own figure of {told.newest}."
    seen = "1 observation" if told.observations == 1 else f"{told.observations} observations"
    sources = "one source" if told.one_source else f"{told.sources} sources"
    stale = "; older than 45 days, though such prices move" if told.stale else ""
    return (
        f"{name}, {found.condition}: {price} ({low} to {high} in 8 of 10 cases), from {seen} of {sources}, "
        f"the newest of {told.newest}{stale}."
    )


def document(found: PartPrice, market: Market, currency: str = "USD", *, drawn: bool = True) -> Document:
    """The estimate, its history, and what was seen. `drawn`: the history as a chart, else as bars for a terminal."""
    rows = [
        (str(item.as_of), item.condition, " ".join(filter(None, (item.kind, item.seller))),
         shown(item.price, item.currency), f"{item.memory_gib:g} GB" if item.memory_gib else "", item.source)
        for item in reversed(found.observations)
    ]
    told = TableColumn("Source", fills=True)
    head = (*columns("Seen on", "Condition", "Kind"), TableColumn("Price", right=True), TableColumn("Size"), told)
    others = [
        (f"{item.memory_gib:g} GB" if item.memory_gib else "", item.condition, shown(item.estimate.price_usd),
         f"{shown(item.estimate.low_usd)} to {shown(item.estimate.high_usd)}", str(item.estimate.newest))
        for item in found.variants
    ]
    chart = history(found, market)
    bars = _bars(chart, found.as_of) if chart else None
    past = [chart] if drawn and chart else [bars] if bars and bars.rows else []
    return Document(sentence(found, market, currency), [
        Section("", [Paragraph(f"Note: {said}.", faint=True) for said in found.assumptions]),
        Section("Estimates in US dollars", [Table(columns("Size", "Condition", "Price", "8 of 10", "Newest"), others)]
                if len(others) > 1 else []),
        Section("History", past),
        Section("Seen", [Table(head, rows)] if rows else []),
    ])


MONTHS = 18
"""Of the past, shown in a terminal."""


def _bars(chart: Chart, as_of: date) -> Table:
    """The estimates of the last months as bars of their share of the highest."""
    paths = {curve.label: dict(curve.points[-MONTHS:]) for curve in chart.curves if curve.line and curve.points}
    most = max((usd for path in paths.values() for usd in path.values()), default=1.0)
    rows: list[list[Cell]] = []
    for at in sorted({at for path in paths.values() for at in path}):
        day = date.fromordinal(as_of.toordinal() + round(at * DAYS_A_MONTH))
        known = [path.get(at) for path in paths.values()]
        cells = [cell for usd in known for cell in ((shown(round(usd)), Bar(usd / most)) if usd else ("", ""))]
        rows.append([str(day), *cells])
    head = [TableColumn("Estimate of")]
    for name in paths:
        head += [TableColumn(name, right=True), TableColumn()]
    return Table(head, rows)


def history(found: PartPrice, market: Market) -> Chart | None:
    """Prices that were seen, in dollars of their day, and the estimates of each condition by month; None of nothing."""
    usd = [(item, item.price / market.rates.per_usd(item.currency, item.as_of)) for item in found.observations]
    if not usd:
        return None
    first = min(item.as_of for item, _ in usd)
    months = {day: (day - found.as_of).days / DAYS_A_MONTH for day in {item.as_of for item, _ in usd}}
    curves: list[Curve] = []
    for colour, condition in enumerate(("new", "used")):
        dots = tuple((months[item.as_of], price) for item, price in usd if item.condition == condition)
        if dots:
            curves.append(Curve(f"seen {condition}", dots, line=False, colour=colour))
            curves.append(Curve(condition, _path(found, market, condition, first), dots=False, colour=colour))
    values = [value for curve in curves for _, value in curve.points]
    across = Axis(f"months before {found.as_of}", min(months.values()) - 0.2, 0.2)
    return Chart(f"{found.part}: prices seen and estimated", tuple(curves), across, axis_of("US dollars", values))


def _path(found: PartPrice, market: Market, condition: str, first: date) -> tuple[tuple[float, float], ...]:
    """Estimates of the last day and of every month before it since the first observation."""
    sizes = {item.memory_gib for item in found.observations if item.condition == condition}
    if len(sizes) != 1:
        return ()
    (size,) = sizes
    months = int((found.as_of - first).days / DAYS_A_MONTH)
    days = [date.fromordinal(found.as_of.toordinal() - round(count * DAYS_A_MONTH)) for count in range(months, -1, -1)]
    part = next(item for item in found.observations if item.condition == condition)
    alone = Market(found.observations, market.basis, market.rates)
    path = []
    for day in days:
        known = alone.estimates(day).get(Part(part.part_kind, part.part, size, part.condition))
        if known:
            path.append(((day - found.as_of).days / DAYS_A_MONTH, known.price_usd))
    return tuple(path)
