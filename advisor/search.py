"""All builds worth trying for a model, each with its prediction: what a ranking ranks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from advisor.answer import Prediction
from advisor.builds import Assembler, Build, Cards, whole_machines
from advisor.case import case_of
from advisor.compatibility import display_problem, gpu_links
from advisor.knowledge import Knowledge
from advisor.machine import pcie_gb_s
from advisor.placement import SYSTEM_RAM_BYTES
from advisor.platforms import RatedPlatform, platforms_of, rate, worth_trying
from advisor.prediction import predict_many
from advisor.scenario import GpuRequest, Hardware, Scenario
from advisor.stock import Stock, price_of
from advisor.wish import Wish
from catalog.parts import Gpu
from catalog.units import GB, GIB

MOST_CARDS = 2
ON_CARDS = frozenset({"full_gpu", "multi_gpu"})
UNLIMITED = float("inf")


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
    def platforms(self) -> list[RatedPlatform]:
        """Platforms that some build could want, rated for the model: the best, and the best with their own graphics."""
        rated = rate(platforms_of(self.stock), self.question, self.knowledge)
        kept: dict[int, RatedPlatform] = {}
        for group in (rated, [item for item in rated if item.platform.cpu.integrated_gpu]):
            best = worth_trying(group, self.useful_gib, memory_counts=True, cards=MOST_CARDS, link_gb_s=UNLIMITED)
            kept |= {id(item): item for item in best}
        return list(kept.values())

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

    def _builds(self, limit_usd: float) -> Iterable[Build]:
        if "desktop" in self.wish.kinds:
            for cards, on_cards in self.cards:
                yield from self._desktops(cards, on_cards, limit_usd)
        yield from (build for build in whole_machines(self.stock) if build.kind in self.wish.kinds)

    def _desktops(self, cards: Cards, on_cards: bool, limit_usd: float) -> Iterable[Build]:
        left_usd = limit_usd - price_of(
            self.stock.prices.pieces("gpu", cards.gpu.name, cards.count) or () if cards.gpu else ()
        )
        for item in self.fitting(cards, on_cards) if left_usd > 0 else ():
            # A platform's price is a lower bound of what it costs inside a build.
            build = self.assembler.complete(cards, item.platform) if item.platform.price_usd <= left_usd else None
            if build:
                yield build

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

    def fitting(self, cards: Cards, on_cards: bool) -> list[RatedPlatform]:
        """Platforms worth trying with the cards."""
        gpu, count = cards.gpu, cards.count
        vram_gib = gpu.usable_vram_gib * count if gpu else 0.0
        least_gib = (self.demand.weights_bytes + SYSTEM_RAM_BYTES) / GIB - vram_gib
        usable = [
            item for item in self.platforms
            if item.platform.memory.gib >= least_gib and display_problem(gpu, item.platform.cpu) is None
            and (gpu is None or gpu_links(gpu, count, item.platform.cpu, item.platform.board))
        ]  # fmt: skip
        link = pcie_gb_s(gpu.pcie_gen, gpu.pcie_lanes) if gpu else 0.0
        return worth_trying(usable, self.useful_gib, memory_counts=not on_cards, cards=count, link_gb_s=link)


def _only_cards(gpu: Gpu, count: int) -> Hardware:
    return Hardware(gpus=(GpuRequest(name=gpu.name, vram_gb=gpu.vram_gib, count=count),))
