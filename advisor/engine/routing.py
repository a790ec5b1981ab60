"""How a model routes its tokens: the experts that each layer chooses, how unequally, and how soon again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.engine.session import Session
from advisor.engine.session.messages import Trace
from advisor.engine.settings import EngineSettings
from advisor.gguf.synthetic.popularity import inclusion
from advisor.gguf.synthetic.recipe import SKEW_LIMIT

Counts = NDArray[np.int64]
_HALVINGS = 30
"""Of the exponents in question: to a billionth of them."""


@dataclass(frozen=True, eq=False)
class LayerRoutes:
    """The experts that one layer chose."""

    layer: int
    n_experts: int
    chosen: NDArray[np.int32]
    """[tokens, experts used per token]"""

    @property
    def n_used(self) -> int:
        """Experts per token."""
        return int(self.chosen.shape[1])

    def counts(self) -> Counts:
        """How often each expert was chosen."""
        return _counts(self.chosen, self.n_experts)

    def halves(self) -> tuple["LayerRoutes", "LayerRoutes"]:
        """The first half of the tokens and the rest."""
        middle = len(self.chosen) // 2
        first, second = self.chosen[:middle], self.chosen[middle:]
        return LayerRoutes(self.layer, self.n_experts, first), LayerRoutes(self.layer, self.n_experts, second)


def trace(path: Path, settings: EngineSettings, asked: Trace, n_experts: Mapping[int, int]) -> tuple[LayerRoutes, ...]:
    """The routes of each layer. `n_experts`: how many each has. Raises as `Session`."""
    with Session(path, settings, trace=True) as session:
        found = session.routes(asked).layers
    return tuple(
        LayerRoutes(layer, n_experts[layer], np.array(chosen, np.int32)) for layer, chosen in sorted(found.items())
    )


def hottest_share(routes: LayerRoutes, share: float = 0.5) -> float:
    """Share of the choices that fall on the hottest experts (`share` of all).

    The first half of the tokens says which are the hottest, the second is counted: else chance alone would make some
    experts hot, and uniform choices seem skewed.
    """
    first, second = routes.halves()
    hottest = np.argsort(-first.counts(), kind="stable")[: max(1, round(routes.n_experts * share))]
    return float(second.counts()[hottest].sum() / second.chosen.size)


def zipf_exponent(n_experts: int, n_used: int, share_of_hottest_half: float) -> float:
    """Exponent of the law of popularity (`synthesis.popularity.inclusion`) whose hottest half has that share.

    >>> round(zipf_exponent(64, 8, 0.5), 3)
    0.0
    """
    half, low, high = max(1, round(n_experts / 2)), 0.0, SKEW_LIMIT
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        share = inclusion(n_experts, n_used, middle)[:half].sum() / n_used
        low, high = (middle, high) if share < share_of_hottest_half else (low, middle)
    return low


def reused_share(routes: LayerRoutes, window: int) -> float:
    """Share of a token's experts that one of the `window` tokens before it used too; of tokens with so many before."""
    used = np.zeros((len(routes.chosen), routes.n_experts), bool)
    np.put_along_axis(used, routes.chosen, values=True, axis=1)
    again = [
        used[max(0, token - window) : token, routes.chosen[token]].any(axis=0).mean()
        for token in range(min(window, len(used) - 1), len(used))
    ]
    return float(np.mean(again))


def reused_by_chance(routes: LayerRoutes, window: int) -> float:
    """What `reused_share` would be if each token drew its experts anew, all as likely."""
    return 1.0 - (1.0 - routes.n_used / routes.n_experts) ** window


def kept_share(layers: Iterable[LayerRoutes], kept: Iterable[tuple[int, int]]) -> float:
    """Share of all choices that fall on these experts (layer, number)."""
    numbers = set(kept)
    hits = [(routes.layer, number) in numbers for routes in layers for number in routes.chosen.ravel().tolist()]
    return sum(hits) / len(hits)


def counted(layers: Iterable[LayerRoutes]) -> Iterator[tuple[tuple[int, int], int]]:
    """Each expert (layer, number) and how often it was chosen."""
    for routes in layers:
        yield from (((routes.layer, number), int(count)) for number, count in enumerate(routes.counts()))


def _counts(chosen: NDArray[np.int32], n_experts: int) -> Counts:
    return np.bincount(chosen.ravel(), minlength=n_experts)
