"""What the next dollar buys: the single swap of a build that gains most speed for its price."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from advisor.buying.builds import Build
from advisor.buying.search import Offer, Search
from advisor.prediction.prediction import predict_many

LEAST_GAIN = 0.10
"""A swap that speeds decode up by less is not worth opening the case for."""
DEAREST_SHARE = 1.0
"""A swap that costs more than the whole build is another build."""
SPEED_KINDS = ("gpu", "cpu", "board", "ram")


class Upgrade(BaseModel):
    """A swap: what goes in for what, its price and the speed after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extra_usd: float
    gain_share: float
    """Decode speed gained, as share of the build's."""
    decode_tok_s: float
    """Median after the swap."""
    instead: tuple[str, ...]
    """Parts that it replaces."""
    buy: tuple[str, ...]
    text: str


def next_dollars(offers: Sequence[Offer], search: Search) -> list[Upgrade | None]:
    """The best swap of each offer, None where no swap gains enough.

    An offer that is a machine with numbers of its own is compared as all others are: its swaps have none.
    """
    offers = _plainly(offers, search)
    swaps = [list(_swaps(offer.build, search)) for offer in offers]
    every = search.predicted([build for group in swaps for build in group])
    tried = {id(offer.build): offer for offer in _plainly(every, search)}
    return [
        _best(offer, [tried[id(build)] for build in group if id(build) in tried])
        for offer, group in zip(offers, swaps, strict=True)
    ]


def _plainly(offers: Sequence[Offer], search: Search) -> list[Offer]:
    """The offers predicted with what all machines tell."""
    usual = search.knowledge.calibration
    own = [offer for offer in offers if offer.prediction.calibration != usual]
    asked = [search.scenario(offer.build.hardware) for offer in own]
    plain = iter(predict_many(asked, replace(search.knowledge, own=())) if own else ())
    return [Offer(offer.build, next(plain)) if offer in own else offer for offer in offers]


def _swaps(build: Build, search: Search) -> Iterable[Build]:
    """The build with other cards, and with another platform; both completed anew with power, case and cooling."""
    if build.platform is None or build.cards is None:
        return
    highest = build.price_usd * (1 + DEAREST_SHARE)
    others = [search.assembler.complete(cards, build.platform) for cards, _ in search.cards if cards != build.cards]
    others += [search.assembler.complete(build.cards, platform) for platform in search.fitting(build.cards)]
    yield from (other for other in others if other and build.price_usd < other.price_usd <= highest)


def _best(offer: Offer, swaps: Sequence[Offer]) -> Upgrade | None:
    better = [swap for swap in swaps if swap.decode_tok_s >= offer.decode_tok_s * (1 + LEAST_GAIN)]
    best = max(
        better, key=lambda swap: _gain(offer, swap) / (swap.build.price_usd - offer.build.price_usd), default=None
    )
    return upgrade(offer, best) if best else None


def _gain(offer: Offer, swap: Offer) -> float:
    return swap.decode_tok_s / offer.decode_tok_s - 1


def upgrade(offer: Offer, swap: Offer) -> Upgrade:
    """The difference of two offers in words and numbers."""
    before, after = _parts(offer), _parts(swap)
    buy, instead = _named(after - before), _named(before - after)
    kept = {name for _, name in before & after}
    shown = ", ".join(f"another {name}" if name in kept else name for name in _told(after - before))
    replaced = ", ".join(_told(before - after))
    extra = round(swap.build.price_usd - offer.build.price_usd, 2)
    gain = _gain(offer, swap)
    return Upgrade(
        extra_usd=extra, gain_share=gain, decode_tok_s=swap.decode_tok_s, instead=instead, buy=buy,
        text=f"+${extra:,.0f}: {shown}{f' for {replaced}' if replaced else ''}: {gain:+.0%}",
    )  # fmt: skip


def _parts(offer: Offer) -> Counter[tuple[str, str]]:
    named: list[tuple[str, str]] = [(part.kind, part.name) for part in offer.build.parts if part.kind in SPEED_KINDS]
    return Counter(named)


def _told(parts: Counter[tuple[str, str]]) -> tuple[str, ...]:
    """Names in a sentence: a board goes without saying where the processor changes too."""
    kinds = {kind for kind, _ in parts}
    return _named(Counter({part: count for part, count in parts.items() if part[0] != "board" or "cpu" not in kinds}))


def _named(parts: Counter[tuple[str, str]]) -> tuple[str, ...]:
    order = sorted(parts.items(), key=lambda item: SPEED_KINDS.index(item[0][0]))
    return tuple(name if count == 1 else f"{count} x {name}" for (_, name), count in order)
