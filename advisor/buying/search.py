"""All builds of a stock for one model, each with its price and speed as columns: what a ranking ranks.

Every compatible build is there, none is left out for being unlikely to win. Of builds that differ in nothing that the
physics sees the speed is worked out once. Only the builds that are shown become objects with a whole prediction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.answer import Prediction
from advisor.buying.builds import Assembler, Build, whole_machines
from advisor.buying.combinations import Combinations, Vector, Whole, combinations_of
from advisor.buying.offices import office_builds
from advisor.buying.stock import Stock
from advisor.buying.wish import Wish
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.fleet import Fleet, speeds_on
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict_many
from advisor.question import Hardware, Scenario
from catalog.units import GB, GIB

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
    """The row of the combinations, -1 for a machine sold whole."""
    machine_at: Whole
    """Which of the machines sold whole, -1 for a desktop."""

    def __len__(self) -> int:
        return len(self.price_usd)


class Search:
    """The builds of a stock for one wish and one quantisation."""

    def __init__(self, wish: Wish, quant: str, stock: Stock, knowledge: Knowledge) -> None:
        self.wish, self.stock, self.knowledge = wish, stock, knowledge
        self.question = wish.question(quant)
        self.case = case_of(self.question)
        self.assembler = Assembler(stock, self.case.demand.footprint.file_bytes / GB)

    @cached_property
    def combinations(self) -> Combinations:
        """The desktops that the stock makes, without their disks."""
        return combinations_of(self.stock)

    @cached_property
    def machines(self) -> list[Build]:
        """The machines sold whole of the kinds that are wished, and used office PCs, which count as desktops."""
        model_gb = self.case.demand.footprint.file_bytes / GB
        sold = (*whole_machines(self.stock), *office_builds(self.stock, model_gb))
        return [build for build in sold if build.kind in self.wish.kinds]

    @cached_property
    def candidates(self) -> Candidates:
        """Every build that holds the model without reading it from disk again and again."""
        desktops = self._desktops() if "desktop" in self.wish.kinds else []
        found = [*desktops, *([self._whole()] if self.machines else [])]
        none = np.empty(0, dtype=np.intp)
        if not found:
            return Candidates(np.empty(0), np.empty(0), none, none, none)
        columns: list[Any] = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return Candidates(*columns)

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
        """Rows of the candidates within a budget that decode so fast, best first: fewest dollars per token a second."""
        found, speed = self.candidates, self.decode_tok_s
        limit = UNLIMITED if budget_usd is None else budget_usd
        rows = np.flatnonzero((found.price_usd <= limit) & (speed >= min_tok_s))
        price = found.price_usd[rows]
        return rows[np.lexsort((price, price / speed[rows]))]

    def reaches(self, budget_usd: float | None, tok_s: float) -> bool:
        """Whether some build within the budget decodes so fast."""
        return len(self.ranked(budget_usd, tok_s)) > 0

    def first_of_each(self, rows: Whole) -> Whole:
        """Of the rows the first of each label, in their order."""
        _, first = np.unique(self.candidates.label_at[rows], return_index=True)
        return rows[np.sort(first)]

    def efficient(self, rows: Whole, labels: Whole | None = None) -> NDArray[np.bool_]:
        """Whether no other of the rows, or of those with the same label, beats each in price and speed at once; of
        equals the first stays.
        """
        price, speed = self.candidates.price_usd[rows], self.decode_tok_s[rows]
        group = np.zeros(len(rows), dtype=np.intp) if labels is None else labels
        order = np.lexsort((np.arange(len(rows)), -speed, price, group))
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
        found, table = self.candidates, self.combinations if "desktop" in self.wish.kinds else None
        builds = []
        for row in rows.tolist():
            place = int(found.desktop_at[row])
            build: Build | None = self.machines[found.machine_at[row]] if place < 0 else None
            if table is not None and place >= 0:
                cards, platform = table.cards[table.cards_at[place]], table.platforms[table.platform_at[place]]
                build = self.assembler.complete(cards, platform)
            if build is None:
                raise LookupError(f"row {row} of the candidates is no build")
            builds.append(build)
        return builds

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

    def alike(self, build: Build) -> tuple[Whole, Whole]:
        """Rows with the same platform and other cards, and with the same cards on another platform."""
        if build.platform is None or build.cards is None:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
        table, at = self.combinations, self.candidates.desktop_at
        cards = [place for place, item in enumerate(table.cards) if item.label == build.cards.label]
        there = build.platform
        platforms = [
            place for place, item in enumerate(table.platforms)
            if (item.cpu, item.board, item.memory) == (there.cpu, there.board, there.memory)
        ]  # fmt: skip
        same_cards, same_platform = np.isin(table.cards_at[at], cards), np.isin(table.platform_at[at], platforms)
        desktop = at >= 0
        return np.flatnonzero(desktop & same_platform & ~same_cards), np.flatnonzero(desktop & same_cards)

    def _desktops(self) -> list[tuple[NDArray[Any], ...]]:
        table = self.combinations
        if not len(table):
            return []
        disks = [self.assembler.disk(platform.board) for platform in table.platforms]
        disk_usd = np.array([self.stock.usd("ssd", disk.name) if disk else np.inf for disk in disks])
        price = np.round(table.usd + disk_usd[table.platform_at], 2)
        rows = np.flatnonzero(np.isfinite(price))
        size_of = np.array([platform.memory.gib * GIB for platform in table.platforms])
        sizes, size_at = np.unique(size_of, return_inverse=True)
        # What the physics tells apart stands once.
        size_at = size_at[table.platform_at]
        seen = (table.graphics_at * len(table.processors) + table.processor_at) * len(sizes) + size_at
        _, first, at = np.unique(seen[rows], return_index=True, return_inverse=True)
        kept = rows[first]
        processors = table.processor_at[kept]
        ram_gb_s = np.array([machine.ram.bandwidth_gb_s for machine in table.processors])
        # The disk does not count: what is read from it again and again is no candidate.
        random_gb_s, disk_gb_s = np.ones(len(kept)), np.ones(len(kept))
        fleet = Fleet(
            graphics=table.graphics, graphics_at=table.graphics_at[kept], processors=table.processors,
            processor_at=processors, ram_bytes=sizes, size_at=size_at[kept],
            ram_gb_s=ram_gb_s[processors], random_gb_s=random_gb_s, disk_gb_s=disk_gb_s,
        )  # fmt: skip
        speed = self._speeds(fleet)[at]
        holds = speed > 0
        rows = rows[holds]
        none = np.full(len(rows), -1, dtype=np.intp)
        return [(price[rows], speed[holds], table.cards_at[rows], rows, none)]

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
        found = speeds_on(fleet, self.case, self.question, self.knowledge.efficiencies)
        # What is asked of a build must fit: a unified machine that is a little over full is no offer.
        holds = found.placed.rooms.fits[found.placed.at] & found.in_memory
        return np.asarray(np.where(holds, 1 / found.decode_s, 0.0))

    def _like(self, machine: Machine) -> Whole:
        """Rows whose processor and cards have the names of a machine's."""
        found = self.candidates
        whole = [place for place, build in enumerate(self.machines) if machine_of(build.hardware).name == machine.name]
        rows = np.flatnonzero(np.isin(found.machine_at, whole))
        if "desktop" not in self.wish.kinds or not len(self.combinations):
            return rows
        table, names = self.combinations, [gpu.name for gpu in machine.gpus]
        graphics = [place for place, item in enumerate(table.graphics) if [gpu.name for gpu in item.gpus] == names]
        processors = [place for place, item in enumerate(table.processors) if item.cpu.name == machine.cpu.name]
        alike = np.isin(table.graphics_at, graphics) & np.isin(table.processor_at, processors)
        desktops = np.flatnonzero((found.desktop_at >= 0) & alike[found.desktop_at])
        return np.concatenate([desktops, rows])
