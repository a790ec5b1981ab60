"""What the probe of kernels says of the coefficients, by arithmetic that can be followed."""

import math
from dataclasses import replace

import pytest

from advisor.physics.coefficients import COLUMNS
from advisor.physics.task import FAMILIES
from advisor.prediction.case import case_of
from advisor.question import Scenario
from calibration.machine.fit import EXPERTS, MULTIPLY, UNPACK, probed_shifts
from calibration.probes.compute import ComputeProbe, Rate
from calibration.probes.sample import Sample
from tests.calibration.machine.tiny import HARDWARE, ground

MACHINE, KNOWN = ground().machine, ground().knowledge.efficiencies
ASKED = {"model": "Llama-3.2-1B", "quant": "Q4_0", "hardware": HARDWARE, "engine": {"n_gpu_layers": 0}}
SETTING = case_of(Scenario.model_validate(ASKED)).setting
FOUND = {"F16": "float", "Q8_0": "q8", "Q4_K": "q4_k"}


def known(name: str, family: str) -> float:
    place = COLUMNS[name]
    at = place.start + FAMILIES.index(family) if isinstance(place, slice) else place
    return float(KNOWN.row(SETTING)[at])


def rate(kind: str, gflop_s: float, columns: int, threads: int, layout: str = "plain") -> Rate:
    return Rate(kind, layout, columns, threads, Sample(gflop_s, 0.01, 5), Sample(1.0, 0.01, 5))


def expected_gflop_s(name: str, family: str, threads: int) -> float:
    """A weight is one multiplication and one addition; each thread has its core's share of the vector units, which
    take in `vector_gb_s` together, less what the threads lose by each other.
    """
    vectors_gb_s = MACHINE.cpu.vector_gb_s * threads / MACHINE.cpu.cores * threads ** -known("thread_loss", "")
    return 2 * vectors_gb_s * known(name, family)


def shifts(*rates: Rate) -> dict[tuple[str, str], float]:
    return dict(probed_shifts(ComputeProbe(rates), MACHINE.cpu, KNOWN, SETTING))


@pytest.mark.parametrize(("kind", "family"), FOUND.items())
def test_a_machine_like_all_others_is_not_shifted(kind: str, family: str) -> None:
    token = rate(kind, expected_gflop_s(UNPACK, family, 1), 1, 1)
    prompt = rate(kind, expected_gflop_s(MULTIPLY, family, 8), 512, 8)
    found = shifts(token, prompt)
    assert set(found) == {(UNPACK, family), (MULTIPLY, family)}
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-9)  # a logarithm: a billionth of the speed


def test_twice_as_fast_is_twice_the_coefficient() -> None:
    found = shifts(
        rate("Q8_0", 2 * expected_gflop_s(UNPACK, "q8", 1), 1, 1),
        rate("Q8_0", 0.5 * expected_gflop_s(MULTIPLY, "q8", 8), 512, 8),
    )
    assert found[UNPACK, "q8"] == pytest.approx(math.log(2), rel=1e-9)
    assert found[MULTIPLY, "q8"] == pytest.approx(math.log(0.5), rel=1e-9)


def test_a_type_that_is_repacked_counts_as_it_is_loaded() -> None:
    fast, slow = (factor * expected_gflop_s(UNPACK, "q4_k", 1) for factor in (1.5, 0.3))
    found = shifts(rate("Q4_K", slow, 1, 1), rate("Q4_K", fast, 1, 1, "CPU_REPACK"), rate("F16", 1.0, 1, 1))
    assert found[UNPACK, "q4_k"] == pytest.approx(math.log(1.5), rel=1e-9)
    assert (UNPACK, "float") in found  # of which there is no other layout


def test_a_token_counts_on_one_thread_and_a_prompt_on_all() -> None:
    found = shifts(
        rate("Q8_0", expected_gflop_s(UNPACK, "q8", 1), 1, 1),
        rate("Q8_0", 1.0, 1, 8),
        rate("Q8_0", 1.0, 512, 1),
        rate("Q8_0", expected_gflop_s(MULTIPLY, "q8", 8), 512, 8),
    )
    assert found == pytest.approx({(UNPACK, "q8"): 0.0, (MULTIPLY, "q8"): 0.0}, abs=1e-9)


def test_what_was_not_probed_is_not_shifted() -> None:
    assert shifts() == {}
    assert set(shifts(rate("Q8_0", 10.0, 1, 1))) == {(UNPACK, "q8")}
    assert set(shifts(rate("Q8_0", 10.0, 512, 2))) == {(MULTIPLY, "q8")}


def test_experts_count_as_a_share_of_whole_matrices() -> None:
    """A third faster than known of all machines, whatever the speed of a whole matrix."""
    routed = replace(rate("Q8_0", 100.0 * known(EXPERTS, "q8") * 4 / 3, 128, 8), routed=True)
    found = shifts(rate("Q8_0", 100.0, 512, 8), routed)
    assert found[EXPERTS, "q8"] == pytest.approx(math.log(4 / 3), rel=1e-9)
    assert found[EXPERTS, ""] == 0.0  # of all families alike nothing is told
    assert found[MULTIPLY, "q8"] == shifts(rate("Q8_0", 100.0, 512, 8))[MULTIPLY, "q8"]
    assert shifts(routed) == {}  # a share of what is not known
