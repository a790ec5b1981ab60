"""The evidence: measured public runs as scenarios, and as observations of the physics that the fit learns from.

Which rows can be compared with a prediction, why the others cannot, and which runs the advisor has no answer for.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from advisor.machines.from_parts import machine_of
from advisor.prediction.case import Case, Unplaced, asked_of, cases_of
from advisor.question import Engine, GpuRequest, Hardware, RamRequest, Scenario, StorageRequest, Workload
from advisor.sizes.buffers import padded
from calibration.fit.fitting import FitRow

EVIDENCE = Path(__file__).parents[1] / "evidence"
TABLES = ("consumer.csv", "fullgpu.csv", "hybrid.csv", "released.csv", "hybrid2.csv", "fullgpu2.csv")
ENGINES = ("llama.cpp", "ik_llama.cpp", "llama-cpp-python", "ollama", "lm studio", "lmstudio", "llamafile", "koboldcpp")
EVIDENCE_READ = date(2026, 11, 29)
"""When the evidence was collected: the date of what is learned from it."""
OLLAMA = "ollama"
"""It splits a model by whole layers, experts with them. Source: docs.ollama.com/faq, what `ollama ps` shows."""
REMOTE = "RPC"
"""Backend of runs on a device of another computer."""
CUT = " cut to "
"""What the name of a model says of which layers, experts or tokens were left out."""
UNIFIED = ("apple", "strix", "ryzen ai", "gb10", "dgx spark", "radeon 8060s", "mac ")
_KV_TYPES = re.compile(r"bf16|f16|f32|q8_0|q5_1|q5_0|q4_1|q4_0|iq4_nl")
_BACKENDS = ("cuda", "vulkan", "metal", "sycl", "cpu", "opencl")
_ON_CPU = ("exps=cpu", "--cpu-moe", "-cmoe")
_FFN_BESIDE = re.compile(r"^-ot blk.*ffn=cpu")
"""Whole feed-forward blocks of named layers in RAM: of a model with experts these are nearly all of it."""
_EXPERTS_BESIDE = ("exps=cpu", "cpu-moe", "ncmoe", "experts on cpu", "experts of layers")
_OTHER_SPLITS = ("-sm row", "split-mode row", "sm=row", "tensor split", "tensor-split", "-sm tensor", "-sm graph")
_DISTURBED = ("overflow", "spill", "thrash", "disturbed")
_BLAS = re.compile(r"with openblas|blas build|backend (cuda\+)?blas")
_PAGING = re.compile(r"\b(paging|pages)\b|\bswapping\b|\bto swap\b|\bssd\b|from nvme|mmap from")

ROOMY_GIB, ROOM_GIB = 20.0, 16.0
"""A model larger than the first, which ran and did not read from disk, had RAM for all of it and the second beside,
where its row does not say how much."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One measured run: the question it answers and what was measured, in tok/s."""

    scenario: Scenario
    decode_tok_s: float | None
    prefill_tok_s: float | None
    note: str
    source: str
    as_of: str
    regime: str = ""
    """Where the row itself says that the weights lay: see `regime_of`."""


@dataclass(frozen=True, slots=True)
class LeftOutRuns:
    """A row that is not compared, and why."""

    reason: str
    row: Row


def rows() -> Iterator[Row]:
    """All rows of the evidence tables, with what became known of their machines later (corrections.csv)."""
    for name in TABLES:
        yield from map(corrected, table(name))


@cache
def _corrections() -> tuple[Row, ...]:
    return tuple(table("corrections.csv"))


def corrected(row: Row) -> Row:
    """A row as it was published, with what became known of its machine later."""
    found = {item["field"]: item["value"] for item in _corrections() if _is_of(row, item)}
    return dict(row) | found if found else row


def table(name: str) -> Iterator[Row]:
    """The rows of one table of the evidence as they were published."""
    with (EVIDENCE / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _is_of(row: Row, correction: Row) -> bool:
    """Whether a correction is about a row: its source has the words, its processor and card are those."""
    said = correction["source_part"] in row["source_url"] and row["cpu"] == correction["cpu"]
    return said and correction["gpu"] in {"", row["gpu"]}


def author_of(source: str) -> str:
    """Who measured, as far as a source tells: a site, a repository's owner and name, the begin of an unknown one.

    >>> author_of("https://github.com/ikawrakow/ik_llama.cpp/discussions/357")
    'github.com/ikawrakow/ik_llama.cpp'
    >>> author_of("https://www.localscore.ai/latest")
    'localscore.ai'
    """
    address = source.lower().partition("://")[2]
    if not address:
        return source.lower()[:60]
    host, *path = address.split("/")
    host = host.removeprefix("www.")
    shared = host in {"github.com", "gist.github.com", "huggingface.co", "reddit.com"}
    return "/".join([host, *path[:2]]) if shared else host


def load_runs(source: Iterable[Row] | None = None) -> tuple[list[MeasuredRun], list[LeftOutRuns]]:
    """The runs that can be compared with a prediction and the rows left out, each with its reason."""
    kept: list[MeasuredRun] = []
    left_out: list[LeftOutRuns] = []
    for row in rows() if source is None else source:
        reason = reason_to_leave_out(row)
        if reason:
            left_out.append(LeftOutRuns(reason, row))
        else:
            kept.append(measured_run(row))
    return kept, left_out


DRAFTED, DIVIDED = "speculative decoding", "rows or tensors split over the GPUs, not layers"
"""Reasons that do not count for the fit of drafts and split modes (`calibration.fit.beside`)."""


def reason_to_leave_out(row: Row, but: Iterable[str] = ()) -> str | None:
    """Why a row cannot be compared, or None; reasons in `but` do not count."""
    engine = row["engine"].lower()
    note = " ".join((row["offload_note"], row["engine"], row["model"])).lower()
    checks = (
        (not engine.startswith(ENGINES), "another engine"),
        (any(word in engine for word in ("fork", "branch", "(tosh")), "a fork of the engine"),
        (any(word in note for word in _DISTURBED), "VRAM overflow or a disturbed run"),
        (any(word in note for word in ("mtp build", "speculative", "draft")), DRAFTED),
        ("expert-cache fork" in note, "a fork of the engine"),
        ("split up/gate" in note, "up and gate matrices of a layer on different GPUs"),
        (CUT in row["model"], "a model cut to fewer layers, experts or tokens"),
        (row["backend"].upper() == REMOTE, "on the device of another computer"),
        (bool(_BLAS.search(note)), "matrices multiplied by a BLAS library, not by the engine's kernels"),
        ("-ser " in note, "fewer experts used than the model routes to (-ser)"),
        (any(mark in note for mark in _OTHER_SPLITS), DIVIDED),
        ("no-kv-offload" in note or "-nkvo" in note, "KV cache kept off the GPU by option"),
        ("turbo" in row["kv_type"].lower(), "a KV cache type of a fork"),
        (row["quality"] == "C", "anecdotal or suspect (quality C)"),
        (not (_number(row["decode_tok_s"]) or _number(row["prefill_tok_s"])), "no measurement"),
        (not row["model"] or not row["quant"], "model or quant unknown"),
    )
    return next((reason for failed, reason in checks if failed and reason not in but), None)


def measured_run(row: Row) -> MeasuredRun:
    """A row as a scenario with its measured speeds."""
    prompt, depth, gen = (_whole(row[name]) for name in ("prompt_tokens", "context_depth", "gen_tokens"))
    workload = Workload(
        context_depth=depth or 0, prompt_tokens=512 if prompt is None else prompt, gen_tokens=gen or 128,
        decode_depth=depth or 0,  # llama-bench reads and writes apart, each from this depth on
    )
    scenario = Scenario(
        model=row["model"], quant=row["quant"], hardware=_hardware(row), engine=_engine(row, workload),
        workload=workload,
    )
    decode_tok_s, prefill_tok_s = _number(row["decode_tok_s"]), _number(row["prefill_tok_s"])
    note, source, as_of = row["offload_note"], row["source_url"], row["source_date"]
    return MeasuredRun(scenario, decode_tok_s, prefill_tok_s, note, source, as_of, regime_of(row))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _whole(text: str) -> int | None:
    value = _number(text)
    return None if value is None else int(value)


def _names_gpu(row: Row) -> bool:
    return row["gpu"].lower() not in {"", "none", "cpu"}


def is_unified(row: Row) -> bool:
    """Whether the row's machine has one memory for CPU and GPU."""
    words = row["gpu"].lower() if _names_gpu(row) else row["cpu"].lower()
    return "unified" in row["ram_type"].lower() or any(mark in words for mark in UNIFIED)


def regime_of(row: Row) -> str:
    """Where the row says that the weights lay: what errors are reported by, whatever the advisor places itself."""
    note = row["offload_note"].lower()
    if is_unified(row):
        return "unified"
    if not _names_gpu(row) or row["backend"].lower() == "cpu":
        return "cpu_only"
    if _PAGING.search(note):
        return "storage"
    if row["n_cpu_moe"] not in {"", "0"} or any(mark in note for mark in _EXPERTS_BESIDE) or _FFN_BESIDE.search(note):
        return "expert_offload"
    if _whole(row["n_gpu_layers"]) == 0:
        return "cpu_only"
    cards = _number(row["gpu_count"]) or 1
    vram_gib, model_gib = _number(row["vram_gb_each"]), _number(row["model_gib"])
    if vram_gib and model_gib and model_gib > vram_gib * cards:
        return "layer_split"
    return "multi_gpu" if cards > 1 else "full_gpu"


def _gpus(row: Row) -> tuple[GpuRequest, ...]:
    """The GPUs of a row; "2x RTX 5090 + RTX A6000" names several kinds."""
    kinds = [part.strip() for part in row["gpu"].split("+")]
    several = len(kinds) > 1
    result = []
    for kind in kinds:
        times, _, name = kind.partition("x ")
        count = int(times) if times.isdigit() else 1 if several else _whole(row["gpu_count"]) or 1
        result.append(
            GpuRequest(
                name=name if times.isdigit() else kind,
                count=count,
                vram_gb=None if several else _number(row["vram_gb_each"]) or None,
                pcie_gen=_whole(row["pcie_gen"]),
                pcie_lanes=_whole(row["pcie_lanes"]),
            )
        )
    return tuple(result)


def _hardware(row: Row) -> Hardware:
    gib = _number(row["ram_gb"])
    storage = StorageRequest(name=row["storage"] or None)
    cpu, type_ = row["cpu"] or None, row["ram_type"] or None
    if is_unified(row):
        return Hardware(machine=row["gpu"] or row["cpu"], cpu=cpu, ram=RamRequest(gb=gib), storage=storage)
    ram = RamRequest(type=type_, mt_s=_whole(row["ram_mts"]), channels=_whole(row["ram_channels"]), gb=gib)
    said = bool(type_ or row["ram_gb"])
    gpus = _gpus(row) if _names_gpu(row) else ()
    ram = ram if said else RamRequest()
    if ram.gb is None and regime_of(row) != "storage":  # it ran without reading from disk: it had room
        held = _number(row["model_gib"]) or 0.0
        ram = ram.model_copy(update={"gb": held + ROOM_GIB}) if held > ROOMY_GIB else ram
    return Hardware(gpus=gpus, cpu=cpu, ram=ram, storage=storage)


def _engine(row: Row, load: Workload) -> Engine:
    note, word = row["offload_note"].lower(), row["backend"].lower()
    kv_types = _KV_TYPES.findall(row["kv_type"].lower())
    n_cpu_moe, n_gpu_layers = _whole(row["n_cpu_moe"]), _whole(row["n_gpu_layers"])
    if row["engine"].lower().startswith(OLLAMA) and n_gpu_layers is None:
        n_cpu_moe = n_cpu_moe or 0
    all_on_cpu = row["n_cpu_moe"].strip().lower() == "all" or any(mark in note for mark in _ON_CPU)
    flash = row["flash_attn"].strip().lower()
    unmapped = any(mark in note for mark in ("no-mmap", "no mmap", "mmap off"))
    rocm = word.startswith(("hip", "rocwmma", "rocm"))
    settings = {
        "name": "ik_llama.cpp" if row["engine"].lower().startswith("ik_") else "llama.cpp",
        "version": row["engine_version"] or None,
        "released": row["source_date"] or None,
        "mmap": False if unmapped else True if "mmap" in note else None,
        "backend": "rocm" if rocm else next((name for name in _BACKENDS if word.startswith(name)), None),
        "n_gpu_layers": n_gpu_layers,
        "n_cpu_moe": 999 if all_on_cpu else n_cpu_moe,
        "kv_type": None if not kv_types else kv_types[0] if len(set(kv_types)) == 1 else "/".join(kv_types[:2]),
        "flash_attn": None if not flash else flash in {"1", "1.0", "on", "true", "yes"},
        "threads": _whole(row["threads"]),
        "ubatch": _whole(row["ubatch"]),
        "n_ctx": padded(load.context_depth + load.prompt_tokens + load.gen_tokens),
    }
    return Engine.model_validate(settings)


def machine_key(case: Case) -> str:
    """Resolved GPU | CPU: what one measured machine is told apart by; an imputed CPU is "unknown"."""
    gpus = " + ".join(sorted(gpu.name for gpu in case.machine.gpus)) or "none"
    if case.machine.unified:
        return gpus
    return f"{gpus} | {'unknown' if 'cpu' in case.machine.unknown else case.machine.cpu.name}"


def observe(runs: Sequence[MeasuredRun]) -> tuple[list[FitRow], list[tuple[MeasuredRun, str]]]:
    """Observations of decode and prefill, and the runs that could not be worked out with the reason."""
    found: list[FitRow] = []
    refused: list[tuple[MeasuredRun, str]] = []
    asked: list[tuple[MeasuredRun, Unplaced]] = []
    for run in runs:
        try:
            there = machine_of(run.scenario.hardware, run.scenario.engine.backend)
            asked.append((run, asked_of(run.scenario, machine=there)))  # all its cards, as they were used
        except ValueError as error:
            refused.append((run, str(error)))
    cases = cases_of([question for _, question in asked])
    for (run, _), case in zip(asked, cases, strict=True):
        if not case.runs:
            refused.append((run, "the advisor says that it cannot run there"))
            continue
        key, author = machine_key(case), author_of(run.source)
        case = replace(case, setting=case.setting._replace(rig=f"{key} @ {author}"))
        for kind, speed in (("decode", run.decode_tok_s), ("prefill", run.prefill_tok_s)):
            if speed and not (kind == "prefill" and run.scenario.workload.prompt_tokens == 0):
                found.append(FitRow(case, kind, speed, key, author=author))
    return found, refused
