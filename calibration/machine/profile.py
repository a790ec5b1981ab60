"""What a calibration learned, as the profile that predictions read; and that profile as others may see it.

To be shared, a profile loses what tells whose it is, and its runs become rows of evidence.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from advisor.machines.fingerprint import default_name, fingerprint_of
from advisor.profiles.own_machine import hardware_of
from advisor.profiles.own_runs import own_runs_of
from advisor.question import KV_SPELLINGS, Engine, Hardware, Scenario, StorageRequest
from calibration.fit.evidence import EVIDENCE, REMOTE, TABLES, Row
from calibration.machine.campaign import Campaign, Learned
from calibration.machine.fit import OwnError, spreads_of
from calibration.machine.trials import Trial, asked_of
from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm
from catalog.profiles import (
    OWN_RUNS,
    DeviceFacts,
    EngineBuild,
    EngineRun,
    MeasuredSpeed,
    ProbeResult,
    Profile,
    digest_of,
)
from catalog.units import GIB

SOURCE = "advisor calibrate"
REMOVED = "[removed]"
UNKNOWN_MODEL = "a model file"
QUALITY, TOLD_QUALITY = "A", "B"
"""Hardware and flags are all known, or most of them: see the README of the evidence."""
BACKENDS = {
    "cuda": "CUDA", "rocm": "ROCm", "vulkan": "Vulkan", "metal": "Metal", "sycl": "SYCL", "cpu": "CPU",
    "opencl": "OpenCL",
}
DIGESTS = ("fingerprint", "seen_as", "efficiencies_digest")
"""Of parts and tables: they tell no more than those themselves."""
_ADDRESSES = (
    r"(?:\b[A-Za-z]:\\|(?<![\w/~.])(?:~|\.{1,2})?/)[^\s,;:'\")\]]+",  # paths
    r"\b[\w-]+(?:\.[\w-]+)*:\d{2,5}\b|\b\d{1,3}(?:\.\d{1,3}){3}\b",  # host:port, IPv4
    r"\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b|\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b",  # IPv6, MAC
    r"\b[\w.+-]+@[\w.-]+\b",  # user@host
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",  # UUID
)
_SERIAL = r"\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{9,}\b"
"""Serial numbers; model numbers of disks look alike, so names of parts are not searched for them."""
NAMES = ("hardware", "runs", "devices", "engine", "probes")
"""Fields that hold names of parts, models and programs, not sentences."""


def profile_of(
    name: str, campaign: Campaign, learned: Learned, *, seen: Hardware, engine: EngineBuild, today: date,
    probes: Sequence[ProbeResult] = (), devices: Sequence[DeviceFacts] = (), notes: Sequence[str] = (),
) -> Profile:
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


def anonymised(profile: Profile, private: Sequence[str] = ()) -> Profile:
    """The profile without what tells whose it is; `private` are further words to take out, such as the user's name.

    Model files go by the name of the catalog's model, and the profile by its machine. Raises `InputError` for a profile
    whose hardware cannot be read.
    """
    values = profile.model_dump(mode="json")
    for run in values["runs"]:
        run["scenario"]["model"] = _model(run["scenario"])
    for run in values["measured"]:
        run["model"] = _model(run)
    told = (rf"\b{re.escape(word)}\b" for word in private if len(word) > 1)
    names, words = (re.compile("|".join(found)) for found in (_ADDRESSES, (*_ADDRESSES, _SERIAL, *told)))
    cleaned = {
        name: value if name in DIGESTS else _scrubbed(value, names if name in NAMES else words)
        for name, value in values.items()
    }
    return Profile.model_validate(cleaned | {"name": default_name(hardware_of(profile))})


def _scrubbed(value: Any, pattern: re.Pattern[str]) -> Any:
    """A value without what the pattern finds in its texts."""
    if isinstance(value, str):
        return pattern.sub(REMOVED, value)
    if isinstance(value, dict):
        return {name: _scrubbed(item, pattern) for name, item in value.items()}
    return [_scrubbed(item, pattern) for item in value] if isinstance(value, list) else value


def _model(scenario: dict[str, Any]) -> str:
    """The model's name: of a file, that of the catalog's model which its own name tells."""
    model = scenario.get("model")
    if isinstance(model, str) and not re.search(r"[/\\]|\.gguf$", model):
        return model
    path = model.get("gguf", "") if isinstance(model, dict) else str(model)
    try:
        return resolve_llm(re.split(r"[/\\]", str(path))[-1].removesuffix(".gguf")).row.llm.name
    except UnknownName:
        return UNKNOWN_MODEL


def stated(run: EngineRun, profile: Profile) -> Scenario:
    """The scenario of a run as far as a row of evidence can state it: with the build and the day, and the disk by name
    alone. Raises ValueError for a scenario that is none.
    """
    asked = Scenario.model_validate({**run.scenario, "model": _model(run.scenario)})
    disk = StorageRequest(name=asked.hardware.storage.name)
    engine, parts = asked.engine, asked.hardware.model_copy(update={"storage": disk})
    k_type, v_type = (KV_SPELLINGS.get(name, name) for name in engine.kv_types)
    told = profile.engine.backend.lower()
    known = told if told in BACKENDS and (parts.gpus or parts.machine) else "cpu"
    backend = engine.backend or (None if profile.engine == OWN_RUNS else known)
    more = {
        "version": engine.version or _version(profile) or None, "released": profile.measured_on.isoformat(),
        "n_ctx": None,
        "kv_type": k_type if k_type == v_type else f"{k_type}/{v_type}",
        "backend": backend,
    }
    return asked.model_copy(update={"hardware": parts, "engine": Engine.model_validate(engine.model_dump() | more)})


def evidence_rows(profile: Profile) -> Iterator[Row]:
    """The runs as rows of the evidence tables. Runs of models cut down and on remote devices are marked as such, and
    `calibration.fit.evidence.load_runs` leaves them out. Raises as `stated`.
    """
    for run in (*profile.runs, *told_runs(profile)):
        cells = _cells(run, profile).items()
        told = {name: str(value).removesuffix(".0") for name, value in cells if value is not None}
        yield dict.fromkeys(columns(), "") | told


def told_runs(profile: Profile) -> Iterator[EngineRun]:
    """The runs that the owner told, as runs of the profile's machine. Raises `InputError` for one that is none."""
    for run in own_runs_of(profile):
        speeds = {"decode_tok_s", "prefill_tok_s"}
        asked = run.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude=speeds)
        work, scenario = run.workload, {**asked, "hardware": profile.hardware}
        decode, prefill = (
            MeasuredSpeed(tok_s=speed, spread=0.0) if speed else None for speed in (run.decode_tok_s, run.prefill_tok_s)
        )
        if decode and work.decode_start != work.context_depth:  # a row has one depth for both
            after = {"context_depth": work.decode_start, "prompt_tokens": 0, "gen_tokens": work.gen_tokens}
            yield EngineRun(scenario=scenario | {"workload": after}, decode=decode)
            decode = None
        if decode or prefill:
            yield EngineRun(scenario=scenario, decode=decode, prefill=prefill)


def columns() -> list[str]:
    """Columns of the evidence tables, in their order."""
    with (EVIDENCE / TABLES[0]).open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


def to_csv(profile: Profile) -> str:
    """The rows with their header. Raises as `stated`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(evidence_rows(profile))
    return out.getvalue()


def _cells(run: EngineRun, profile: Profile) -> dict[str, Any]:
    asked = stated(run, profile)
    work = asked.workload
    return {
        "source_url": SOURCE, "source_date": profile.measured_on.isoformat(), **_parts(asked.hardware),
        "engine": asked.engine.name, "engine_version": asked.engine.version, "model": asked.model, "quant": asked.quant,
        "model_gib": round(run.file_bytes / GIB, 3) if run.file_bytes else None, **_settings(asked),
        "context_depth": work.context_depth, "prompt_tokens": work.prompt_tokens, "gen_tokens": work.gen_tokens,
        "decode_tok_s": run.decode and _rounded(run.decode.tok_s),
        "quality": TOLD_QUALITY if profile.engine == OWN_RUNS else QUALITY,
        "prefill_tok_s": run.prefill and _rounded(run.prefill.tok_s),
        "stddev_decode": run.decode and _rounded(run.decode.spread * run.decode.tok_s),
    }


def _version(profile: Profile) -> str:
    engine = profile.engine
    return " ".join(filter(None, [engine.version, f"({engine.build})" if engine.build else None]))


def _parts(hardware: Hardware) -> dict[str, Any]:
    ram, gpus = hardware.ram, hardware.gpus
    shared = {"cpu": hardware.cpu, "ram_gb": ram.gb, "storage": hardware.storage.name}
    if hardware.machine:
        return shared | {"gpu": hardware.machine, "ram_type": "unified"}
    several = len(gpus) > 1
    names = [f"{gpu.count}x {gpu.name}" if several and gpu.count > 1 else gpu.name for gpu in gpus]
    first = gpus[0] if gpus else None
    links = {(gpu.pcie_gen, gpu.pcie_lanes) for gpu in gpus}
    gen, lanes = next(iter(links)) if len(links) == 1 else (None, None)
    return shared | {
        "gpu": " + ".join(names) or "none", "gpu_count": sum(gpu.count for gpu in gpus),
        "vram_gb_each": first.vram_gb if first and not several else None, "pcie_gen": gen, "pcie_lanes": lanes,
        "ram_type": ram.type, "ram_mts": ram.mt_s, "ram_channels": ram.channels,
    }


def _settings(asked: Scenario) -> dict[str, Any]:
    engine, parts = asked.engine, asked.hardware
    remote = bool(engine.n_gpu_layers) and not (parts.gpus or parts.machine)
    return {
        "backend": REMOTE if remote else BACKENDS[engine.backend] if engine.backend else None,
        "n_gpu_layers": engine.n_gpu_layers, "n_cpu_moe": engine.n_cpu_moe,
        "offload_note": {None: "", True: "mmap", False: "no-mmap"}[engine.mmap],
        "kv_type": engine.kv_type, "flash_attn": {None: None, True: "on", False: "off"}[engine.flash_attn],
        "threads": engine.threads, "ubatch": engine.ubatch,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
