"""The compute probe: ggml's own products in a process of their own."""

import math

import pytest

from advisor.physics.task import FAMILIES, family_of
from calibration.probes.child import ProbeFailed, told_by_child
from calibration.probes.compute import TYPES, ComputeProbe, probe_compute
from catalog.units import MIB

BYTES_PER_WEIGHT = {"F16": 2.0, "Q8_0": 34 / 32, "Q4_K": 144 / 256}
"""Bytes of a block over its weights. Source: ggml/src/ggml-common.h (read 2026-11-28)."""


@pytest.fixture(scope="module")
def found() -> ComputeProbe:
    return probe_compute(
        (1, 2), types=tuple(BYTES_PER_WEIGHT), columns=(1, 8), weight_bytes=40 * MIB, repeats=3, seconds_each=0.01
    )


def test_each_type_is_measured_with_each_number_of_threads_and_columns(found: ComputeProbe) -> None:
    plain = {(r.weight_type, r.columns, r.threads) for r in found.rates if r.layout == "plain"}
    assert plain == {(name, columns, threads) for name in BYTES_PER_WEIGHT for columns in (1, 8) for threads in (1, 2)}
    assert all(math.isfinite(row.value) and row.value > 0 for row in found.results())
    assert len({row.name for row in found.results()}) == len(found.rates)


def test_operations_and_bytes_belong_to_the_same_products(found: ComputeProbe) -> None:
    for rate in found.rates:
        operations_per_byte = 2 * rate.columns / BYTES_PER_WEIGHT[rate.weight_type]
        assert rate.gflop_s.value / rate.read_gb_s.value == pytest.approx(operations_per_byte)


def test_one_column_is_told_in_bytes_and_many_in_operations(found: ComputeProbe) -> None:
    units = {(row.name.split()[0], "columns=1 " in row.name, row.unit) for row in found.results()}
    assert units == {("cpu_product_read_gb_s", True, "GB/s"), ("cpu_product_gflop_s", False, "GFLOP/s")}


def test_every_family_of_quants_is_probed() -> None:
    assert sorted(family_of(name) for name in TYPES) == sorted(FAMILIES)


def test_a_type_that_is_none_is_told() -> None:
    with pytest.raises(ProbeFailed, match="KeyError: 'Q9_K'"):
        probe_compute((1,), types=("Q9_K",), weight_bytes=MIB)


def test_matrices_fill_the_bytes_asked_for_one_column() -> None:
    task = {
        "types": ["F16"], "threads": [1], "columns": [1, 2], "weight_bytes": 128 * MIB, "repeats": 3, "seconds": 0.0,
    }
    one, two = (line for line in told_by_child("compute", task, 60.0) if line["layout"] == "plain")
    assert (one["bytes"], one["weights"]) == (128 * MIB, 64 * MIB)  # four matrices of 4096 x 4096 x 2 bytes
    assert two["bytes"] == 32 * MIB  # one matrix is enough work for a batch


def test_rounds_go_through_all_types_before_one_comes_again() -> None:
    task = {
        "types": ["F16", "F32"], "threads": [1], "columns": [2], "weight_bytes": MIB, "repeats": 1, "seconds": 0.0,
        "rounds": 2,
    }
    told = [line["type"] for line in told_by_child("compute", task, 60.0) if line["layout"] == "plain"]
    assert told == ["F16", "F32"] * 2
    twice = probe_compute((1,), types=("F16",), columns=(2,), weight_bytes=MIB, rounds=2, repeats=2, seconds_each=0.5)
    assert [rate.gflop_s.repeats for rate in twice.rates] == [4] * len(twice.rates)
