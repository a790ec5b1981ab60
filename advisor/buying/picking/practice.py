"""What living with a card is like: cooling, picture, driver; facts of its row and of its generation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from catalog import tables
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
