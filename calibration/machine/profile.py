"""What a calibration learned, as the profile that predictions read."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from advisor.machines.fingerprint import fingerprint_of
from advisor.question import Hardware
from calibration.machine.campaign import Campaign, Learned
from calibration.machine.fit import OwnError, spreads_of
from calibration.machine.trials import Trial, asked_of
from catalog.profiles import DeviceFacts, EngineBuild, EngineRun, ProbeResult, Profile, digest_of


def profile_of(
    name: str, campaign: Campaign, learned: Learned, *, seen: Hardware, engine: EngineBuild, today: date,
    probes: Sequence[ProbeResult] = (), devices: Sequence[DeviceFacts] = (), notes: Sequence[str] = (),
) -> Profile:  # fmt: skip
    """The profile of a machine; `seen` is what the system itself tells of it."""
    hardware, known = campaign.ground.hardware, campaign.ground.knowledge.efficiencies
    fingerprint, as_seen = fingerprint_of(hardware), fingerprint_of(seen)
    return Profile(
        name=name,
        fingerprint=fingerprint,
        seen_as=as_seen if as_seen != fingerprint else None,
        hardware=hardware.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        devices=tuple(devices),
        engine=engine,
        measured_on=today,
        efficiencies_digest=digest_of(known.effects),
        effects=learned.own.shifts,
        spreads=tuple(spreads_of(learned.errors, f"calibration of {today}", today)),
        probes=tuple(probes),
        runs=tuple(engine_run(trial, hardware, learned.errors) for trial in campaign.trials),
        correlations=learned.own.correlations(),
        notes=tuple(notes),
    )


def engine_run(trial: Trial, hardware: Hardware, errors: Sequence[OwnError]) -> EngineRun:
    """A trial with what a fit without it predicted; models by name, not by file."""
    left_out = {
        item.observation.kind: item.predicted_tok_s
        for item in errors
        if item.observation.machine == trial.configuration
    }
    asked = asked_of(trial.file, trial.settings, trial.asked, hardware)
    scenario: dict[str, Any] = asked.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    scenario |= {"model": trial.model, "quant": trial.quant}
    return EngineRun(
        scenario=scenario,
        file_bytes=trial.file_bytes,
        decode=trial.decode,
        prefill=trial.prefill,
        decode_left_out_tok_s=left_out.get("decode") if trial.decode else None,
        prefill_left_out_tok_s=left_out.get("prefill") if trial.prefill else None,
    )
