"""The only cache of the pages: tables, stocks, searches and rankings, kept for all visitors of the server.

What compares with measured runs imports the calibration room when it is asked for: scipy comes with it, for which the
first page does not wait.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache, lru_cache, partial
from typing import Any

from advisor.answer import Prediction
from advisor.buying.advice import advise_from, rented_for
from advisor.buying.builds import BuildKind
from advisor.buying.changes import Upgrade, next_dollars
from advisor.buying.costs import Power, cost_words, running_costs
from advisor.buying.ownership import Owned, owned_parts
from advisor.buying.picking.shelf import Shelf
from advisor.buying.pricing import Quote
from advisor.buying.recommendation import RankedBuild, Recommendation, recommend_from
from advisor.buying.search import Search
from advisor.buying.stock import Stock, stock_of
from advisor.buying.upgrades import Aim, Upgrades
from advisor.buying.upgrades import upgrades as upgrades_of
from advisor.buying.wish import Wish
from advisor.choosing import runnable
from advisor.choosing.quality import files_of as repository_of
from advisor.choosing.quality import has_projector
from advisor.choosing.runnable import Runnable
from advisor.choosing.tasks import TASKS, TaskName
from advisor.detection import Detected, detect
from advisor.market.market import Choice, market_of, shipped_market, stored_at
from advisor.market.money import Exchange
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.capacity import Capacity, capacity_of
from advisor.prediction.case import Case, case_of
from advisor.prediction.drafting import with_own_layers
from advisor.prediction.measured import by_own_runs
from advisor.prediction.nearest import described as run_like
from advisor.prediction.nearest import nearest
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import OwnMachines
from advisor.profiles.own_machine import own_machines as machines_of
from advisor.profiles.store import ProfileStore, data_folder
from advisor.question import Hardware, OwnRun, Scenario
from advisor.sizes.quality import BEST, COMMON
from catalog import tables
from catalog.efficiency import PublicRun
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm
from webapp import agreement, explorer, links
from webapp.agreement import Measured
from webapp.described import DescribedBuild, described
from webapp.visitor import OwnCalibration, read_prices, uploaded, with_prices

Texts = tuple[str, ...]
Row = dict[str, Any]
WORTH_DRAFTING = 1.1
SEARCHES = 2
"""Searches kept; each holds price and speed of every build, some 90 MB."""
SHELVES = 8
BUDGET_STEPS = (600.0, 1200.0, 2400.0, 4800.0, 9600.0)
"""Shelves kept, and how far they go."""


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


@lru_cache(maxsize=16)
def exchange(currency: str) -> Exchange:
    """A currency at the newest rate."""
    return Exchange(currency, shipped_market().rates.per_usd(currency, today()))


@lru_cache(maxsize=SEARCHES)
def _search(wish: Wish, quant: str, from_stock: Stock, known: Knowledge) -> Search:
    return Search(wish, quant, from_stock, known)


def search(wish: Wish, quant: str, from_stock: Stock, known: Knowledge) -> Search:
    """The search of a wish, whatever its budget and least speed."""
    anyway: Mapping[str, object] = {"budget_usd": None, "min_tok_s": 0.0, "limit": 1}
    return _search(wish.model_copy(update=anyway), quant, from_stock, known)


@lru_cache(maxsize=SHELVES)
def _shelf(from_stock: Stock, kinds: tuple[BuildKind, ...], budget_usd: float | None, *, tinkerer: bool) -> Shelf:
    return Shelf(from_stock, kinds, budget_usd, tinkerer=tinkerer)


def shelf(
    from_stock: Stock, kinds: Sequence[BuildKind], budget_usd: float | None, *, tinkerer: bool, whole: bool = False
) -> Shelf:
    """The shelf of a budget or of a somewhat larger one, so that a changed budget is answered from the same; `whole`:
    the one of every price.
    """
    roomy = next((step for step in BUDGET_STEPS if budget_usd is not None and budget_usd <= step and not whole), None)
    return _shelf(from_stock, tuple(kinds), roomy, tinkerer=tinkerer)


@lru_cache(maxsize=128)
def ranking(wish: Wish, prices: Texts) -> Recommendation:
    """Every card and machine that runs the model of a wish. Raises `InputError` and `UnknownName`."""
    parts = stock(wish.condition, wish.own, prices, today())
    asked = (parts, owned(wish.own), wish, knowledge(), search, exchange(wish.currency))
    return _worker.submit(recommend_from, *asked).result()


@lru_cache(maxsize=128)
def advice(wish: Wish, prices: Texts) -> Recommendation:
    """Builds, picks with reasons and near misses, or ways out. Raises `InputError` and `UnknownName`."""
    parts = stock(wish.condition, wish.own, prices, today())
    used = stock("any", wish.own, prices, today()) if wish.condition == "new" else None
    at_any_price = wish.model_copy(update={"budget_usd": None})
    if wish.budget_usd is None:
        _asked_whole.add(at_any_price)
    # One model on every computer takes little longer than on those of a budget, and serves all budgets to come.
    shelves = partial(shelf, whole=wish.model is not None or at_any_price in _asked_whole)
    asked = (parts, owned(wish.own), wish, knowledge(), exchange(wish.currency), used, shelves, search)
    return _worker.submit(advise_from, *asked, ranked=wish.quant == BEST).result()


_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="advice")
"""Visitors' wishes are worked out one after the other in a thread of their own: two at once would take twice the memory
and each twice as long, and what a thread has freed is of no use to another.
"""
_asked_whole: set[Wish] = set()
"""Wishes that were answered without a budget: within one they are answered from the same shelf."""


@lru_cache(maxsize=128)
def described_build(text: str, wish: Wish, prices: Texts) -> DescribedBuild:
    """A build named by its parts. Raises `InputError` and `UnknownName`."""
    return described(text, wish, stock(wish.condition, (), prices, today()), knowledge())


@lru_cache(maxsize=128)
def next_dollar(text: str, wish: Wish, prices: Texts) -> Upgrade | None:
    """The swap of a build named by its parts that gains most for its price: all other builds are searched for it."""
    offer, parts = described_build(text, wish, prices).offer, stock(wish.condition, (), prices, today())
    if offer is None or not offer.build.platform:
        return None
    return next_dollars([offer], search(wish, str(offer.prediction.quant), parts, knowledge()))[0]


@cache
def countries() -> Mapping[str, tuple[str, float]]:
    """Name of each country whose electricity has a price, and the price of a kWh in USD, by its code."""
    rows = sorted(tables.electricity(), key=lambda row: row.country)
    return {row.name: (row.country, row.usd_per_kwh) for row in rows}


@cache
def model_names() -> Texts:
    """Names of the language models, in the order of the table: the best known first."""
    return tuple(row.name for row in tables.llms())


@cache
def models_for(task: TaskName) -> tuple[Row, ...]:
    """Every model with what is known of it, the best for a task first; those that nothing is known of stand last."""
    facts = {row.name: row for row in tables.model_facts()}
    quality = {row.name: row for row in tables.model_quality() if row.task == task}
    able = [llm for llm in tables.llms() if not TASKS[task].sees or has_projector(llm.id)]
    rows = [explorer.model_row(llm, facts.get(llm.id), quality.get(llm.id)) for llm in able]
    return tuple(sorted(rows, key=lambda row: -(row["Quality"] or 0.0)))


@lru_cache(maxsize=256)
def model_facts(name: str, task: TaskName) -> tuple[tuple[str, str, str], ...]:
    """What is known of a model, as figures. Raises nothing: an unknown one has none."""
    try:
        llm = resolve_llm(name).row.llm
    except UnknownName:
        return ()
    facts = next((row for row in tables.model_facts() if row.name == llm.id), None)
    quality = [row for row in tables.model_quality() if row.name == llm.id]
    return explorer.model_figures(llm, facts, next((row for row in quality if row.task == task), None))


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
def described_run(scenario: Scenario) -> PublicRun:
    """A scenario as a run that was not made, to be laid beside those that were."""
    return run_like(case(scenario))


@lru_cache(maxsize=256)
def history(kind: str, name: str, memory_gib: float | None, condition: str) -> tuple[tuple[date, float], ...]:
    """What was seen of a part's price, in USD on the basis of the estimate, oldest first."""
    votes = market_of(stored_at(data_folder(), exported=True)).votes
    wanted = {place for place, part in enumerate(votes.parts)
              if (part.kind, part.name, part.condition) == (kind, name, condition)
              and memory_gib in (None, part.memory_gib)}
    rows = [at for at, part in enumerate(votes.part.tolist()) if part in wanted]
    return tuple(sorted((date.fromordinal(int(votes.day[at])), math.exp(votes.log_usd[at])) for at in rows))


@lru_cache(maxsize=512)
def nearby(scenario: Scenario) -> tuple[PublicRun, ...]:
    """The measured runs nearest to a scenario."""
    return tuple(nearest(described_run(scenario), tables.public_runs()))


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


@lru_cache(maxsize=64)
def models_on(hardware: Hardware, task: TaskName, context: int | None, known: Knowledge) -> tuple[Runnable, ...]:
    """The models that a machine runs, the best for the task first, at the length of text that the task reads: as Buy
    and Compare ask. Raises `InputError` and `UnknownName`.
    """
    asked = TASKS[task].question(links.MODEL, COMMON, context).model_copy(update={"hardware": hardware})
    return tuple(runnable.models_on(asked, task, known))


@lru_cache(maxsize=32)
def by_runs(hardware: Hardware, runs: tuple[OwnRun, ...], known: Knowledge) -> Knowledge:
    """What a machine's own runs make of the knowledge. Raises as `case_of`."""
    return by_own_runs(Scenario(model=links.MODEL, hardware=hardware, measured=runs), known)


@lru_cache(maxsize=32)
def upgrades(
    asked: Scenario, aim: Aim, task: TaskName, condition: Choice, known: Knowledge, *, tinkerer: bool
) -> Upgrades:
    """What to buy for the machine of a question, with or without cards for tinkerers. Raises as `upgrades_of`."""
    return upgrades_of(asked, aim, task, stock(condition, (), (), today()), known, tinkerer=tinkerer)


def card_quote(before: Hardware, after: Hardware, condition: Choice) -> Quote | None:
    """The price of the card that a machine has been given, with date and source; None where it got none."""
    if before.gpus == after.gpus or not after.gpus:
        return None
    return stock(condition, (), (), today()).prices.quote("gpu", resolve_gpu(after.gpus[-1].name).row.name)


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
    return machines_of(store.outlines(), knowledge())


@lru_cache(maxsize=256)
def prediction(scenario: Scenario, known: Knowledge) -> Prediction:
    """What a scenario will do. Raises `InputError` and `UnknownName`."""
    return predict(scenario, known)


def of_people(scenario: Scenario, users: int) -> Prediction:
    """What a scenario does for several people who write at once."""
    load = scenario.workload.model_copy(update={"users": users})
    return prediction(scenario.model_copy(update={"workload": load}), knowledge())


def running(build: RankedBuild, answer: Prediction, task: TaskName, power: Power, currency: str) -> Texts:
    """What a build costs to run beside an API and a rented card, in sentences."""
    if answer.decode_tok_s is None or answer.prefill_tok_s is None:
        return ()
    speeds, load = (answer.decode_tok_s, answer.prefill_tok_s), answer.scenario.workload
    price, rented = (build.low_usd, build.high_usd), rented_for(answer, TASKS[task], knowledge())
    llm = resolve_llm(answer.model).row.llm.id
    told = running_costs(llm, TASKS[task], build.power_w, price, speeds, power, load.users, rented)
    return tuple(cost_words(told, exchange(currency), power.where))


@cache
def registered() -> tuple[Row, ...]:
    """Predictions written down before anybody measured, with what was measured since."""
    from calibration.accuracy.registered import judged

    return tuple(agreement.beforehand(judged()))


@cache
def files_of(model: str) -> str:
    """The repository with a model's usual GGUF files, "" where none is known."""
    try:
        return repository_of(resolve_llm(model).row.llm.id)
    except UnknownName:
        return ""


def drafting(scenario: Scenario, known: Knowledge) -> Prediction | None:
    """What a scenario does with the model's own layers drafting; None where that gains nothing worth typing."""
    asked = with_own_layers(scenario)
    if asked is None:
        return None
    told = prediction(asked, known)
    return told if told.speculation and told.speculation.gain >= WORTH_DRAFTING else None


@cache
def this_machine() -> Detected:
    """The computer that the server runs on: that of the visitor, as only it can reach the pages."""
    return detect()


@cache
def measured() -> tuple[Measured, ...]:
    """Every measured run beside its prediction by a fit that never saw its machine."""
    return agreement.measured(tables.left_out(), tables.public_runs())


@cache
def claims() -> tuple[Row, ...]:
    """The article's claims with verdicts: one row each, by the titles of the table that `advisor accuracy` shows."""
    from calibration.accuracy.claims import judged, table

    found = table(judged(knowledge(), tables.public_runs()))
    titles = [column.title for column in found.columns]
    return tuple(dict(zip(titles, row, strict=True)) for row in found.rows)
