"""How good models are: the shipped table is the fit, its lines are those published, and no benchmark decides alone."""

import math

import numpy as np
import pytest

from advisor.choosing.tasks import TASK_NAMES, TaskName
from calibration.fit.model_quality import INDEX, WEIGHTS, fit_quality, left_out_deviation, quality_table
from catalog.llms import ModelQuality
from catalog.tables import llms, model_facts, model_quality, model_scores

FACTS = {row.name: row for row in model_facts()}


def of_task(rows: "list[ModelQuality] | tuple[ModelQuality, ...]", task: TaskName) -> dict[str, float]:
    return {row.name: row.quality for row in rows if row.task == task and row.how != "size_and_age"}


def rank_correlation(left: dict[str, float], right: dict[str, float]) -> float:
    """Spearman's, of what both know."""
    both = sorted(left.keys() & right.keys())
    one, other = (np.argsort(np.argsort([of[name] for name in both])) for of in (left, right))
    return float(np.corrcoef(one, other)[0, 1])


def test_the_shipped_table_is_the_fit_of_the_shipped_scores() -> None:
    assert list(model_quality()) == quality_table(model_scores(), model_facts())


def test_every_row_is_of_a_model_of_the_catalog_and_lies_in_its_range() -> None:
    ids = {llm.id for llm in llms()}
    assert {row.name for row in (*model_quality(), *model_scores(), *model_facts())} <= ids
    assert all(row.low < row.quality < row.high for row in model_quality())


@pytest.mark.parametrize("without", sorted({name for of in WEIGHTS.values() for name in of}))
def test_no_benchmark_decides_alone_which_model_is_good(without: str) -> None:
    left = quality_table(model_scores(), model_facts(), without)
    for task in TASK_NAMES:
        assert rank_correlation(of_task(model_quality(), task), of_task(left, task)) >= 0.9, task


@pytest.mark.parametrize(
    ("benchmark", "intercept", "slope", "error"),
    # The document "Choosing a model" of this project (2026-11-29) fitted the same tables by hand, one mode per model.
    [("GPQA Diamond (AA)", 0.67, 0.0315, 1.28), ("MMLU-Pro (AA)", 0.64, 0.0231, 1.22),
     ("whatmodel.sh score", -2.47, 0.0877, 1.27)],
)
def test_lines_are_those_fitted_by_hand(benchmark: str, intercept: float, slope: float, error: float) -> None:
    line = fit_quality(model_scores(), FACTS).lines[benchmark]
    middle = (line.low + line.high) / 2
    # ln(index) in the middle of the scores, within 5 %, though here both modes of a model are points.
    assert line.at(middle) == pytest.approx(intercept + slope * middle, abs=0.15)
    assert math.exp(line.deviation) == pytest.approx(error, rel=0.06)


def test_size_and_age_alone_err_by_two_fifths() -> None:
    fit = fit_quality(model_scores(), FACTS)
    assert math.exp(fit.by_size_deviation) == pytest.approx(1.38, rel=0.03)  # the same document


def test_errors_of_rows_left_out_are_those_of_fits_without_them() -> None:
    x, y = [[1.0, float(at)] for at in range(6)], [0.1, 0.9, 2.2, 2.8, 4.1, 5.3]
    errors = []
    for out in range(6):
        rest = [at for at in range(6) if at != out]
        theta, *_ = np.linalg.lstsq(np.array([x[at] for at in rest]), np.array([y[at] for at in rest]), rcond=None)
        errors.append(y[out] - float(np.dot(x[out], theta)))
    assert left_out_deviation(x, y)[1] == pytest.approx(float(np.sqrt(np.mean(np.square(errors)))))


def test_a_measured_index_counts_as_measured() -> None:
    measured = {row.name for row in model_scores() if row.benchmark == INDEX and row.score >= 5}
    told = {row.name for row in model_quality() if row.how == "measured"}
    assert told <= {row.name for row in model_scores() if row.benchmark == INDEX}
    assert len(measured & told) / len(measured) > 0.95  # the rest have the index in the other mode alone
