"""Builds that people really made and measured: their speed lies in the predicted range.

tests/data/real_builds.csv: public reports that state engine (llama.cpp or a program on it), model and quantisation;
`hardware` is a scenario's. What the report does not say is left open.
"""

import csv
import json
from pathlib import Path

import pytest

from advisor.answer import Range
from advisor.market.market import shipped_market
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from catalog.parts import RamKit
from tests.benchmarks.real_builds import builds, market_without, named, priced

TABLE = Path(__file__).parents[1] / "data" / "real_builds.csv"
INSIDE = 0.85
"""Of ranges that hold 90 % of real runs; few rows allow one miss more."""


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_row_names_its_source_and_a_speed() -> None:
    assert all(row["source"] and (row["decode_tok_s"] or row["prefill_tok_s"]) for row in rows())


@pytest.mark.parametrize("speed", ["decode_tok_s"])
def test_what_people_measured_lies_in_the_range(speed: str) -> None:
    inside: dict[str, bool] = {}
    for row in rows():
        if not row[speed]:
            continue
        engine = {"backend": row["backend"]} if row["backend"] else {}
        asked = {"model": row["model"], "quant": row["quant"], "hardware": json.loads(row["hardware"])}
        told: Range | None = getattr(predict(Scenario.model_validate(asked | {"engine": engine}), load()), speed)
        assert told, row["name"]
        inside[row["name"]] = told.p05 <= float(row[speed]) <= told.p95
    assert sum(inside.values()) / len(inside) >= INSIDE, inside


# What people paid: tests/benchmarks/real_builds.py has all of them, which take a minute.


@pytest.mark.parametrize("name", ["b17", "b22", "b27"])
def test_what_people_paid_lies_within_the_interval(name: str) -> None:
    """A new card, a server's cards and memory, and cards of a server; each without what its own report says."""
    bought = next(item for item in builds() if item.name == name)
    told = priced(bought, shipped_market())
    assert not isinstance(told, str), told
    assert told.inside
    assert abs(told.error) < 0.2


def test_what_a_report_says_itself_does_not_count() -> None:
    bought = next(item for item in builds() if item.name == "b27")
    market = shipped_market()
    without = market_without(market, bought)
    assert 0 < len(market.observations) - len(without.observations) < 10
    assert not [item for item in without.observations if item.source == bought.source]


def test_a_part_without_a_price_that_day_is_named_not_guessed() -> None:
    bought = next(item for item in builds() if item.name == "b07")
    told = priced(bought, shipped_market())
    assert isinstance(told, str)
    assert "Supermicro H12SSL-i" in told


def test_every_line_names_a_part_and_memory_is_told_by_its_size() -> None:
    assert all(named(line.part) for bought in builds() for line in bought.lines)
    for part, many in named("DDR4 512GB RDIMM"):
        assert isinstance(part.row, RamKit)
        assert many * part.row.modules * part.row.module_gib == 512
    assert {part.row.module_gib for part, _ in named("DDR4 8x32GB RDIMM") if isinstance(part.row, RamKit)} == {32}
