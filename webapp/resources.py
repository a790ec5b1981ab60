"""The only cache of the pages: tables, stocks, searches and rankings, kept for all visitors of the server.

What compares with measured runs imports the calibration room when it is asked for: scipy comes with it, for which the
first page does not wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from advisor.answer import Prediction
from advisor.buying import changes
from advisor.buying.ownership import Owned, owned_parts
from advisor.buying.recommendation import Recommendation, recommend_from
from advisor.buying.search import Search
from advisor.buying.stock import Stock, stock_of
from advisor.buying.wish import Wish
from advisor.detection import Detected, detect
from advisor.market.market import Choice, market_of, stored_at
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.capacity import Capacity, capacity_of
from advisor.prediction.case import Case, case_of
from advisor.prediction.nearest import described as run_like
from advisor.prediction.nearest import nearest
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import OwnMachines
from advisor.profiles.own_machine import own_machines as machines_of
from advisor.profiles.store import ProfileStore, data_folder
from advisor.question import Hardware, Scenario
from catalog import tables
from catalog.efficiency import PublicRun
from webapp import explorer
from webapp.described import DescribedBuild, described
from webapp.visitor import OwnCalibration, read_prices, uploaded, with_prices

Texts = tuple[str, ...]
Row = dict[str, Any]
SEARCHES = 6
"""Searches kept; each holds price and speed of every build, some 10 MB."""
_COMPARING = Lock()


def today() -> date:
    """The day from which ages of prices count."""
    return date.today()  # noqa: DTZ011 - the visitor's day, as good as the server's


def knowledge() -> Knowledge:
    """The shipped efficiencies and spreads."""
    return load()


@lru_cache(maxsize=32)
def owned(texts: Texts) -> Owned:
    """Parts that a visitor has. Raises `InputError`."""
    return owned_parts(texts)


@lru_cache(maxsize=16)
def stock(condition: Choice, own: Texts, prices: Texts, day: date) -> Stock:
    """What can be had by the prices known here, with a visitor's parts and prices. Raises `InputError`."""
    known = market_of(stored_at(data_folder(), exported=True)).estimates(day)
    return with_prices(stock_of(condition, owned(own), known), read_prices(prices), day)


@lru_cache(maxsize=SEARCHES)
def _search(wish: Wish, quant: str, from_stock: Stock, known: Knowledge) -> Search:
    return Search(wish, quant, from_stock, known)


def search(wish: Wish, quant: str, from_stock: Stock, known: Knowledge) -> Search:
    """The search of a wish, whatever its budget and least speed."""
    anyway: Mapping[str, object] = {"budget_usd": None, "min_tok_s": 0.0, "limit": 1}
    return _search(wish.model_copy(update=anyway), quant, from_stock, known)


@lru_cache(maxsize=128)
def ranking(wish: Wish, prices: Texts) -> Recommendation:
    """Ranked builds. Raises `InputError` and `UnknownName`."""
    parts = stock(wish.condition, wish.own, prices, today())
    return recommend_from(parts, owned(wish.own), wish, knowledge(), search)


@lru_cache(maxsize=128)
def described_build(text: str, wish: Wish, prices: Texts) -> DescribedBuild:
    """A build named by its parts. Raises `InputError` and `UnknownName`."""
    return described(text, wish, stock(wish.condition, (), prices, today()), knowledge())


@cache
def model_names() -> Texts:
    """Names of the language models, in the order of the table: the best known first."""
    return tuple(row.name for row in tables.llms())


@cache
def part_names(kind: str) -> Texts:
    """Names of the catalog's graphics cards, processors or whole machines, to choose from."""
    found = {"gpu": tables.gpus, "cpu": tables.cpus, "unified": tables.unified_machines, "laptop": tables.laptops}
    return tuple(row.name for row in found[kind]())


@lru_cache(maxsize=512)
def case(scenario: Scenario) -> Case:
    """A scenario worked out up to the physics."""
    return case_of(scenario)


@lru_cache(maxsize=512)
def capacity(scenario: Scenario) -> Capacity:
    """What fits beside and beyond a scenario."""
    return capacity_of(case(scenario))


@lru_cache(maxsize=512)
def nearby(scenario: Scenario) -> tuple[PublicRun, ...]:
    """The measured runs nearest to a scenario."""
    return tuple(nearest(run_like(case(scenario)), tables.public_runs()))


@lru_cache(maxsize=32)
def quant_matrix(scenario: Scenario) -> tuple[Row, ...]:
    """One row per quantisation of a scenario."""
    return tuple(explorer.matrix(scenario, knowledge()))


@lru_cache(maxsize=128)
def swept(scenario: Scenario, along: str, speed: explorer.Speed) -> tuple[str, tuple[Row, ...]]:
    """The rows of a sweep, with the setting's name where it is one of offloads."""
    if along == "offloads":
        name, pairs = explorer.offloads(scenario)
        return name, tuple(explorer.sweep(pairs, speed, knowledge()))
    pairs = {"contexts": explorer.contexts, "ram": explorer.ram_speeds, "links": explorer.links}[along](scenario)
    return along, tuple(explorer.sweep(pairs, speed, knowledge()))


@lru_cache(maxsize=32)
def models_on(hardware: Hardware, context: int, known: Knowledge) -> tuple[Row, ...]:
    """What a machine does with every model."""
    return tuple(explorer.readiness(hardware, context, known))


@lru_cache(maxsize=32)
def upgrades(
    model: str, hardware: Hardware, context: int, condition: Choice, known: Knowledge
) -> tuple[changes.Rung, ...]:
    """The upgrade ladder of a machine. Raises `InputError` for whole machines."""
    asked = explorer.question(model, None, hardware, context)
    return tuple(changes.ladder(asked, stock(condition, (), (), today()), known))


@lru_cache(maxsize=8)
def calibrated(profile: bytes, hardware: Hardware) -> OwnCalibration:
    """An uploaded profile over the shipped knowledge. Raises `InputError` for a damaged or foreign one."""
    return uploaded(profile, hardware, knowledge())


def own_machines() -> OwnMachines:
    """The machines whose profiles are stored on this computer, as they are now."""
    store = ProfileStore(data_folder())
    stamps = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in store.paths()]
    return _own_machines(store, tuple(stamps))


@lru_cache(maxsize=4)
def _own_machines(store: ProfileStore, _stamps: tuple[tuple[str, int, int], ...]) -> OwnMachines:
    return machines_of(store.each(), knowledge())


@lru_cache(maxsize=256)
def prediction(scenario: Scenario, known: Knowledge) -> Prediction:
    """What a scenario will do. Raises `InputError` and `UnknownName`."""
    return predict(scenario, known)


@cache
def this_machine() -> Detected:
    """The computer that the server runs on: that of the visitor, as only it can reach the pages."""
    return detect()


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured speed beside the one predicted without its machine, in tok/s."""

    kind: str
    regime: str
    backend: str
    machine: str
    model: str
    quant: str
    measured: float
    predicted: float
    low: float
    high: float
    source: str
    as_of: str

    @property
    def error(self) -> float:
        """|predicted - measured| / measured."""
        return abs(self.predicted - self.measured) / self.measured


@cache
def _measured() -> tuple[Measured, ...]:
    from calibration.accuracy.accuracy import accuracy
    from calibration.accuracy.page import machine_words

    return tuple(
        Measured(
            kind=row.kind, regime=row.run.regime, backend=row.case.setting.backend,
            machine=machine_words(row.machine).removeprefix("none, "), model=row.case.llm.name,
            quant=row.case.quant.name, measured=row.measured, predicted=row.predicted, low=row.low, high=row.high,
            source=row.run.source, as_of=row.run.as_of,
        )
        for row in accuracy().comparisons
    )


def measured() -> tuple[Measured, ...]:
    """Every measured run beside its prediction: half a minute once; a second visitor waits for the first."""
    with _COMPARING:
        return _measured()


@cache
def claims() -> tuple[Row, ...]:
    """The article's claims with verdicts: one row each, by the titles of the table that `advisor accuracy` shows."""
    from calibration.accuracy.claims import judged, table

    found = table(judged(knowledge(), tables.public_runs()))
    titles = [column.title for column in found.columns]
    return tuple(dict(zip(titles, row, strict=True)) for row in found.rows)
