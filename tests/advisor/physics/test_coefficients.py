"""The table of coefficients, and fitted effects put together to values."""

import math
from datetime import date

import numpy as np
import pytest

from advisor.physics.coefficients import BESIDE, COEFFICIENTS, Efficiencies, Setting, labels_of
from advisor.physics.knowledge import load, shipped
from advisor.physics.task import FAMILIES
from advisor.prediction.case import case_of
from advisor.question import Scenario
from catalog.efficiency import Effect
from catalog.tables import beside, efficiencies, runs_behind

ROUNDING = 1e-9


@pytest.fixture
def setting() -> Setting:
    return case_of(Scenario.model_validate({
        "model": "Llama-3.1-8B", "quant": "Q4_K_M",
        "hardware": {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"gb": 64}},
    })).setting


def effect(coefficient: str, label: str, value: float) -> Effect:
    return Effect(
        coefficient=coefficient, label=label, log_value=value, standard_error=0.1, prior=0.0, prior_deviation=0.2,
        informed=True, source="by hand", as_of=date(2026, 11, 24),
    )


def test_coefficients_are_named_once_with_a_unit_and_a_prior() -> None:
    names = [item.name for item in COEFFICIENTS]
    assert len(names) == len(set(names))
    assert all(item.words and item.unit and item.start > 0 and item.deviation > 0 for item in COEFFICIENTS)
    assert all(deviation > 0 for item in COEFFICIENTS for _, deviation in item.pools)


def test_every_coefficient_has_a_base_label_and_one_for_each_pool(setting: Setting) -> None:
    for item in COEFFICIENTS:
        labels = labels_of(item, setting, "k")
        assert labels[0] == ""
        assert len(labels) == 1 + len(item.pools)
        assert not any("{" in label for label in labels)


def test_without_a_table_the_start_values_hold(setting: Setting) -> None:
    values = Efficiencies().values(setting)
    assert set(values) == {item.name for item in COEFFICIENTS}
    for item in COEFFICIENTS:
        found = np.asarray(values[item.name])
        assert found.shape == ((len(FAMILIES),) if item.per_family else ())
        assert found == pytest.approx(np.full(found.shape, item.start), rel=ROUNDING)


def test_effects_of_labels_multiply_the_base(setting: Setting) -> None:
    # 4 us, twice that with CUDA, three quarters of that on Ampere with CUDA: 6 us
    table = Efficiencies.of([
        effect("gpu_matrix_us", "", math.log(4.0)), effect("gpu_matrix_us", "cuda", math.log(2.0)),
        effect("gpu_matrix_us", "cuda/ampere", math.log(0.75)), effect("gpu_matrix_us", "vulkan", math.log(9.0)),
        effect("gpu_moe_us", "cuda", math.log(5.0)),
    ])
    assert table.values(setting)["gpu_matrix_us"] == pytest.approx(6.0, rel=ROUNDING)
    assert table.values(setting._replace(architecture="ada"))["gpu_matrix_us"] == pytest.approx(8.0, rel=ROUNDING)
    assert table.values(setting._replace(backend="metal"))["gpu_matrix_us"] == pytest.approx(4.0, rel=ROUNDING)


def test_an_effect_of_a_quant_family_holds_for_that_family_alone(setting: Setting) -> None:
    plain, changed = Efficiencies(), Efficiencies.of([effect("cpu_unpack", "iq_low", math.log(0.5))])
    ratio = np.asarray(changed.values(setting)["cpu_unpack"]) / np.asarray(plain.values(setting)["cpu_unpack"])
    assert dict(zip(FAMILIES, ratio, strict=True)) == pytest.approx(dict.fromkeys(FAMILIES, 1.0) | {"iq_low": 0.5})


def test_a_chip_that_no_run_has_seen_is_taken_as_its_architecture(setting: Setting) -> None:
    shipped = Efficiencies.of((*efficiencies(), *beside()))
    unknown, other = (shipped.values(setting._replace(chip=chip)) for chip in ("no such chip", "nor this"))
    for item in COEFFICIENTS:
        assert np.asarray(unknown[item.name]) == pytest.approx(np.asarray(other[item.name]), rel=ROUNDING)


def test_the_shipped_table_speaks_of_coefficients_that_there_are_and_once_of_each_label() -> None:
    rows = (*efficiencies(), *beside())
    keys = [(row.coefficient, row.label) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row.coefficient for row in rows} == {item.name for item in COEFFICIENTS}
    assert {row.coefficient for row in rows if not row.label} == {item.name for item in COEFFICIENTS}


def test_what_a_start_reads_of_the_tables_is_what_their_checked_rows_say() -> None:
    of_rows = Efficiencies.of((*(row for row in efficiencies() if row.coefficient not in BESIDE), *beside()))
    assert list(shipped().effects.items()) == list(of_rows.effects.items())
    assert shipped().informed == of_rows.informed
    assert load().behind == {(row.level, row.name, row.model): row.runs for row in runs_behind()}


def test_what_the_shipped_table_calls_assumed_lies_at_its_prior() -> None:
    # Narrowed by less than a twentieth: the runs add at most 1 / 0.95^2 - 1 = 11 % to the prior's precision, and can
    # move the effect by about a third of the prior's deviation; robust weights and neighbours leave room for more.
    moved = [abs(row.log_value - row.prior) / row.prior_deviation for row in efficiencies() if not row.informed]
    assert np.quantile(moved, 0.99) < 1.0
    assert np.median(moved) < 0.05
