"""What runs of one machine tell of others that keep parts of it: each level stays with the part that it is of.

The levels of a rig are those of its graphics cards, of its processor with its memory, and of the links between them
(`advisor.physics.rigs`). With another card the processor is as it was measured; with more memory of the same speed all
are. Of what is new nothing was measured: there the knowledge of all machines holds, with its ranges.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final, cast

from advisor.answer import Warning
from advisor.machines.from_parts import machine_of
from advisor.physics.coefficients import COEFFICIENTS, Efficiencies, Part
from advisor.physics.knowledge import Knowledge
from advisor.prediction.measured import by_own_runs, runs_in_words
from advisor.question import Hardware, Scenario
from catalog.units import GIB

WORDS: Final[Mapping[Part, str]] = {
    "card": "the graphics cards", "processor": "the processor and its memory", "links": "the links between them",
}
EVERY: Final[frozenset[Part]] = frozenset(WORDS)
KEPT_TOGETHER: Final[tuple[frozenset[Part], ...]] = (
    EVERY, frozenset({"card", "processor"}), frozenset({"card"}), frozenset({"processor"}),
)
"""What a change may leave; links stay only where both of their ends do."""
UNSAID_OF_PROCESSOR: Final = frozenset({"cpu", "ram_speed"})
"""What may not be known of a machine that is of its processor and memory."""
PART_OF: Final[Mapping[str, Part | None]] = {item.name: item.part for item in COEFFICIENTS}


@lru_cache(maxsize=4096)
def kept_parts(before: Hardware, after: Hardware) -> frozenset[Part]:
    """Which parts of a machine another has too. Of a machine sold whole all or nothing is kept.

    Raises as `machine_of`.
    """
    one, other = machine_of(before), machine_of(after)
    cards, others = ([(gpu.name, round(gpu.vram_bytes / GIB)) for gpu in item.gpus] for item in (one, other))
    links, their_links = ([round(gpu.link_gb_s) for gpu in item.gpus] for item in (one, other))
    unsaid, their_unsaid = (item.unknown & UNSAID_OF_PROCESSOR for item in (one, other))
    processor = one.cpu == other.cpu and unsaid == their_unsaid and one.ram.type == other.ram.type
    processor &= round(one.ram.bandwidth_gb_s) == round(other.ram.bandwidth_gb_s)
    if one.unified or other.unified:
        return EVERY if one.name == other.name and cards == others and processor else frozenset()
    card = bool(cards) and cards == others
    joined = card and processor and links == their_links
    kept: dict[Part, bool] = {"card": card, "processor": processor, "links": joined}
    if not cards and not others:
        kept |= {"card": processor, "links": processor}
    return frozenset(part for part, stays in kept.items() if stays)


@dataclass(frozen=True, eq=False)
class OwnParts:
    """Machines that keep just these parts of one that was measured, as `Knowledge.own` takes them."""

    asked: Scenario
    """Of the measured machine."""
    whole: Knowledge
    """What its runs made of the knowledge."""
    usual: Knowledge
    parts: frozenset[Part]
    among: frozenset[Part]
    """Parts that may be kept."""
    runs: int

    @property
    def hardware(self) -> Hardware:
        """The machine that was measured."""
        return self.asked.hardware

    def covers(self, scenario: Scenario) -> bool:
        """Whether a question is of such a machine, and of the engine that was measured."""
        same_engine = scenario.engine.name == self.asked.engine.name
        return same_engine and kept_parts(self.hardware, scenario.hardware) & self.among == self.parts

    def fault_for(self, _scenario: Scenario) -> None:
        """None: what was learned of these parts can be used."""
        return

    @cached_property
    def knowledge(self) -> Knowledge:
        """The usual knowledge with the levels of the parts that are kept."""
        table, usual = self.whole.efficiencies, self.usual.efficiencies
        own = {
            key: log for key, log in table.effects.items()
            if PART_OF.get(key[0]) in self.parts and usual.effects.get(key) != log
        }
        effects: Mapping[tuple[str, str], float] = ChainMap(own, cast(dict[tuple[str, str], float], usual.effects))
        measured = usual.measured | {name for name in table.measured if PART_OF.get(name) in self.parts}
        levels = {name: log for name, log in table.level_deviations.items() if PART_OF.get(name) in self.parts}
        words = ", ".join(WORDS[part] for part in WORDS if part in self.parts)
        message = f"the level of {words} is by {runs_in_words(self.runs)}"
        if self.parts != EVERY:
            message += "; of what is new beside them nothing was measured"
        return replace(
            self.usual, efficiencies=Efficiencies(effects, usual.informed, frozenset(measured), levels),
            calibration=self.whole.calibration, own=(),
            warnings=(*self.usual.warnings, Warning(code="by_own_runs", message=message)),
        )


def with_own_parts(asked: Scenario, knowledge: Knowledge, among: frozenset[Part] = EVERY) -> Knowledge:
    """The knowledge with what was measured on the machine of a question, by its own runs and those of its profile, for
    machines that keep some of its parts. `among`: the parts that may be kept.

    Raises as `by_own_runs`.
    """
    own = knowledge.about(asked)
    whole = by_own_runs(asked, own)
    if whole.calibration == knowledge.calibration:
        return knowledge
    usual, runs = replace(knowledge, own=()), own.own_runs + len(asked.measured)
    kept = tuple(OwnParts(asked, whole, usual, parts, among, runs) for parts in KEPT_TOGETHER if parts <= among)
    return replace(knowledge, own=(*knowledge.own, *kept))
