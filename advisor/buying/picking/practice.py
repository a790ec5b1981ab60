"""What living with a card or a computer is like: cooling, picture, driver, plugs, size, noise, warranty; facts of rows
of the catalog. What no source says is said not to be known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from advisor.buying.builds import Build, PricedPart
from advisor.buying.compatibility import SLOT_W
from catalog import tables
from catalog.names.gpus import resolve_gpu
from catalog.parts import Gpu


@dataclass(frozen=True, slots=True)
class Practice:
    """What a first-time builder would stumble over."""

    passive: bool
    """Without a fan of its own: made for the wind of a server case."""
    outputs: bool
    """Whether a screen can be plugged in."""
    ended: str
    """Why its driver or compute support has ended; empty where it has not."""

    @property
    def tinkerers(self) -> bool:
        """Whether it is for people who like to tinker: nobody else is offered it unasked."""
        return self.passive or not self.outputs or bool(self.ended)


def practice_of(gpu: Gpu) -> Practice:
    """What is known of a card."""
    passive = gpu.form == "datacentre"
    return Practice(passive, not passive, _ended().get(gpu.architecture, ""))


@cache
def _ended() -> Mapping[str, str]:
    return {row.name: row.ended for row in tables.ended_support()}


def living_with(build: Build) -> Iterator[str]:
    """Plugs and size of its card, noise and warranty of what decides them, in a sentence for each part."""
    cards = [part for part in build.parts if part.kind == "gpu"]
    main = cards[0] if cards else build.parts[0]
    about = [*_of_card(resolve_gpu(main.name).row)] if cards else [_told(main.name, "size")]
    lived = [_told(main.name, "noise")]
    lived += [_told(main.name, "flashing")] if (main.name, "flashing") in _facts() else []
    yield f"{main.name}: {', '.join((*about, *lived, _warranty(main)))}"
    for part in build.parts:
        if part.kind == "ssd":
            yield f"{part.name}: {_warranty(part)}"


def _of_card(gpu: Gpu) -> Iterator[str]:
    """Plugs and size of a reference card; those of other makers differ in size."""
    if gpu.power_connectors:
        yield f"power by {gpu.power_connectors.replace(';', ' and ')}"
    else:
        yield "power from the slot" if gpu.power_w <= SLOT_W else "power plugs not known"
    size = [f"{gpu.length_mm:.0f} mm long"] if gpu.length_mm else []
    size += [f"{gpu.slots:g} slots wide"] if gpu.slots else []
    yield f"the reference card {' and '.join(size)}" if size else "size not known"


SECOND_HAND = (
    "bought second-hand: what is left of a warranty is for the seller to say, and how worn it is only a test tells"
)
TEST_A_CARD = (
    "test its memory for an hour, listen to its fans, and compare the chip that the driver names with what was sold, "
    "for cards that mined all day and cards with foreign firmware are on the market"
)
"""Source: https://gearverify.com/guides/used-gpu-checklist-2026.html (read 2026-11-30)."""


def _warranty(part: PricedPart) -> str:
    if part.quote.condition == "used":
        return f"{SECOND_HAND}: {TEST_A_CARD}" if part.kind == "gpu" else SECOND_HAND
    if part.quote.condition == "owned":
        return "yours already"
    return _told(part.name, "warranty")


def _told(name: str, aspect: str) -> str:
    fact = _facts().get((name, aspect))
    if fact is None:
        return f"{aspect} not known"
    return f"{aspect}: {fact}"


@cache
def _facts() -> Mapping[tuple[str, str], str]:
    return {(row.name, row.aspect): row.fact for row in tables.living()}
