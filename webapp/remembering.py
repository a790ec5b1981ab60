"""A search that keeps what it found, for the next wish that differs in budget or least speed alone."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

from advisor.builds import Assembler, Build, Cards
from advisor.knowledge import Knowledge
from advisor.platforms import Platform
from advisor.search import Offer, Search
from advisor.stock import Stock
from advisor.wish import Wish

ASSEMBLERS = 4
"""Assemblers kept, each with some thousand builds."""


class RememberingSearch(Search):
    """A search whose builds and predictions are made once; the answers are those of `Search`."""

    def __init__(self, wish: Wish, quant: str, stock: Stock, knowledge: Knowledge) -> None:
        super().__init__(wish, quant, stock, knowledge)
        self.assembler = _assembler(stock, self.assembler.model_gb)
        self._known: dict[int, tuple[Build, Offer | None]] = {}

    @cached_property
    def _every(self) -> list[Offer]:
        return super().offers(None)

    def offers(self, budget_usd: float | None) -> list[Offer]:
        """Builds within a budget that hold the model in memory, with their predictions."""
        return [offer for offer in self._every if budget_usd is None or offer.build.price_usd <= budget_usd]

    def predicted(self, builds: Sequence[Build]) -> list[Offer]:
        """Offers of the builds that hold the model; each build is asked once."""
        new = list({id(build): build for build in builds if id(build) not in self._known}.values())
        offers = {id(offer.build): offer for offer in super().predicted(new)}
        # The build is kept with its offer, so that its identity is not given to another one.
        self._known |= {id(build): (build, offers.get(id(build))) for build in new}
        return [offer for build in builds if (offer := self._known[id(build)][1])]


class _RememberingAssembler(Assembler):
    """Completes each pair of cards and platform once."""

    def __init__(self, stock: Stock, model_gb: float) -> None:
        super().__init__(stock, model_gb)
        self._completed: dict[tuple[str, int], tuple[Platform, Build | None]] = {}

    def complete(self, cards: Cards, platform: Platform) -> Build | None:
        """The cheapest compatible build, or None."""
        key = (cards.label, id(platform))
        if key not in self._completed:
            self._completed[key] = (platform, super().complete(cards, platform))
        return self._completed[key][1]


@lru_cache(maxsize=ASSEMBLERS)
def _assembler(stock: Stock, model_gb: float) -> _RememberingAssembler:
    """The assembler of all searches of a stock for a file of that size: builds do not depend on what they are asked."""
    return _RememberingAssembler(stock, model_gb)
