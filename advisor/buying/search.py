"""All builds of a stock for one model, each with its price and speed as columns: what a ranking ranks.

Every compatible build is there, none is left out for being unlikely to win. Of builds that differ in nothing that the
physics sees the speed is worked out once. Only the builds that are shown become objects with a whole prediction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.answer import Prediction
from advisor.buying.builds import Assembler, Build, whole_machines
from advisor.buying.combinations import Combinations, Vector, Whole, combinations_of
from advisor.buying.docks import docked_builds
from advisor.buying.offices import office_builds
from advisor.buying.stock import Stock
from advisor.buying.wish import Wish
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.fleet import Fleet, decode_s_on
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict_many
from advisor.question import Hardware, Scenario
from catalog.units import GB

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


@dataclass(frozen=True, eq=False)
class Candidates:
    """Builds that hold the model in memory, one row each: desktops first, then machines sold whole."""

    price_usd: Vector
    decode_tok_s: Vector
    """Median speed, by what is known of all machines."""
    label_at: Whole
    """Builds of one number are variants of each other: the same cards, or the same machine."""
    desktop_at: Whole
    """The place in the table of combinations, row by row; -1 for a machine sold whole."""
    whole_at: Whole
    """Which of the machines sold whole, -1 for a desktop."""

    def __len__(self) -> int:
        return len(self.price_usd)

    def take(self, rows: Any) -> "Candidates":
        """Some of the rows."""
        return Candidates(*(getattr(self, item.name)[rows] for item in fields(self)))


class Search:
    """The builds of a stock for one wish and one quantisation.

    What is of the stock alone (which builds there are, what they cost, how many machines the physics tells apart) is
    worked out once for it and shared by all searches over it; a search adds where its model lies and how fast it is.
    Builds that cost more than `most_usd` are left aside: no answer within a budget holds or counts one.
    """

    def __init__(
        self, wish: Wish, quant: str, stock: Stock, knowledge: Knowledge, most_usd: float = UNLIMITED
    ) -> None:
        self.wish, self.stock, self.knowledge, self.most_usd = wish, stock, knowledge, most_usd
        self.question = wish.question(quant)
        self.case = case_of(self.question)
        self.assembler = Assembler(stock, self.case.demand.footprint.file_bytes / GB)

    @classmethod
    def within_budget(cls, wish: Wish, quant: str, stock: Stock, knowledge: Knowledge) -> "Search":
        """A search for this one wish: of the builds within its budget."""
        return cls(wish, quant, stock, knowledge, UNLIMITED if wish.budget_usd is None else wish.budget_usd)

    @property
    def unlimited(self) -> "Search":
        """The same with the builds that cost more."""
        limited = np.isfinite(self.most_usd)
        return Search(self.wish, str(self.question.quant), self.stock, self.knowledge) if limited else self

    @cached_property
    def combinations(self) -> Combinations:
        """The desktops that the stock makes, without their disks."""
        return combinations_of(self.stock)

    @cached_property
    def machines(self) -> list[Build]:
        """The machines sold whole of the kinds that are wished, those that are owned also with a card in a dock, and
        used office PCs, which count as desktops.
        """
        model_gb = self.case.demand.footprint.file_bytes / GB
        sold = (*whole_machines(self.stock), *docked_builds(self.stock), *office_builds(self.stock, model_gb))
        return [build for build in sold if build.kind in self.wish.kinds]

    @cached_property
    def every(self) -> Candidates:
        """Every build that holds the model without reading it from disk again and again."""
        columns = [*self._desktops(), *([self._whole()] if self.machines else [])]
        none = np.empty(0, dtype=np.intp)
        joined: list[Any] = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
        return Candidates(*joined) if joined else Candidates(np.empty(0), np.empty(0), none, none, none)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Which of every build an answer can hold: of desktops that are one machine to the physics the cheapest.

        Of two builds with the same cards and the same speed the dearer is never first, never one that no cheaper one
        beats, and nothing is told of it but that it is there. Machines with numbers of their own are kept whole: their
        profile may ask for more than the physics does.
        """
        desktops = np.flatnonzero(self.every.desktop_at >= 0)
        kept = np.ones(len(self.every), dtype=bool)
        if len(desktops):
            fleet, price = self.combinations.fleet, self.every.price_usd[desktops]
            machine_at = self.combinations.machine_at.ravel()[self.every.desktop_at[desktops]]
            least, whole = np.full(len(fleet), np.inf), np.zeros(len(fleet), dtype=bool)
            np.minimum.at(least, machine_at, price)
            for own in self.knowledge.own:
                whole |= _is_like(fleet, machine_of(own.hardware))
            kept[desktops] = (price <= least[machine_at]) | whole[machine_at]
        return kept

    @cached_property
    def candidates(self) -> Candidates:
        """The builds that an answer can hold."""
        return self.every.take(self.kept)

    @cached_property
    def decode_tok_s(self) -> Vector:
        """Median speed of each candidate; of a machine with numbers of its own, by these."""
        speeds = self.candidates.decode_tok_s.copy()
        for own in self.knowledge.own:
            rows = self._like(machine_of(own.hardware))
            builds = self.builds(rows)
            for row, build in zip(rows.tolist(), builds, strict=True):
                if own.covers(self.scenario(build.hardware)) and (offers := self.predicted([build])):
                    speeds[row] = offers[0].decode_tok_s
        return speeds

    def ranked(self, budget_usd: float | None, min_tok_s: float) -> Whole:
        """Rows of the candidates within a budget that decode so fast, best first: fewest dollars per token a second. Of
        a search within a budget those within both.
        """
        rows = self._within(budget_usd, min_tok_s)
        price, speed = self.candidates.price_usd[rows], self.decode_tok_s[rows]
        return rows[_ordered(price / speed, price)]

    def count(self, budget_usd: float | None, min_tok_s: float) -> int:
        """How many builds there are within a budget that decode so fast, with those that no answer holds."""
        every, limit = self.every, UNLIMITED if budget_usd is None else budget_usd
        others = (every.price_usd <= limit) & (every.decode_tok_s >= min_tok_s) & ~self.kept
        return int(np.count_nonzero(others)) + len(self._within(budget_usd, min_tok_s))

    def _within(self, budget_usd: float | None, min_tok_s: float) -> Whole:
        limit = UNLIMITED if budget_usd is None else budget_usd
        return np.flatnonzero((self.candidates.price_usd <= limit) & (self.decode_tok_s >= min_tok_s))

    def reaches(self, budget_usd: float | None, tok_s: float) -> bool:
        """Whether some build within the budget decodes so fast."""
        return len(self._within(budget_usd, tok_s)) > 0

    def first_of_each(self, rows: Whole) -> Whole:
        """Of the rows the first of each label, in their order."""
        labels = self.candidates.label_at[rows]
        first = np.full(labels.max(initial=-1) + 1, len(rows), dtype=np.intp)
        np.minimum.at(first, labels, np.arange(len(rows)))
        found: Whole = rows[np.sort(first[first < len(rows)])]
        return found

    def efficient(self, rows: Whole, labels: Whole | None = None) -> NDArray[np.bool_]:
        """Whether no other of the rows, or of those with the same label, beats each in price and speed at once; of
        equals the first stays.
        """
        price, speed = self.candidates.price_usd[rows], self.decode_tok_s[rows]
        group = np.zeros(len(rows), dtype=np.intp) if labels is None else labels
        order = _ordered(price, -speed) if labels is None else np.lexsort((-speed, price, group))
        # Speeds of a later label are lifted above all of those before, so that one running maximum serves all.
        lifted = speed[order] + group[order] * (1 + speed.max(initial=0.0))
        kept = np.ones(len(rows), dtype=bool)
        kept[order[1:]] = lifted[1:] > np.maximum.accumulate(lifted)[:-1]
        return kept

    def best_of_each(self, rows: Whole) -> Whole:
        """Of the rows those that no cheaper one of the same label beats, in their order."""
        return rows[self.efficient(rows, self.candidates.label_at[rows])]

    def builds(self, rows: Whole) -> list[Build]:
        """Candidates as builds with all their parts."""
        places, whole = self.candidates.desktop_at[rows].tolist(), self.candidates.whole_at[rows].tolist()
        return [
            self.machines[at] if place < 0 else self.desktop(place) for place, at in zip(places, whole, strict=True)
        ]

    def desktop(self, place: int) -> Build:
        """The build at a place in the table of combinations, with all its parts."""
        return self.combinations.build(place, self.assembler)

    def offers(self, rows: Whole) -> list[Offer]:
        """Candidates as builds with their predictions."""
        return self.predicted(self.builds(rows))

    def predicted(self, builds: Sequence[Build], knowledge: Knowledge | None = None) -> list[Offer]:
        """Offers of the builds that hold the model without reading it from disk again and again."""
        answers = predict_many([self.scenario(build.hardware) for build in builds], knowledge or self.knowledge)
        pairs = zip(builds, answers, strict=True)
        return [
            Offer(build, answer)
            for build, answer in pairs
            if answer.fits and answer.decode_tok_s and answer.placement.storage_gb <= 0
        ]

    def scenario(self, hardware: Hardware) -> Scenario:
        """The question asked of a hardware."""
        return self.question.model_copy(update={"hardware": hardware})

    def alike(self, builds: Sequence[Build], times: float) -> list[tuple[Whole, Vector, Vector]]:
        """Of each build the places in the table of combinations with the same platform and other cards, then those with
        the same cards, up to so many times its price; their prices, and their speeds by what is known of all machines,
        worked out at once.
        """
        found = [self._places_alike(build, times * build.price_usd) for build in builds]
        together = np.concatenate([*found, np.empty(0, dtype=np.intp)])
        tok_s = self._tok_s(self.combinations.machine_at.ravel()[together])
        each = np.split(tok_s, np.cumsum([len(places) for places in found])[:-1])
        runs = [(places[speed > 0], speed[speed > 0]) for places, speed in zip(found, each, strict=True)]
        return [(places, self._price_usd[places], speed) for places, speed in runs]

    def _places_alike(self, build: Build, most_usd: float) -> Whole:
        if build.platform is None or build.cards is None or not self.combinations.usd.size:
            return np.empty(0, dtype=np.intp)
        table, many = self.combinations, len(self.combinations.platforms)
        cards = np.array([item.label == build.cards.label for item in table.cards])
        other = np.flatnonzero(~cards)[:, None] * many + table.platforms.like(build.platform)
        places = np.concatenate([other.ravel(), (np.flatnonzero(cards)[:, None] * many + np.arange(many)).ravel()])
        price = self._price_usd[places]
        found: Whole = places[np.isfinite(price) & (price <= most_usd)]
        return found

    @cached_property
    def _price_usd(self) -> Vector:
        """Of each place in the table of combinations, with its disk; infinite where nothing is."""
        return self.combinations.with_disks(self.stock, self.assembler)

    @cached_property
    def _machine_tok_s(self) -> Vector:
        """Of each machine of the combinations, not a number until it is asked for."""
        return np.full(len(self.combinations.fleet), np.nan)

    def _tok_s(self, machines: NDArray[np.int32]) -> Vector:
        """Of machines of the combinations, each worked out once."""
        missing = np.zeros(len(self._machine_tok_s), dtype=bool)
        missing[machines] = True
        rows = np.flatnonzero(missing & np.isnan(self._machine_tok_s))
        if len(rows):
            self._machine_tok_s[rows] = self._speeds(self.combinations.fleet.take(rows))
        found: Vector = self._machine_tok_s[machines]
        return found

    def _desktops(self) -> list[tuple[NDArray[Any], ...]]:
        if "desktop" not in self.wish.kinds or not self.combinations.usd.size:
            return []
        price = self._price_usd
        places = np.flatnonzero(np.isfinite(price) & (price <= self.most_usd))
        speed = self._tok_s(self.combinations.machine_at.ravel()[places])
        places, speed = places[speed > 0], speed[speed > 0]
        none = np.full(len(places), -1, dtype=np.intp)
        return [(price[places], speed, places // len(self.combinations.platforms), places, none)]

    def _whole(self) -> tuple[NDArray[Any], ...]:
        speed = self._speeds(Fleet.of([machine_of(build.hardware) for build in self.machines]))
        rows = np.flatnonzero(speed > 0)
        names = {name: place for place, name in enumerate(dict.fromkeys(build.label for build in self.machines))}
        beyond = len(self.combinations.cards) if "desktop" in self.wish.kinds else 0
        label = np.array([beyond + names[build.label] for build in self.machines], dtype=np.intp)
        price = np.array([build.price_usd for build in self.machines])
        return price[rows], speed[rows], label[rows], np.full(len(rows), -1, dtype=np.intp), rows

    def _speeds(self, fleet: Fleet) -> Vector:
        """Tokens per second of one user, 0 where the model is not held in memory."""
        seconds = decode_s_on(fleet, self.case, self.question, self.knowledge.efficiencies)
        tok_s: Vector = 1 / seconds
        return tok_s

    def _like(self, machine: Machine) -> Whole:
        """Rows whose processor and cards have the names of a machine's."""
        found = self.candidates
        whole = [place for place, build in enumerate(self.machines) if machine_of(build.hardware).name == machine.name]
        rows = np.flatnonzero(np.isin(found.whole_at, whole))
        if "desktop" not in self.wish.kinds:
            return rows
        alike = _is_like(self.combinations.fleet, machine)[self.combinations.machine_at.ravel()]
        desktops = np.flatnonzero((found.desktop_at >= 0) & alike[found.desktop_at])
        return np.concatenate([desktops, rows])


def _is_like(fleet: Fleet, machine: Machine) -> NDArray[np.bool_]:
    """Which machines of a fleet have processor and cards of these names."""
    names = [gpu.name for gpu in machine.gpus]
    graphics = [place for place, item in enumerate(fleet.graphics) if [gpu.name for gpu in item.gpus] == names]
    processors = [place for place, item in enumerate(fleet.processors) if item.cpu.name == machine.cpu.name]
    return np.isin(fleet.graphics_at, graphics) & np.isin(fleet.processor_at, processors)


def _ordered(first: Vector, second: Vector) -> Whole:
    """The order by one column, then by another, then by place: as `np.lexsort`, which sorts by each in turn, where the
    first column rarely says the same of two rows.
    """
    order = np.argsort(first)
    same = np.diff(first[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    rows = order[tied]
    order[tied] = rows[np.lexsort((rows, second[rows], first[rows]))]
    return order
