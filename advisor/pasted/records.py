"""JSON and SQL: llama-bench's records, answers of servers, this program's own benchmark, measured runs as such."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from advisor.pasted.numbers import leading, whole
from advisor.pasted.runs import Found
from advisor.pasted.settings import Told
from advisor.pasted.tables import BATCHED, BENCH, EVIDENCE, read_row

SERVER, OLLAMA, STUDIO, OWN = "llama-server", "Ollama", "LM Studio", "advisor engine bench"
MOST_FAILURES: Final = 50
"""Beginnings of JSON that end in nothing, until no more is looked for."""
MOST_DEPTH: Final = 6
_INSERT = re.compile(r"INSERT INTO \w{1,40} \((?P<names>[\w, ]{1,3000})\) VALUES \((?P<values>.*)\);?\s*$")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")


def values_in(text: str, start: int, failures: int = 0) -> tuple[Any, int] | None:
    """The JSON value that begins at a place of a text, and where it ends; None where none does."""
    if failures >= MOST_FAILURES:
        return None
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return value, end


def objects_in(value: Any, depth: int = 0, name: str = "") -> Iterator[Mapping[str, Any]]:
    """The objects in a JSON value that state speeds; inner ones are told the model of the outer."""
    if depth > MOST_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from objects_in(item, depth + 1, name)
    elif isinstance(value, dict):
        if _reader_of(value):
            yield value if "model" in value or not name else {"model": name, **value}
            return
        outer = value.get("model")
        for item in value.values():
            if isinstance(item, dict | list):
                yield from objects_in(item, depth + 1, outer if isinstance(outer, str) else name)


def read_object(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    """The runs that an object states, or why it is not read."""
    reader = _reader_of(value)
    return reader(value, line, told.copy()) if reader else "this JSON states no run"


def sql_row(text: str) -> dict[str, str] | None:
    """The fields of one of llama-bench's INSERT statements; None for another line, or one that is cut."""
    found = _INSERT.match(text.strip())
    if not found:
        return None
    names = [name.strip() for name in found["names"].split(",")]
    values = [value.replace("''", "'") for value in _QUOTED.findall(found["values"])]
    return dict(zip(names, values, strict=True)) if len(names) == len(values) else None


def _reader_of(value: Mapping[str, Any]) -> Any:
    """Which of the readers below an object is for."""
    has = value.__contains__
    for there, reader in (
        (has("avg_ts") and has("n_gen"), _bench),
        (isinstance(value.get("timings"), dict), _server),
        (has("predicted_per_second") or has("prompt_per_second"), _timings),
        (has("eval_count") or has("prompt_eval_count"), _ollama),
        (isinstance(value.get("stats"), dict) and _studio_speed(value["stats"]) is not None, _studio),
        (has("speed_tg") and has("pp"), _batched),
        (has("prompt_tps") and has("gen_tps"), _localscore),
        (has("file_bytes") and (has("decode_tok_s") or has("prefill_tok_s")), _own),
        (has("decode_tok_s") or has("prefill_tok_s"), _run),
    ):
        if there:
            return reader
    return None


def _bench(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    cells = {name: ("1" if item else "0") if isinstance(item, bool) else item for name, item in value.items()}
    return read_row(BENCH, {name: item for name, item in cells.items() if not isinstance(item, list)}, line, told)


def _server(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    """An answer of llama-server: the model of the request, and `timings`."""
    if isinstance(value.get("model"), str) and not told.model:
        told.model = value["model"]
    return _timings(value["timings"], line, told)


def _timings(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    """llama-server's timings; `cache_n` tokens were already there. Source: llama.cpp tools/server (read 2026-11-29)."""
    prompt, gen, cached = (whole(value.get(name)) or 0 for name in ("prompt_n", "predicted_n", "cache_n"))
    if whole(value.get("draft_n")):
        return "it was written with a draft"
    return _after_prompt(
        SERVER, line, told, prompt, gen, leading(value.get("prompt_per_second")),
        leading(value.get("predicted_per_second")), cached,
    )


def _after_prompt(
    program: str, line: int, told: Told, prompt: int, gen: int, prefill: float | None, decode: float | None,
    cached: int = 0,
) -> list[Found] | str:
    """A prompt that was read after `cached` tokens, and the answer after it."""
    found = [Found(line, program, told, cached, prompt, prefill_tok_s=prefill)] if prefill and prompt else []
    if decode and gen:
        found.append(Found(line, program, told, cached + prompt, 0, gen, decode_tok_s=decode))
    return found or "it states no speed"


def _ollama(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    """An answer of Ollama, with durations in ns."""
    told.program = "ollama"
    told.model = value["model"] if isinstance(value.get("model"), str) else told.model
    prompt, gen = (whole(value.get(name)) or 0 for name in ("prompt_eval_count", "eval_count"))
    spent = [leading(value.get(name)) for name in ("prompt_eval_duration", "eval_duration")]
    prefill, decode = (
        count / (ns * 1e-9) if ns and ns > 0 else None for count, ns in zip((prompt, gen), spent, strict=True)
    )
    return _after_prompt(OLLAMA, line, told, prompt, gen, prefill, decode)


def _studio_speed(stats: Mapping[str, Any]) -> float | None:
    return leading(stats.get("tokens_per_second", stats.get("tokensPerSecond")))


def _studio(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    """An answer of LM Studio's own interface."""
    stats, usage, info = (
        item if isinstance(item, dict) else {} for item in (value["stats"], value.get("usage"), value.get("model_info"))
    )
    told.model = value["model"] if isinstance(value.get("model"), str) else told.model
    told.quant = info["quant"] if isinstance(info.get("quant"), str) else told.quant
    if info.get("format") not in (None, "gguf"):
        return f"its format {str(info['format'])[:20]!r} is another engine's"
    prompt = whole(usage.get("prompt_tokens", stats.get("promptTokensCount"))) or 0
    gen = whole(usage.get("completion_tokens", stats.get("predictedTokensCount"))) or 128
    return _after_prompt(STUDIO, line, told, prompt, gen, None, _studio_speed(stats))


def _batched(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    for name in ("n_gpu_layers", "flash_attn", "n_threads", "n_ubatch"):
        if name in value:
            told.tell(name, int(value[name]) if isinstance(value[name], bool) else value[name])
    cells = {
        "pp": value["pp"], "tg": value.get("tg"), "b": value.get("pl", 1), "n_kv": value.get("n_kv", 0),
        "s_pp t/s": value.get("speed_pp"), "s_tg t/s": value["speed_tg"],
    }
    return read_row(BATCHED, cells, line, told)


def _localscore(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    prompt, gen = (whole(value.get(name)) or 0 for name in ("n_prompt", "n_gen"))
    name = value.get("model_name", value.get("model"))
    told.model = name if isinstance(name, str) else told.model
    return _after_prompt(
        "LocalScore", line, told, prompt, gen, leading(value["prompt_tps"]), leading(value["gen_tps"])
    )


def _own(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    """What `advisor engine bench` prints: each speed with its tokens and depth."""
    told.model, told.quant = (
        value[name] if isinstance(value.get(name), str) else None for name in ("model", "quant")
    )
    settings = value.get("settings")
    for name, item in (settings if isinstance(settings, dict) else {}).items():
        if isinstance(item, int | str) and name in {"n_gpu_layers", "n_cpu_moe", "ubatch", "flash_attn", "threads"}:
            told.tell(name, int(item) if isinstance(item, bool) else item)
    found = []
    for kind in ("prefill", "decode"):
        speed = value.get(f"{kind}_tok_s")
        if not isinstance(speed, dict) or not (rate := leading(speed.get("median"))):
            continue
        tokens, depth = whole(speed.get("tokens")) or 0, whole(speed.get("depth")) or 0
        if kind == "prefill":
            found.append(Found(line, OWN, told, depth, tokens, prefill_tok_s=rate))
        else:
            found.append(Found(line, OWN, told, depth, 0, tokens, decode_tok_s=rate))
    return found or "it states no speed"


def _run(value: Mapping[str, Any], line: int, told: Told) -> list[Found] | str:
    """A run as the API's `measured` has it, or a row of evidence."""
    engine, work = (
        item if isinstance(item, dict) else {} for item in (value.get("engine"), value.get("workload"))
    )
    cells = {**value, **work, **engine, "engine": engine.get("name") if engine else value.get("engine")}
    if isinstance(value.get("model"), dict):
        return "its model is no name"
    flags = {name: ("1" if item else "0") if isinstance(item, bool) else item for name, item in cells.items()}
    if "mmap" in flags:
        told.tell("mmap", flags["mmap"])
    rows = read_row(EVIDENCE, {name: item for name, item in flags.items() if item is not None}, line, told)
    if isinstance(rows, str) or not work:
        return rows
    whole_run = rows[0]
    after = whole(work.get("decode_depth"))
    start = whole_run.context_depth + whole_run.prompt_tokens if after is None else after
    reading = replace(whole_run, decode_tok_s=None)
    writing = replace(whole_run, context_depth=start, prompt_tokens=0, prefill_tok_s=None)
    return [item for item in (reading, writing) if item.prefill_tok_s or item.decode_tok_s]
