"""From a machine to its profile: the path of one calibration. Read this module first, and in it `calibrate`.

What the caller detected -> probes of the parts (`calibration.probes`) -> the runs that tell most for their time, chosen
and made (`campaign`, of `experiments` with `probe_models`, kept in the journal of `trials`), at one level (`drift`) ->
one fit of all of them with the probes as its priors, checked on the runs left out (`fit`) -> the `profile`, which
`findings` and `outlook` read and `report` shows.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from advisor.detection import Detected
from advisor.detection.processor import read_caches
from advisor.engine.library import installed_version
from advisor.engine.planning import look_around, stand_in
from advisor.errors import EngineFailed
from advisor.gguf.model_file import ModelFile
from advisor.machines.fingerprint import fingerprint_of
from advisor.physics.coefficients import Setting
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import case_of
from advisor.profiles.store import CALIBRATIONS
from advisor.question import Engine, Scenario
from calibration.machine.campaign import Campaign, Step, Told, own_files
from calibration.machine.experiments import Ground
from calibration.machine.fit import Shifts, disk_shifts, link_shifts, probed_shifts
from calibration.machine.probe_models import QUANTS, QUICK_QUANTS, probe_models
from calibration.machine.profile import profile_of
from calibration.machine.trials import Journal, Stamp, only_one
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
        probes = _probe(asked, told)
        campaign = _campaign(asked, probes, own)
        left_s = BUDGET_S[asked.effort] - (time.monotonic() - started_s)
        campaign.measure(campaign.planned(left_s), left_s, told)
        told(Step("the fit", 1.0, 0.0))
        learned = campaign.learned()
        if learned.faults:
            longer = {"quick": ", and without --quick", "usual": ", or with --thorough", "thorough": ""}[asked.effort]
            why = "; ".join(filter(None, (*learned.faults, learned.drift.change)))
            raise EngineFailed(
                f"this calibration is not to be used and not stored: {why} "
                f"(calibrate again with nothing else running{longer})"
            )
        backend = campaign.ground.machine.backend
        engine = EngineBuild(name="llama.cpp", version=installed_version(), backend=backend)
        profile = profile_of(
            asked.name, campaign, learned, seen=asked.found.hardware, engine=engine, today=today,
            probes=probes.results(), devices=device_facts(probes),
            notes=(*probes.warnings, *learned.drift.notes, *([learned.one_more.words] if learned.one_more else [])),
        )
        save(profile)
        campaign.journal.close()
        return profile


def _probe(asked: Asked, told: Told) -> Probes:
    """The probes, told as the first part of the whole."""
    budget_s, probes_s = BUDGET_S[asked.effort], PROBES_S[asked.effort]

    def step(what: str, share: float) -> None:
        told(Step(f"probe: {what}", share * probes_s / budget_s, budget_s - share * probes_s))

    asked.home.mkdir(parents=True, exist_ok=True)
    return probe_all(asked.home, asked.rpc, None, step, quick=asked.effort == "quick")


def _campaign(asked: Asked, probes: Probes, own: Mapping[str, ModelFile]) -> Campaign:
    """What is to be measured, with what, and what was measured before."""
    # The machine, with the devices that llama.cpp finds in it or at the servers.
    hardware = asked.told.hardware
    question = Scenario(model=SMALLEST[0], quant=SMALLEST[1], hardware=hardware)
    with stand_in(resolve_llm(SMALLEST[0]).row.llm, resolve_quant(SMALLEST[1]).row) as path:
        here = look_around(path, asked.told, question, asked.rpc, facts=device_facts(probes))
    ground = Ground(here.machine, hardware, asked.knowledge, len(here.machine.gpus), asked.rpc)

    # Models in few quants where there is little time for two kinds of places; all cores, and a few, so that what each
    # adds is seen.
    quants = QUICK_QUANTS if asked.effort == "quick" and ground.devices else QUANTS
    models = tuple(probe_models(read_caches().last_level_bytes, quants))
    threads = tuple(sorted({max(1, here.cores // 4), here.cores}))

    # Measurements of an earlier calibration of the same machine, engine and kind count.
    plan = " ".join((asked.effort, *asked.rpc, *(str(path.resolve()) for path in asked.models)))
    machine, engine = fingerprint_of(hardware), installed_version() or ""
    stamp = Stamp(fingerprint=machine, engine=engine, plan=plan, started_s=time.time())
    journal = Journal.open(asked.home / CALIBRATIONS / JOURNAL, stamp)
    return Campaign(ground, threads, models, own, asked.home / MODELS, journal, _shifts(ground, probes))


def device_facts(probes: Probes) -> tuple[DeviceFacts, ...]:
    """The links as the probe found them: half of the way there and back, from memory as a mapped file is."""
    found = []
    for link in probes.links:
        if route := link.pageable or link.pinned:
            ways = route.to_device.bandwidth_gb_s.value, route.from_device.bandwidth_gb_s.value
            link_gb_s, latency_us = 2 / sum(1 / way for way in ways), route.round_trip_us.value / 2
            found.append(DeviceFacts(name=link.device, link_gb_s=link_gb_s, link_latency_us=latency_us))
    return tuple(found)


def _shifts(ground: Ground, probes: Probes) -> Shifts:
    """What the probes say of the coefficients, in the settings of a run on the CPU alone and of one with a device."""

    def setting(n_gpu_layers: int) -> Setting:
        engine = Engine(n_gpu_layers=n_gpu_layers)
        asked = Scenario(model=SMALLEST[0], quant=SMALLEST[1], hardware=ground.hardware, engine=engine)
        return case_of(asked, None, ground.machine).setting

    known, machine, alone = ground.knowledge.efficiencies, ground.machine, setting(0)
    found = probed_shifts(probes.compute, machine.cpu, known, alone) | disk_shifts(probes.disk, machine, known, alone)
    links = device_facts(probes)
    return found | link_shifts(links[0], machine, known, setting(99)) if machine.gpus and links else found
