"""A prediction as text for the terminal: first what a buyer asks, then why, then what to type. 80 columns, ASCII."""

from collections.abc import Callable, Iterator
from textwrap import wrap

from advisor.answer import Prediction, Range
from advisor.documents import bar, number, seconds
from advisor.prediction.capacity import Capacity
from advisor.prediction.case import Case
from catalog.units import GIB

WIDTH = 80
LABEL = 14
SHOWN_SHARE = 0.005
"""Stages that take less of a token's time are not listed."""

LIMITS = {
    "vram_bandwidth": "GPU memory bandwidth: each token reads the model's weights from GPU memory",
    "cpu_compute": "CPU compute: unpacking the weights takes longer than reading them; more or wider cores help most",
    "ram_bandwidth": "RAM bandwidth: each token reads weights from RAM; more channels or faster modules help most",
    "gpu_overhead": "fixed costs on the GPU: the model is too small to keep it busy",
    "cpu_overhead": "handing work to the CPU's threads and waiting for them",
    "pcie": "the link (PCIe) between GPU and CPU",
    "storage": "the disk: part of the model does not fit into RAM and is read again and again",
}
STAGES = {
    "gpu_weights": "GPU reads layers", "gpu_experts": "GPU reads experts", "gpu_kv": "GPU reads context",
    "gpu_launches": "GPU start-up costs", "cpu_weights": "CPU reads from RAM", "cpu_kv": "CPU reads context",
    "cpu_sync": "CPU thread waits", "link": "GPU-CPU link", "disk": "disk reads",
}  # fmt: skip
STRATEGIES = {
    "full_gpu": "all of it on the GPU",
    "multi_gpu": "all of it on the GPUs, some layers on each",
    "unified": "all of it in the memory that GPU and CPU share",
    "cpu_only": "all of it in RAM, on the CPU",
    "layer_split": "{gpu_layers} of {layers} layers on the GPU, the others in RAM",
    "expert_offload": "attention and context on the GPU; the experts of {moe} of {layers} layers in RAM, on the CPU",
}


def report(
    prediction: Prediction,
    case: Case,
    capacity: Capacity,
    whole_context_s: float | None = None,
    emphasis: Callable[[str], str] = str,
) -> str:
    """The whole report.

    `whole_context_s`: time to the first token when all of a filled context is read anew. `emphasis` marks headings,
    for a terminal that can.
    """
    title = f"{prediction.model} {prediction.quant} on {prediction.machine}"
    blocks = [[emphasis(line) for line in wrap(title, WIDTH)], [*_speeds(prediction, whole_context_s)]]
    for heading, lines in _sections(prediction, case, capacity):
        if lines:
            blocks.append([emphasis(heading), *lines])
    return "\n\n".join("\n".join(block) for block in blocks)


def _sections(prediction: Prediction, case: Case, capacity: Capacity) -> list[tuple[str, list[str]]]:
    return [
        ("Where it lies", [*_memory(prediction, case)]),
        ("One token", [*_stages(prediction)]),
        ("Room", [*_room(case, capacity)]),
        ("Mind", [line for item in prediction.warnings for line in _point(item.message)]),
        ("Assumed", [line for item in prediction.assumptions for line in _point(item)]),
        *_commands(prediction),
    ]


def _commands(prediction: Prediction) -> list[tuple[str, list[str]]]:
    """What to type; nothing where it cannot run."""
    if prediction.decode_tok_s is None:
        return []
    flags = prediction.flags
    return [("To run it", _command(flags["llama-server"])), ("To check it", _command(flags["llama-bench"]))]




def _speeds(prediction: Prediction, whole_context_s: float | None) -> Iterator[str]:
    load = prediction.scenario.workload
    if prediction.decode_tok_s is None:
        yield from _row("Does not fit", "no speed can be given; see below what would make it fit")
        return
    depth = f" at {load.context_depth:,} tokens of context" if load.context_depth else ""
    each = f" for each of {load.users} users" if load.users > 1 else ""
    yield from _row("Writing", f"{_range(prediction.decode_tok_s)}{each}{depth}")
    if prediction.prefill_tok_s is not None:
        yield from _row("Reading", f"{_range(prediction.prefill_tok_s)}, a prompt of {load.prompt_tokens:,} tokens")
    if prediction.time_to_first_token_s is not None:
        anew = f"; {seconds(whole_context_s)} when the whole context is read anew" if whole_context_s else ""
        yield from _row("First token", f"after {seconds(prediction.time_to_first_token_s)}{anew}")
    if prediction.load_time_s is not None:
        yield from _row("Start", f"{seconds(prediction.load_time_s)} to read the model from a cold disk")
    yield from _row("Limited by", LIMITS[prediction.bottleneck or "vram_bandwidth"])
    yield from _row("", f"In brackets: where 9 of 10 real runs should fall{own_profile(prediction)}.")


def own_profile(prediction: Prediction) -> str:
    """Whose numbers these are, where the machine was calibrated."""
    kind, colon, name = prediction.calibration.partition(":")
    return f", by this machine's own calibration {name!r}" if colon and kind == "profile" else ""


def _range(speed: Range) -> str:
    return f"{number(speed.p50)} tok/s ({number(speed.p05)}-{number(speed.p95)})"


def _row(label: str, text: str) -> Iterator[str]:
    lines = wrap(text, WIDTH - LABEL - 2)
    for index, line in enumerate(lines):
        yield f"  {label if index == 0 else '':<{LABEL}}{line}"


def _point(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _command(text: str) -> list[str]:
    """A command cut at its options, each line but the last ending in a backslash."""
    lines = wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return [
        f"  {'  ' * (index > 0)}{line}{' ' + chr(92) if index < len(lines) - 1 else ''}"
        for index, line in enumerate(lines)
    ]


def _memory(prediction: Prediction, case: Case) -> Iterator[str]:
    where, machine = prediction.placement, case.machine
    layers = case.demand.footprint.n_layers
    how = STRATEGIES[where.strategy].format(
        gpu_layers=where.n_gpu_layers, layers=layers, moe=min(where.n_cpu_moe, layers)
    )
    yield from (
        f"  {line}"
        for line in wrap(f"{how} (model {where.weights_gb:.1f} GiB, context {where.kv_gb:.1f} GiB)", WIDTH - 2)
    )
    if machine.unified:
        yield _gauge("shared memory", where.vram_gb, machine.gpus[0].vram_bytes / GIB)
    else:
        for index, (gpu, need) in enumerate(zip(machine.gpus, case.placement.vram_bytes, strict=True), start=1):
            yield _gauge(f"GPU {index}" if len(machine.gpus) > 1 else "GPU memory", need / GIB, gpu.vram_bytes / GIB)
        yield _gauge("RAM", where.ram_gb, machine.ram.capacity_bytes / GIB if machine.ram.capacity_bytes else None)
    if where.storage_gb > 0:
        yield _gauge("disk", where.storage_gb, None)


def _gauge(label: str, need: float, there: float | None) -> str:
    if there is None:
        return f"  {label:<{LABEL}}{need:6.1f} GiB"
    return f"  {label:<{LABEL}}{need:6.1f} of {there:6.1f} GiB  {bar(need / there)}"



def _stages(prediction: Prediction) -> Iterator[str]:
    total = sum(stage.seconds_per_token for stage in prediction.breakdown)
    for stage in sorted(prediction.breakdown, key=lambda item: -item.seconds_per_token):
        share = stage.seconds_per_token / total
        if share >= SHOWN_SHARE:
            name = STAGES.get(stage.stage, stage.stage)
            yield f"  {name:<20}{seconds(stage.seconds_per_token):>8}  {bar(share)} {share:4.0%}"


def _room(case: Case, capacity: Capacity) -> Iterator[str]:
    asked = f"{case.scenario.context_tokens:,} tokens"
    longest, replanned = capacity.longest_context, capacity.longest_context_replanned
    if longest:
        more = f", {replanned:,} with more of the model in RAM" if replanned and replanned > longest else ""
        yield from _row("Context", f"{asked} here; up to {longest:,} fit in this way{more}")
    elif replanned:
        yield from _row("Context", f"{asked} do not fit; {replanned:,} do")
    memory = "Memory" if case.machine.unified else "GPU memory"
    if capacity.vram_for_everything_gib:
        yield from _row(memory, f"{capacity.vram_for_everything_gib:.1f} GiB hold all of it")
    floor = capacity.vram_floor_gib
    if floor and floor != capacity.vram_for_everything_gib:
        yield from _row("", f"{floor:.1f} GiB are the least, with all experts in RAM")
    if capacity.ram_floor_gib:
        yield from _row(
            "RAM", f"{capacity.ram_floor_gib:.1f} GiB or more keep the disk out of it, the system's share included"
        )
