"""`calibrate`: from a machine to its profile. Read this module first, it is the path of one calibration.

What the caller detected -> probes -> experiments chosen -> the engine runs them -> fit -> checked on runs left out ->
profile.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from advisor.detection import Detected
from advisor.detection.processor import read_caches
from advisor.engine.library import installed_version
from advisor.engine.planning import Here, look_around, stand_in
from advisor.errors import EngineFailed
from advisor.machines.fingerprint import fingerprint_of
from advisor.machines.machine import Machine
from advisor.physics.coefficients import Setting
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import case_of
from advisor.profiles.store import CALIBRATIONS
from advisor.question import Scenario
from calibration.machine.campaign import Campaign, Step, Told, own_files
from calibration.machine.experiments import Ground
from calibration.machine.journal import Journal, Stamp, only_one
from calibration.machine.probe_models import QUANTS, QUICK_QUANTS, ProbeModel, probe_models
from calibration.machine.probed import disk_shifts, link_shifts, probed_shifts
from calibration.machine.profile import profile_of
from calibration.probes import Probes, probe_all
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.profiles import DeviceFacts, EngineBuild, Profile

Effort = Literal["quick", "usual", "thorough"]
BUDGET_S = {"quick": 165.0, "usual": 690.0, "thorough": 3600.0}
"""Seconds for probes and runs: with the fit less than 3 and 12 minutes, and an hour."""
PROBES_S = {"quick": 12.0, "usual": 30.0, "thorough": 30.0}
MODELS = "probe-models"
JOURNAL = "measured.jsonl"
SMALLEST = ("Llama-3.2-1B", "Q4_0")
"""A model to start llama.cpp with when it is only asked for its devices."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What to calibrate: `found` by the system, its hardware completed by the user in `told`."""

    home: Path
    found: Detected
    told: Detected
    knowledge: Knowledge
    effort: Effort
    name: str
    models: tuple[Path, ...] = ()
    rpc: tuple[str, ...] = ()


def calibrate(asked: Asked, told: Told, today: date, save: Callable[[Profile], object]) -> Profile:
    """Measure, fit, and hand the profile to `save`; what was measured is forgotten only when that is done.

    Raises `InputError` for what the user can mend, `EngineFailed` where the engine fails or the fit is not to be used.
    """
    own = own_files(asked.models)
    with only_one(asked.home / CALIBRATIONS):
        started_s = time.monotonic()
        probes = _probes(asked, told)
        here = _here(asked, probes)
        journal = Journal.open(asked.home / CALIBRATIONS / JOURNAL, _stamp(asked))
        ground = Ground(here.machine, asked.told.hardware, asked.knowledge, len(here.machine.gpus), asked.rpc)
        campaign = Campaign(
            ground, _threads(here.cores), tuple(_models(asked.effort, ground)), own,
            asked.home / MODELS, journal, _probed(probes, ground),
        )  # fmt: skip
        left_s = BUDGET_S[asked.effort] - (time.monotonic() - started_s)
        campaign.make(campaign.planned(left_s), left_s, told)
        told(Step("the fit", 1.0, 0.0))
        learned = campaign.learned()
        if learned.faults:
            raise EngineFailed(_refusal(learned.faults, asked.effort))
        profile = profile_of(
            asked.name, campaign, learned, seen=asked.found.hardware, engine=_engine(here.machine), today=today,
            probes=probes.results(), devices=device_facts(probes), notes=probes.warnings,
        )  # fmt: skip
        save(profile)
        journal.close()
        return profile


def _refusal(faults: Sequence[str], effort: Effort) -> str:
    longer = {"quick": ", and without --quick", "usual": ", or with --thorough", "thorough": ""}[effort]
    told = f"this calibration is not to be used and not stored: {'; '.join(faults)}"
    return f"{told} (calibrate again with nothing else running{longer})"


def _probes(asked: Asked, told: Told) -> Probes:
    """The probes, told as the first part of the whole."""
    budget_s, probes_s = BUDGET_S[asked.effort], PROBES_S[asked.effort]

    def step(what: str, share: float) -> None:
        told(Step(f"probe: {what}", share * probes_s / budget_s, budget_s - share * probes_s))

    asked.home.mkdir(parents=True, exist_ok=True)
    return probe_all(asked.home, asked.rpc, None, step, quick=asked.effort == "quick")


def _here(asked: Asked, probes: Probes) -> Here:
    """This machine, with the devices that llama.cpp finds in it or at the servers."""
    llm, quant = resolve_llm(SMALLEST[0]).row.llm, resolve_quant(SMALLEST[1]).row
    question = Scenario(model=SMALLEST[0], quant=SMALLEST[1], hardware=asked.told.hardware)
    with stand_in(llm, quant) as path:
        return look_around(path, asked.told, question, asked.rpc, facts=device_facts(probes))


def device_facts(probes: Probes) -> tuple[DeviceFacts, ...]:
    """The links as the probe found them: half of the way there and back, from memory as a mapped file is."""
    found = []
    for link in probes.links:
        route = link.pageable or link.pinned
        if route is not None:
            ways = route.to_device.bandwidth_gb_s.value, route.from_device.bandwidth_gb_s.value
            found.append(DeviceFacts(
                name=link.device, link_gb_s=2 / sum(1 / way for way in ways),
                link_latency_us=route.round_trip_us.value / 2,
            ))  # fmt: skip
    return tuple(found)


def _models(effort: Effort, ground: Ground) -> Iterator[ProbeModel]:
    """Those to measure with: where there is little time for two kinds of places, in few quants."""
    quants = QUICK_QUANTS if effort == "quick" and ground.devices else QUANTS
    return probe_models(read_caches().last_level_bytes, quants)


def _threads(cores: int) -> tuple[int, ...]:
    """Numbers of threads to run with: all cores, and a few, so that what each adds is seen."""
    return tuple(sorted({max(1, cores // 4), cores})) if cores > 1 else (1,)


def _probed(probes: Probes, ground: Ground) -> dict[tuple[str, str], float]:
    """What the probes say of the coefficients, in the settings of a run on the CPU alone and of one with a device."""
    known, machine = ground.knowledge.efficiencies, ground.machine
    alone = _setting(ground, n_gpu_layers=0)
    found = dict(probed_shifts(probes.compute, machine.cpu, known, alone))
    found |= disk_shifts(probes.disk, machine, known, alone)
    links = device_facts(probes)
    if machine.gpus and links:
        found |= link_shifts(links[0], machine, known, _setting(ground, n_gpu_layers=99))
    return found


def _setting(ground: Ground, n_gpu_layers: int) -> Setting:
    asked = {"model": SMALLEST[0], "quant": SMALLEST[1], "hardware": ground.hardware}
    scenario = Scenario.model_validate(asked | {"engine": {"n_gpu_layers": n_gpu_layers}})
    return case_of(scenario, None, ground.machine).setting


def _stamp(asked: Asked) -> Stamp:
    plan = " ".join((asked.effort, *asked.rpc, *(str(path.resolve()) for path in asked.models)))
    fingerprint = fingerprint_of(asked.told.hardware)
    return Stamp(fingerprint=fingerprint, engine=installed_version() or "", plan=plan, started_s=time.time())


def _engine(machine: Machine) -> EngineBuild:
    return EngineBuild(name="llama.cpp", version=installed_version(), backend=machine.backend)
