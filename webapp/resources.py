"""The only cache of the pages: tables, stocks, searches and rankings, kept for all visitors of the server."""

from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache

from advisor.capacity import Capacity, capacity_of
from advisor.case import Case, case_of
from advisor.knowledge import Knowledge, load
from advisor.nearest import described as run_like
from advisor.nearest import nearest
from advisor.ownership import Owned, owned_parts
from advisor.pricing import Choice
from advisor.recommendation import Recommendation, recommend_from
from advisor.scenario import Scenario
from advisor.stock import Stock, stock_of
from advisor.wish import Wish
from catalog import tables
from catalog.measured import PublicRun
from webapp.described import DescribedBuild, described
from webapp.links import FindState
from webapp.own_prices import read_prices, with_prices
from webapp.remembering import RememberingSearch

Texts = tuple[str, ...]
SEARCHES = 6
"""Searches kept; each holds some thousand builds with their predictions, about 30 MB."""


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
    """What can be had, with a visitor's parts and prices. Raises `InputError`."""
    return with_prices(stock_of(condition, owned(own)), read_prices(prices), day)


@lru_cache(maxsize=SEARCHES)
def _search(wish: Wish, quant: str, from_stock: Stock, known: Knowledge) -> RememberingSearch:
    return RememberingSearch(wish, quant, from_stock, known)


def search(wish: Wish, quant: str, from_stock: Stock, known: Knowledge) -> RememberingSearch:
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
    rows = {
        "gpu": tables.gpus, "cpu": tables.cpus, "unified": tables.unified_machines, "laptop": tables.laptops,
        "ssd": tables.ssds,
    }[kind]()  # fmt: skip
    return tuple(row.name for row in rows)


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


def warm() -> None:
    """Read the tables, rank the first visitor's question and import what draws it, before the first visitor comes."""
    from importlib import import_module

    ranking(FindState().wish(), ())
    for name in ("pandas", "pyarrow", "webapp.pages.find", "webapp.pages.explore", "webapp.pages.compare"):
        import_module(name)
    tables.public_runs()
