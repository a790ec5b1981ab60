"""The coefficients in words: values and spreads are those of the table."""

import json
import math
from datetime import date

import pytest

from advisor.cli.app import run
from advisor.physics.coefficients import COEFFICIENTS
from calibration.accuracy.learned import document, learned
from catalog.efficiency import Effect


def effect(label: str, value: float, informed: bool = True, name: str = "gpu_stream") -> Effect:
    return Effect(
        coefficient=name, label=label, log_value=value, standard_error=0.1, prior=0.0, prior_deviation=0.2,
        informed=informed, runs=7, source="a test", as_of=date(2026, 11, 29),
    )


def test_the_base_is_in_its_unit_and_all_else_a_factor_on_it() -> None:
    rows = [effect("cuda", 0.1), effect("rocm", -0.3), effect("", math.log(0.8)), effect("sycl", 0.2, informed=False)]
    found = learned([*rows, effect("", 2.0, name="crossing_us")])
    assert [(row.coefficient, row.whom) for row in found] == [
        ("gpu_stream", "everybody"), ("gpu_stream", "rocm"), ("gpu_stream", "cuda"), ("crossing_us", "everybody"),
    ]
    assert found[0].value == pytest.approx(0.8)
    assert (found[0].unit, found[1].unit) == ("share of peak", "times")
    assert found[1].spread == pytest.approx(math.exp(0.1))
    assert {row.runs for row in found} == {7}
    (section,) = document(found).sections
    assert [row[2] for row in section.blocks[1].rows] == ["0.8", "0.741", "1.11", "7.39"]


def test_the_command_shows_what_was_learned(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accuracy", "--coefficients", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {row["coefficient"] for row in data} <= {item.name for item in COEFFICIENTS}
    assert all(row["runs"] > 0 for row in data)
    assert run(["accuracy", "--coefficients"]) == 0
    assert "for whom" in capsys.readouterr().out
