"""All builds worth trying for a model, each with its prediction: what a ranking ranks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from advisor.answer import Prediction
from advisor.buying.builds import Assembler, Build, Cards, whole_machines
from advisor.buying.compatibility import has_outputs
from advisor.buying.platforms import Need, Platform, RatedPlatforms, Rows, platforms_of, rate
from advisor.buying.pricing import price_of
from advisor.buying.stock import Stock
from advisor.buying.wish import Wish
from advisor.machines.machine import pcie_gb_s
from advisor.physics.knowledge import Knowledge
from advisor.physics.placement import SYSTEM_RAM_BYTES
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict_many
from advisor.question import GpuRequest, Hardware, Scenario
from catalog.parts import Gpu
from catalog.units import GB, GIB

MOST_CARDS = 2
ON_CARDS = frozenset({"full_gpu", "multi_gpu"})
UNLIMITED = float("inf")
LEAST_USE = 0.8
"""Share of the cards' memory that a model too large for them fills at least: what is left over needs RAM."""


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A build and what it will do."""

    build: Build
    prediction: Prediction

    @property
    def decode_tok_s(self) -> float:
        """Median decode speed; offers that cannot run are never made."""
        return self.prediction.decode_tok_s.p50 if self.prediction.decode_tok_s else 0.0

    @property
    def usd_per_tok_s(self) -> float:
        """Price of one token per second."""
        return self.build.price_usd / self.decode_tok_s


class Search:
    """The builds of a stock for one wish and one quantisation."""

    def __init__(self, wish: Wish, quant: str, stock: Stock, knowledge: Knowledge) -> None:
        self.wish, self.stock, self.knowledge = wish, stock, knowledge
        self.question = wish.question(quant)
        self.demand = case_of(self.question).demand
        self.assembler = Assembler(stock, self.demand.footprint.file_bytes / GB)
        needed = (
            self.demand.weights_bytes
            + float(self.demand.kv.sum() + self.demand.state.sum())
            + self.demand.compute
            + SYSTEM_RAM_BYTES
        )
        self.useful_gib = needed / GIB

    @cached_property
    def rated(self) -> RatedPlatforms:
        """Platforms that some build could want, rated for the model: the best, and the best with their own graphics."""
        every = rate(platforms_of(self.stock), self.question, self.knowledge)
        need = Need(MOST_CARDS, UNLIMITED, self.useful_gib, memory_counts=True)
        groups = (np.arange(len(every.platforms)), np.flatnonzero(every.graphics))
        return every.take(np.union1d(*(every.worth_trying(rows, need) for rows in groups)))

    def offers(self, budget_usd: float | None) -> list[Offer]:
        """Builds within a budget that hold the model in memory, with their predictions."""
        limit = UNLIMITED if budget_usd is None else budget_usd
        return self.predicted([build for build in self._builds(limit) if build.price_usd <= limit])

    def predicted(self, builds: Sequence[Build]) -> list[Offer]:
        """Offers of the builds that hold the model without reading it from disk again and again."""
        answers = predict_many([self.scenario(build.hardware) for build in builds], self.knowledge)
        pairs = zip(builds, answers, strict=True)
        return [
            Offer(build, answer)
            for build, answer in pairs
            if answer.fits and answer.decode_tok_s and answer.placement.storage_gb <= 0
        ]

    def scenario(self, hardware: Hardware) -> Scenario:
        """The question asked of a hardware."""
        return self.question.model_copy(update={"hardware": hardware})

    def reaches(self, budget_usd: float | None, tok_s: float) -> bool:
        """Whether some build within the budget decodes so fast: asks only the strongest that each card allows."""
        limit = UNLIMITED if budget_usd is None else budget_usd
        builds = [build for build in self._machines() if build.price_usd <= limit]
        for cards, on_cards in self._desktop_cards():
            builds += self._strongest(cards, on_cards, limit)
        return any(offer.decode_tok_s >= tok_s for offer in self.predicted(builds))

    def _builds(self, limit_usd: float) -> Iterable[Build]:
        for cards, on_cards in self._desktop_cards():
            # A platform's price is a lower bound of what it costs inside a build.
            rows = self._affordable(cards, on_cards, limit_usd)
            yield from filter(None, (self.assembler.complete(cards, self.rated.platforms[row]) for row in rows))
        yield from self._machines()

    def _machines(self) -> Iterable[Build]:
        return (build for build in whole_machines(self.stock) if build.kind in self.wish.kinds)

    def _desktop_cards(self) -> Iterable[tuple[Cards, bool]]:
        return self.cards if "desktop" in self.wish.kinds else ()

    def _affordable(self, cards: Cards, on_cards: bool, limit_usd: float) -> Rows:
        pieces = self.stock.prices.pieces("gpu", cards.gpu.name, cards.count) if cards.gpu else ()
        left_usd = limit_usd - price_of(pieces or ())
        if left_usd <= 0:
            return np.arange(0)
        rows = self._worth_trying(cards, on_cards)
        return rows[self.rated.price_usd[rows] <= left_usd]

    def _strongest(self, cards: Cards, on_cards: bool, limit_usd: float) -> list[Build]:
        """Builds within the limit that no other with the same cards beats in speed."""
        rows = self._affordable(cards, on_cards, limit_usd)
        while len(rows):
            chosen = self.rated.strongest(rows, self._need(cards, on_cards))
            built = [self.assembler.complete(cards, self.rated.platforms[row]) for row in chosen]
            within = [build for build in built if build and build.price_usd <= limit_usd]
            if len(within) == len(chosen):
                return within
            beyond = [row for row, build in zip(chosen, built, strict=True) if build not in within]
            rows = rows[~np.isin(rows, beyond)]
        return []

    @cached_property
    def cards(self) -> list[tuple[Cards, bool]]:
        """No card, one, or two equal ones, each with whether the model lies on the cards alone."""
        wanted = [Cards(gpu, count) for gpu in self.stock.gpus for count in range(1, MOST_CARDS + 1)]
        asked = [self.scenario(_only_cards(cards.gpu, cards.count)) for cards in wanted if cards.gpu]
        strategies = [answer.placement.strategy for answer in predict_many(asked, self.knowledge)]
        return [
            (Cards(None, 0), False),
            *((cards, strategy in ON_CARDS) for cards, strategy in zip(wanted, strategies, strict=True)),
        ]

    def fitting(self, cards: Cards) -> list[Platform]:
        """Platforms worth trying with the cards, as if memory mattered."""
        return [self.rated.platforms[row] for row in self._worth_trying(cards, on_cards=False)]

    def _need(self, cards: Cards, on_cards: bool) -> Need:
        link = pcie_gb_s(cards.gpu.pcie_gen, cards.gpu.pcie_lanes) if cards.gpu else 0.0
        return Need(cards.count, link, self.useful_gib - LEAST_USE * _vram_gib(cards), memory_counts=not on_cards)

    def _worth_trying(self, cards: Cards, on_cards: bool) -> Rows:
        """Rows of the platforms with room for model and cards and a picture on the screen that no cheaper one beats."""
        least_gib = (self.demand.weights_bytes + SYSTEM_RAM_BYTES) / GIB - _vram_gib(cards)
        usable = self.rated.gib >= least_gib
        if cards.gpu is None or not has_outputs(cards.gpu):
            usable = usable & self.rated.graphics
        if cards.count == MOST_CARDS:
            usable = usable & (self.rated.links_gb_s[:, 1] > 0)
        return self.rated.worth_trying(np.flatnonzero(usable), self._need(cards, on_cards))


def _vram_gib(cards: Cards) -> float:
    return cards.gpu.usable_vram_gib * cards.count if cards.gpu else 0.0


def _only_cards(gpu: Gpu, count: int) -> Hardware:
    return Hardware(gpus=(GpuRequest(name=gpu.name, vram_gb=gpu.vram_gib, count=count),))
