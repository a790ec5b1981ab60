"""Rows of tables: llama-bench in all its formats, llama-batched-bench, sweep-bench, LocalScore, rows of evidence."""

import re
from collections.abc import Mapping
from typing import Any, Final

from advisor.pasted.numbers import leading, whole
from advisor.pasted.runs import Found
from advisor.pasted.settings import ALL, NAMES, Told

Cells = Mapping[str, Any]
BENCH, BATCHED, SWEEP, LOCALSCORE, EVIDENCE, WIDE = (
    "llama-bench", "llama-batched-bench", "sweep-bench", "LocalScore", "evidence", "table",
)
_TEST = re.compile(
    r"(?:pp\s?(?P<pp>\d{1,7}))?\s*\+?\s*(?:tg\s?(?P<tg>\d{1,7}))?(?:\s*@\s*d\s?(?P<depth>\d{1,8}))?", re.IGNORECASE
)
_SPEED_COLUMN = re.compile(
    r"(?P<kind>pp|tg)\s?(?P<count>\d{1,6})?(?:\s*@\s*d(?P<depth>\d{1,8}))?\s*(?:\(?t(?:ok)?/s\)?)?"
)
_BY_ITSELF: Final = {
    "model", "size", "params", "test", "t/s", "model_filename", "model_type", "model_size", "model_n_params",
    "build_commit", "cpu_info", "gpu_info", "test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "n_prompt",
    "n_gen", "n_depth", "samples_ns", "samples_ts", "n_batch", "b", "main_gpu", "mg", "poll", "cpu_mask", "cpu_strict",
    "cuda", "vulkan", "kompute", "metal", "sycl", "gpu_blas", "blas", "f16_kv", "opencl", "no_host", "noh", "rpc",
    "mul_mat_q", "t/s±", "fitt", "fitc", "fit_target", "fit_min_ctx", "devices", "dev", "repack", "n_gen_warmup",
    "moe_cache", "mla", "amb", "fmoe", "rtr", "low_vram", "use_direct_io", "dio", "no_op_offload", "nopo", "warmup",
    "tensor_split", "ts", "lzm", "lazy_mode", "reps", "hw", "ubergarm",
}
"""Columns that say nothing more of the run, or are read by themselves."""


def kind_of(columns: list[str]) -> str:
    """Which program's table has these columns (in lower case); empty where none is known."""
    there = set(columns)
    if "avg_ts" in there or {"test", "t/s"} <= there:
        return BENCH
    if {"pp", "tg", "n_kv", "s_tg t/s"} <= there:
        return BATCHED if "b" in there else SWEEP
    if {"test", "pp t/s", "tg t/s"} <= there:
        return LOCALSCORE
    if "decode_tok_s" in there or "prefill_tok_s" in there:
        return EVIDENCE
    speeds = [name for name in columns if (found := _SPEED_COLUMN.fullmatch(name)) and (found["count"] or "/s" in name)]
    return WIDE if speeds and {"model", "model name"} & there else ""


def read_row(kind: str, cells: Cells, line: int, told: Told) -> list[Found] | str:
    """The runs of a row of such a table, or why it is not read."""
    readers = {BENCH: _bench, BATCHED: _batched, SWEEP: _batched, LOCALSCORE: _localscore, EVIDENCE: _evidence}
    return readers.get(kind, _wide)(cells, line, told)


def _bench(cells: Cells, line: int, told: Told) -> list[Found] | str:
    """A test of llama-bench, by its fields or by the columns of its Markdown."""
    told = told.copy()
    told.label = str(cells.get("model_type") or cells.get("model") or "") or None
    if name := str(cells.get("model_filename") or ""):
        told.model = name
    speed = leading(cells.get("avg_ts", cells.get("t/s")))
    if "avg_ts" in cells or "n_prompt" in cells:
        prompt, gen, depth = (whole(cells.get(name)) or 0 for name in ("n_prompt", "n_gen", "n_depth"))
    else:
        found = _TEST.fullmatch(str(cells.get("test", "")).strip())
        if not found:
            return f"its test {str(cells.get('test', ''))[:30]!r} is not read"
        prompt, gen, depth = (int(found[name] or 0) for name in ("pp", "tg", "depth"))
    if not speed or speed <= 0:
        return "it states no speed"
    if prompt and gen:
        return "prompt and answer are measured together, which tells neither speed"
    if not (prompt or gen):
        return "it measures neither a prompt nor an answer"
    _tell(told, cells)
    if prompt:
        return [Found(line, BENCH, told, depth, prompt, prefill_tok_s=speed)]
    return [Found(line, BENCH, told, depth, gen_tokens=gen, decode_tok_s=speed)]


def _tell(told: Told, cells: Cells) -> None:
    """Take in the settings of a row; columns that nobody knows are noted."""
    unread = []
    if {"ot", "tensor_buft_overrides"} & cells.keys():
        told.overrides = ""  # the row says it itself
    for name, value in cells.items():
        said = str(value).strip()
        if name not in _BY_ITSELF and said and not told.tell(name, said):
            unread.append(f"{name} {said[:30]}")
    told.unread = (*told.unread, *unread)


def _batched(cells: Cells, line: int, told: Told) -> list[Found] | str:
    """A row of llama-batched-bench, or of sweep-bench, whose N_KV is the depth that both tests start from.

    Source: llama.cpp tools/batched-bench, ik_llama.cpp examples/sweep-bench (read 2026-11-29).
    """
    prompt, gen, depth = (whole(cells.get(name)) for name in ("pp", "tg", "n_kv"))
    prefill, decode = leading(cells.get("s_pp t/s")), leading(cells.get("s_tg t/s"))
    if prompt is None or gen is None or depth is None or not decode or decode <= 0:
        return "it states no speed"
    told = told.copy()
    users = whole(cells.get("b")) if "b" in cells else None
    if "b" not in cells:
        notes = () if told.engine.get("name") else ("sweep-bench is taken as ik_llama.cpp's",)
        told.engine.setdefault("name", "ik_llama.cpp")
        return [Found(line, SWEEP, told, depth, prompt, gen, 1, decode, prefill or None, notes)]
    if not users or users > 1024:
        return "its number of sequences is not read"
    found = [Found(line, BATCHED, told, prompt, 0, gen, users, decode / users)]
    return [*found, Found(line, BATCHED, told, 0, prompt, users=users, prefill_tok_s=prefill)] if prefill else found


def _localscore(cells: Cells, line: int, told: Told) -> list[Found] | str:
    """A finished test of LocalScore, whose answer follows the prompt."""
    done, _, all_runs = str(cells.get("run number", "")).partition("/")
    test = _TEST.fullmatch(str(cells["test"]).strip())
    prefill, decode = leading(cells.get("pp t/s")), leading(cells.get("tg t/s"))
    if done.strip() != all_runs.strip():
        return "the test is not finished"
    if not test or not (prefill or decode):
        return "it states no speed"
    prompt, gen = int(test["pp"] or 0), int(test["tg"] or 0)
    told = told.copy()
    found = [Found(line, LOCALSCORE, told, prompt, 0, gen, decode_tok_s=decode)] if decode else []
    return [*found, Found(line, LOCALSCORE, told, 0, prompt, prefill_tok_s=prefill)] if prefill else found


def _evidence(cells: Cells, line: int, told: Told) -> list[Found] | str:
    """A row of calibration/evidence: its hardware is not read here, since the runs are of one machine."""
    told = told.copy()
    told.model = str(cells.get("model") or "") or told.model
    told.quant = str(cells.get("quant") or "") or told.quant
    for name in ("engine", "backend", "n_gpu_layers", "n_cpu_moe", "kv_type", "flash_attn", "threads", "ubatch"):
        if said := str(cells.get(name) or "").strip():
            told.tell(name, said)
    if re.search(r"exps=cpu|--cpu-moe|-cmoe", str(cells.get("offload_note", "")).lower()):
        told.engine["n_cpu_moe"] = ALL
    decode, prefill = leading(cells.get("decode_tok_s")), leading(cells.get("prefill_tok_s"))
    prompt, gen = whole(cells.get("prompt_tokens")), whole(cells.get("gen_tokens"))
    if not (decode or prefill):
        return "it states no speed"
    return [
        Found(
            line, EVIDENCE, told, whole(cells.get("context_depth")) or 0, 512 if prompt is None else prompt, gen or 128,
            decode_tok_s=decode, prefill_tok_s=prefill,
        )
    ]


def _wide(cells: Cells, line: int, told: Told) -> list[Found] | str:
    """A row of a table that people made, with a column for each test ("pp512", "tg128 @ d4096")."""
    told, found = told.copy(), []
    told.model = str(cells.get("model") or cells.get("model name") or "") or told.model
    told.quant = str(cells.get("quant") or cells.get("quantization") or "") or told.quant
    tests = {name: test for name in cells if (test := _SPEED_COLUMN.fullmatch(name))}
    plain = {name: value for name, value in cells.items() if name not in tests and name not in {"model", "quant"}}
    _tell(told, {name: value for name, value in plain.items() if name in NAMES or name not in _BY_ITSELF})
    for name, test in tests.items():
        speed, depth = leading(cells[name]), int(test["depth"] or 0)
        if not speed or speed <= 0:
            continue
        if test["kind"] == "pp":
            found.append(Found(line, WIDE, told, depth, int(test["count"] or 512), prefill_tok_s=speed))
        else:
            found.append(Found(line, WIDE, told, depth, 0, int(test["count"] or 128), decode_tok_s=speed))
    return found or "it states no speed"
