"""A plan as text and as JSON: where bytes lie, predicted speeds, and the settings for three programs."""

import shlex
from collections.abc import Callable, Iterator
from typing import Any

from advisor.answer import REGIMES, Prediction
from advisor.documents import (
    Block,
    Code,
    Document,
    Labelled,
    Paragraph,
    Points,
    Section,
    Table,
    TableColumn,
    as_text,
    bar,
    seconds,
)
from advisor.engine.layout import CPU
from advisor.engine.plan import Plan, used_devices
from advisor.engine.settings import GGML_TYPES, SPLIT_MODES, EngineSettings
from advisor.prediction.report import own_profile, speed_range
from catalog.units import GIB

WIDTH = 80
LOAD_MODES = {"direct-io": "dio"}
"""Where llama.cpp's command line has another name. Source: common/arg.cpp --load-mode (read 2026-11-25)."""
PARTS = ("weights", "kv", "state", "compute", "output")


def report(plan: Plan, file: str, emphasis: Callable[[str], str] = str) -> str:
    """The whole plan in lines of 80 columns; `file` is what commands call the model's file."""
    case, guess = plan.candidate.case, plan.candidate.prediction
    title = f"{case.llm.name} {case.quant.name} on {case.machine.name}, {plan.settings.n_ctx:,} tokens of context"
    points = [*plan.reasons, *(item.message for item in guess.warnings), *guess.assumptions]
    found = Document("" if plan.speeds_known else title, [
        Section(title, [Labelled([*_speeds(guess)] if plan.speeds_known else [])]),
        Section("Where it lies (GiB)", _memory(plan)),
        Section("Mind", [Points(points)]),
        *(Section(name, [Code(text)]) for name, text in commands(plan, file).items()),
    ])
    return as_text(found, WIDTH, emphasis)


def _speeds(guess: Prediction) -> Iterator[tuple[str, str]]:
    if guess.decode_tok_s:
        yield "Writing", speed_range(guess.decode_tok_s)
    if guess.prefill_tok_s:
        prompt = f"a prompt of {guess.scenario.workload.prompt_tokens:,} tokens"
        yield "Reading", f"{speed_range(guess.prefill_tok_s)}, {prompt}"
    if guess.load_time_s is not None:
        yield "Start", f"{seconds(guess.load_time_s)} to read the model from a cold disk"
    yield "", f"In brackets: where 9 of 10 real runs should fall{own_profile(guess)}."


def _memory(plan: Plan) -> list[Block]:
    """How it is placed, and what lies on each device."""
    layers = plan.candidate.case.demand.footprint.n_layers
    how = REGIMES[plan.candidate.case.placement.strategy].sentence.format(
        gpu_layers=plan.settings.n_gpu_layers, layers=layers, moe=min(plan.candidate.case.placement.n_cpu_moe, layers)
    )
    titles = {"weights": 9, "context": 9, "states": 8, "buffers": 9, "all": 9, "free": 9}
    places = [TableColumn(title, width, right=True) for title, width in titles.items()]
    rows = []
    for name, total, free in used_devices(plan):
        share = plan.layout.shares[name]
        sizes = (share.weights, share.kv, share.state, share.compute + share.output, total, *([free] if free else []))
        cells = [f"{size / GIB:.2f}" for size in sizes]
        full = bar(total / free)[::2] if free else ""
        rows.append(["RAM" if name == CPU else name, *cells, *([] if free else [""]), full])
    return [Paragraph(how), Table([TableColumn(width=10), *places, TableColumn()], rows)]


def commands(plan: Plan, file: str) -> dict[str, str]:
    """The settings as llama-server, llama-bench and llama-cpp-python take them."""
    settings, load = plan.settings, plan.candidate.case.scenario.workload
    shared = shlex.join(["-m", file, *_shared(settings)])
    both = settings.threads_batch not in (None, settings.threads)
    server = f"llama-server {shared} -c {settings.n_ctx}{f' -tb {settings.threads_batch}' if both else ''}"
    server += "" if settings.extra_buffers else " --no-repack"
    shared += "" if settings.extra_buffers else " --repack 0"
    bench = f"llama-bench {shared} -p {load.prompt_tokens} -n {load.gen_tokens} -d {load.context_depth}"
    return {"llama-server": server, "llama-bench": bench, "llama-cpp-python": python_call(settings, file)}


def _shared(settings: EngineSettings) -> Iterator[str]:
    """Options that llama-server and llama-bench have in common."""
    yield from ("-ngl", str(settings.n_gpu_layers))
    if settings.n_cpu_moe:
        yield from ("-ncmoe", str(settings.n_cpu_moe))
    for override in settings.overrides:
        yield from ("-ot", f"{override.pattern}={override.device}")
    if (settings.kv_type_k, settings.kv_type_v) != ("f16", "f16"):
        yield from ("-ctk", settings.kv_type_k, "-ctv", settings.kv_type_v)
    if settings.split_mode != "layer":
        yield from ("-sm", settings.split_mode)
    if settings.tensor_split:
        yield from ("-ts", "/".join(f"{share:g}" for share in settings.tensor_split))
    if settings.rpc:
        yield from ("--rpc", ",".join(settings.rpc))
    yield from ("-b", str(settings.n_batch), "-ub", str(settings.n_ubatch), "-t", str(settings.threads))
    yield from ("-fa", {None: "auto", True: "on", False: "off"}[settings.flash_attn])
    yield from ("-lm", LOAD_MODES.get(settings.load_mode, settings.load_mode))


def python_call(settings: EngineSettings, file: str) -> str:
    """The settings as the class `Llama` of llama-cpp-python takes them; it has none for experts kept in RAM."""
    values = {
        "model_path": file, "n_ctx": settings.n_ctx, "n_batch": settings.n_batch, "n_ubatch": settings.n_ubatch,
        "n_threads": settings.threads, "n_threads_batch": settings.threads_batch or settings.threads,
        "n_gpu_layers": settings.n_gpu_layers, "use_mmap": settings.mapped,
        "flash_attn": settings.flash_attn is not False,
    }
    if (settings.kv_type_k, settings.kv_type_v) != ("f16", "f16"):
        values |= {"type_k": GGML_TYPES[settings.kv_type_k], "type_v": GGML_TYPES[settings.kv_type_v]}
    if settings.split_mode != "layer":
        values["split_mode"] = SPLIT_MODES[settings.split_mode]
    if settings.tensor_split:
        values["tensor_split"] = list(settings.tensor_split)
    lines = ["llama_cpp.Llama(", *(f"    {name}={value!r}," for name, value in values.items()), ")"]
    if settings.n_cpu_moe:
        lines.append("# Llama() cannot keep experts in RAM: `advisor run` can, as can the low-level API")
    if settings.overrides:
        kept = "experts" if any("exps" in item.pattern for item in settings.overrides) else "feed-forward weights"
        lines.append(f"# Llama() cannot keep {kept} in RAM: `advisor run` can, as can the low-level API")
    if not settings.extra_buffers:
        lines.append("# Llama() repacks weights in RAM all the same: `advisor run` does not")
    return "\n".join(lines)


def as_data(plan: Plan, file: str) -> dict[str, Any]:
    """The plan for other programs; sizes in bytes."""
    told = commands(plan, file)
    guess = plan.candidate.prediction.model_dump(mode="json")
    guess["flags"] = {name: told[name] for name in guess["flags"]}
    if not plan.speeds_known:
        guess |= dict.fromkeys(("decode_tok_s", "prefill_tok_s", "time_to_first_token_s", "bottleneck"))
    devices = {
        name: {
            **dict(zip(PARTS, plan.layout.shares[name], strict=True)), "total": total, "free": free,
        }
        for name, total, free in used_devices(plan)
    }
    return {
        "settings": plan.settings.model_dump(mode="json"),
        "devices": devices,
        "layers": list(plan.layout.layer_devices),
        "prediction": guess,
        "reasons": list(plan.reasons),
        "flags": told,
    }
