"""A machine's profile as others may see it: without what tells whose it is, and its runs as rows of evidence."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from advisor.machines.fingerprint import default_name
from advisor.profiles.own_machine import hardware_of
from advisor.question import KV_SPELLINGS, Engine, Hardware, Scenario, StorageRequest
from calibration.fit.evidence import EVIDENCE, REMOTE, TABLES, Row
from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm
from catalog.profiles import EngineRun, Profile
from catalog.units import GIB

SOURCE = "advisor calibrate"
REMOVED = "[removed]"
UNKNOWN_MODEL = "a model file"
QUALITY = "A"
"""Hardware and flags are all known: see the README of the evidence."""
BACKENDS = {
    "cuda": "CUDA", "rocm": "ROCm", "vulkan": "Vulkan", "metal": "Metal", "sycl": "SYCL", "cpu": "CPU",
    "opencl": "OpenCL",
}  # fmt: skip
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


def anonymised(profile: Profile, private: Sequence[str] = ()) -> Profile:
    """The profile without what tells whose it is; `private` are further words to take out, such as the user's name.

    Model files go by the name of the catalog's model, and the profile by its machine. Raises `InputError` for a profile
    whose hardware cannot be read.
    """
    values = profile.model_dump(mode="json")
    for run in values["runs"]:
        run["scenario"]["model"] = _model(run["scenario"])
    names, words = (re.compile("|".join(patterns)) for patterns in (_ADDRESSES, _private(private)))
    cleaned = {
        name: value if name in DIGESTS else _scrubbed(value, names if name in NAMES else words)
        for name, value in values.items()
    }
    return Profile.model_validate(cleaned | {"name": default_name(hardware_of(profile))})


def _private(words: Sequence[str]) -> tuple[str, ...]:
    """Patterns of what no sentence may tell."""
    return (*_ADDRESSES, _SERIAL, *(rf"\b{re.escape(word)}\b" for word in words if len(word) > 1))


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
    backend = engine.backend or (told if told in BACKENDS and (parts.gpus or parts.machine) else "cpu")
    more = {
        "version": _version(profile) or None, "released": profile.measured_on.isoformat(), "n_ctx": None,
        "kv_type": k_type if k_type == v_type else f"{k_type}/{v_type}",
        "backend": backend,
    }  # fmt: skip
    return asked.model_copy(update={"hardware": parts, "engine": Engine.model_validate(engine.model_dump() | more)})


def evidence_rows(profile: Profile) -> Iterator[Row]:
    """The runs as rows of the evidence tables. Runs of models cut down and on remote devices are marked as such, and
    `calibration.fit.evidence.load_runs` leaves them out. Raises as `stated`.
    """
    for run in profile.runs:
        yield dict.fromkeys(columns(), "") | {name: _text(value) for name, value in _cells(run, profile).items()}


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
        "engine": asked.engine.name, "engine_version": _version(profile), "model": asked.model, "quant": asked.quant,
        "model_gib": round(run.file_bytes / GIB, 3) if run.file_bytes else None, **_settings(asked),
        "context_depth": work.context_depth, "prompt_tokens": work.prompt_tokens, "gen_tokens": work.gen_tokens,
        "decode_tok_s": run.decode and _rounded(run.decode.tok_s), "quality": QUALITY,
        "prefill_tok_s": run.prefill and _rounded(run.prefill.tok_s),
        "stddev_decode": run.decode and _rounded(run.decode.spread * run.decode.tok_s),
    }  # fmt: skip


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
    }  # fmt: skip


def _settings(asked: Scenario) -> dict[str, Any]:
    engine, parts = asked.engine, asked.hardware
    remote = bool(engine.n_gpu_layers) and not (parts.gpus or parts.machine)
    return {
        "backend": REMOTE if remote else BACKENDS[engine.backend or "cpu"],
        "n_gpu_layers": engine.n_gpu_layers, "n_cpu_moe": engine.n_cpu_moe,
        "offload_note": {None: "", True: "mmap", False: "no-mmap"}[engine.mmap],
        "kv_type": engine.kv_type, "flash_attn": {None: None, True: "on", False: "off"}[engine.flash_attn],
        "threads": engine.threads, "ubatch": engine.ubatch,
    }  # fmt: skip


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _text(value: object) -> str:
    return "" if value is None else str(value).removesuffix(".0")
