"""Builds that people really made and measured: their speed lies in the predicted range.

tests/data/real_builds.csv: public reports that state engine (llama.cpp or a program on it), model and quantisation;
`hardware` is a scenario's. What the report does not say is left open.
"""

import csv
import json
from pathlib import Path

import pytest

from advisor.answer import Range
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario

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
