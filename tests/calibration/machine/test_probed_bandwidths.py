"""What the probes change: decode of a model larger than memory, the time to fill that memory, and a link's rate."""

from dataclasses import replace

import pytest

from advisor.answer import Prediction
from advisor.engine.planning import cards_of
from advisor.physics.stages import reached
from advisor.prediction.case import case_of
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from calibration.machine.fit import disk_shifts, link_shifts
from calibration.probes.disk import AROUND, DiskProbe
from catalog.profiles import DeviceFacts
from catalog.units import GIB
from tests.calibration.machine.canned import probes, sample
from tests.calibration.machine.simulated import HARDWARE, world_of
from tests.calibration.machine.tiny import ground

LARGE = Scenario.model_validate({"model": "GLM-4.5-Air", "quant": "Q4_K_M", "hardware": HARDWARE.model_dump()})
CASE = case_of(LARGE)
KNOWN = ground().knowledge.efficiencies.values(CASE.setting)


def of_disk(around_gb_s: float, faults_gb_s: float | None) -> Prediction:
    """A model larger than memory on a machine whose disk was probed."""
    rates = tuple((pattern, sample(around_gb_s)) for pattern, _ in probes().disk.rates)
    faults = sample(faults_gb_s) if faults_gb_s else None
    return predicted(replace(probes().disk, rates=rates, faults=faults))


def predicted(probe: DiskProbe) -> Prediction:
    known = ground().knowledge.efficiencies
    return predict(LARGE, world_of(dict(disk_shifts(probe, CASE.machine, known, CASE.setting))))


def disk_s(answer: Prediction) -> float:
    return next(item.seconds_per_token for item in answer.breakdown if item.stage == "disk")


def waits(use: float) -> float:
    """Time for experts, by hand: misses of a cache diluted by what is of no use, at the rate of what is of use."""
    absent = CASE.work.paged_share
    return absent / (absent + (1 + (KNOWN["page_locality"] - 1) * use) * (1 - absent)) / use


def test_a_token_waits_for_the_faults_as_the_probe_found_them() -> None:
    quick, slow, wasteful = of_disk(2.0, 1.0), of_disk(1.0, 0.5), of_disk(2.0, 0.1)
    assert disk_s(slow) == pytest.approx(2 * disk_s(quick), rel=1e-3)
    assert disk_s(wasteful) / disk_s(quick) == pytest.approx(waits(0.05) / waits(0.5), rel=1e-3)


def test_faults_are_no_faster_than_direct_reads() -> None:
    assert of_disk(1.0, 1.5).breakdown == of_disk(1.0, 1.0).breakdown


def test_memory_is_filled_without_waste() -> None:
    """What is read around a fault is needed soon when all is read for the first time."""
    quick, slow, wasteful = of_disk(2.0, 1.0), of_disk(1.0, 0.5), of_disk(2.0, 0.1)
    assert quick.warm_up_s
    assert slow.warm_up_s == pytest.approx(2 * quick.warm_up_s, rel=1e-3)
    assert wasteful.warm_up_s == pytest.approx(quick.warm_up_s)


def test_a_probe_without_faults_tells_of_direct_reads_alone() -> None:
    expected = waits(1.0) / waits(float(KNOWN["fault_use"]))
    assert disk_s(of_disk(1.0, 1.0)) / disk_s(of_disk(1.0, None)) == pytest.approx(expected, rel=1e-3)


def test_a_disk_that_was_not_probed_with_such_blocks_is_as_known() -> None:
    rates = tuple((pattern, rate) for pattern, rate in probes().disk.rates if pattern != AROUND)
    assert predicted(replace(probes().disk, rates=rates)).breakdown == predict(LARGE, world_of({})).breakdown


def test_a_link_carries_what_its_probe_measured() -> None:
    facts = DeviceFacts(name="RPC0", link_gb_s=0.06, link_latency_us=100.0)
    cards, known, _ = cards_of(CASE.machine, {"RPC0": 8.0 * GIB}, remote=True, facts=(facts,))
    assert known
    machine = replace(CASE.machine, gpus=cards, backend="rpc")
    efficiencies = ground().knowledge.efficiencies
    told = world_of(dict(link_shifts(facts, machine, efficiencies, CASE.setting))).efficiencies.values(CASE.setting)
    for name in ("link_share", "prefill_link"):
        assert cards[0].link_gb_s * reached(told[name]) == pytest.approx(0.06, rel=0.01)
