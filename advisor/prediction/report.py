"""A prediction as a document: first what a buyer asks, then why, then what to type. In a terminal 80 columns, ASCII."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from advisor.answer import LIMITS, REGIMES, Prediction, Range
from advisor.documents import (
    Bar,
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
    number,
    seconds,
)
from advisor.physics.stages import STAGES
from advisor.prediction.capacity import Capacity
from advisor.prediction.case import Case
from advisor.prediction.drafting import WORDS
from catalog.units import GIB

if TYPE_CHECKING:
    from advisor.prediction.serving import Served

WIDTH = 80
TOLD_DEPTH = 1024
"""Fewer tokens of context slow no model down that one would notice."""
SHOWN_SHARE = 0.005
"""Stages that take less of a token's time are not listed."""


def report(
    prediction: Prediction,
    case: Case,
    capacity: Capacity,
    whole_context_s: float | None = None,
    emphasis: Callable[[str], str] = str,
    more: Sequence[Section] = (),
) -> str:
    """The whole report as text, and `more` below it; `emphasis` marks headings, for a terminal that can."""
    found = document(prediction, case, capacity, whole_context_s)
    return as_text(Document(found.title, [*found.sections, *more]), WIDTH, emphasis)


def document(
    prediction: Prediction, case: Case, capacity: Capacity, whole_context_s: float | None = None
) -> Document:
    """The whole report. `whole_context_s`: seconds to the first token when all of a filled context is read anew."""
    flags = prediction.flags if prediction.decode_tok_s else {}  # nothing to type where it cannot run
    return Document(f"{prediction.model} {prediction.quant} on {prediction.machine}", [
        Section("", [Labelled([*_speeds(prediction, whole_context_s)])]),
        Section("Where it lies", _memory(prediction, case)),
        Section("One token", _stages(prediction)),
        Section("Room", [Labelled([*_room(case, capacity)])]),
        Section("Mind", [Points([item.message for item in prediction.warnings])]),
        Section("Assumed", [Points(prediction.assumptions)]),
        Section("To run it", [Code(flags.get("llama-server", ""))]),
        Section("To check it", [Code(flags.get("llama-bench", ""))]),
    ])


def speed_range(speed: Range) -> str:
    """The median and where 9 of 10 real runs should fall."""
    return f"{number(speed.p50)} tok/s ({number(speed.p05)}-{number(speed.p95)})"


def served_section(served: "Served") -> Section:
    """How many a machine serves: speeds of each and of all by their number."""
    columns = (
        TableColumn("at once", width=8, right=True), TableColumn("each tok/s", width=11, right=True),
        TableColumn("together tok/s", width=15, right=True), TableColumn("  where", width=34),
    )
    rows = [
        (str(row.users), number(row.each_tok_s), number(row.together_tok_s), f"  {REGIMES[row.regime].words}")
        if row.each_tok_s and row.together_tok_s
        else (str(row.users), "-", "-", "  does not fit")
        for row in served.rows
    ]
    many = f"{served.most} at once" if served.most else "nobody"
    return Section("Several at once", [
        Paragraph(f"At {number(served.least_tok_s)} tok/s or more for each it serves {many}."), Table(columns, rows),
    ])


def own_profile(prediction: Prediction) -> str:
    """Whose numbers these are, where the machine was calibrated."""
    kind, colon, name = prediction.calibration.partition(":")
    return f", by this machine's own calibration {name!r}" if colon and kind == "profile" else ""


def _speeds(prediction: Prediction, whole_context_s: float | None) -> Iterator[tuple[str, str]]:
    load = prediction.scenario.workload
    if prediction.decode_tok_s is None:
        yield "Does not fit", "no speed can be given; see below what would make it fit"
        return
    depth = f" at {load.decode_start:,} tokens of context" if load.decode_start >= TOLD_DEPTH else ""
    each = f" for each of {load.users} users" if load.users > 1 else ""
    yield "Writing", f"{speed_range(prediction.decode_tok_s)}{each}{depth}"
    if load.users > 1 and prediction.aggregate_tok_s is not None:
        yield "Together", f"{speed_range(prediction.aggregate_tok_s)}"
    if told := prediction.speculation:
        gains = f"{told.gain:.2f} times as fast" if told.gain >= 1 else f"a loss: {told.gain:.2f} times the speed"
        yield "Drafting", (
            f"{gains} with {WORDS[told.kind]}, {told.max_tokens} tokens a step of which {told.acceptance:.0%} are "
            f"accepted; {told.extra_vram_gb:.2f} GiB more GPU memory"
        )
    if prediction.prefill_tok_s is not None:
        yield "Reading", f"{speed_range(prediction.prefill_tok_s)}, a prompt of {load.prompt_tokens:,} tokens"
    if prediction.time_to_first_token_s is not None:
        anew = f"; {seconds(whole_context_s)} when the whole context is read anew" if whole_context_s else ""
        yield "First token", f"after {seconds(prediction.time_to_first_token_s)}{anew}"
    if prediction.load_time_s is not None:
        yield "Start", f"{seconds(prediction.load_time_s)} to read the model from a cold disk"
    yield "Limited by", LIMITS[prediction.bottleneck or "vram_bandwidth"].sentence
    yield "", f"In brackets: where 9 of 10 real runs should fall{own_profile(prediction)}."


def _memory(prediction: Prediction, case: Case) -> list[Block]:
    """How it is placed, and how full each memory gets."""
    where, machine = prediction.placement, case.machine
    layers = case.demand.footprint.n_layers
    how = REGIMES[where.strategy].sentence.format(
        gpu_layers=where.n_gpu_layers, layers=layers, moe=min(where.n_cpu_moe or where.n_cpu_moe_last, layers)
    )
    gauges: list[tuple[str, float, float | None]] = []
    if machine.unified:
        gauges.append(("shared memory", where.vram_gb, machine.gpus[0].vram_bytes / GIB))
        if where.strategy != "unified":
            gauges.append(("beside it", where.ram_gb, None))
    else:
        for place, (gpu, need) in enumerate(zip(machine.gpus, case.placement.vram_bytes, strict=True), start=1):
            label = f"GPU {place}" if len(machine.gpus) > 1 else "GPU memory"
            gauges.append((label, need / GIB, gpu.vram_bytes / GIB))
        gauges.append(("RAM", where.ram_gb, machine.ram.capacity_bytes / GIB))
    if where.storage_gb > 0:
        gauges.append(("disk", where.storage_gb, None))
    rows = [
        (label, f"{need:6.1f} GiB", None) if there is None
        else (label, f"{need:6.1f} of {there:6.1f} GiB", Bar(need / there)) for label, need, there in gauges
    ]
    columns = TableColumn(width=14), TableColumn(width=20), TableColumn(width=26, right=True)
    text = f"{how} (model {where.weights_gb:.1f} GiB, context {where.kv_gb:.1f} GiB)"
    return [Paragraph(text), Table(columns, rows, head=False)]


def _stages(prediction: Prediction) -> list[Block]:
    """What the time of a token is spent on, the longest first."""
    total = sum(stage.seconds_per_token for stage in prediction.breakdown)
    rows = [
        (STAGES[stage.stage].words, seconds(stage.seconds_per_token), Bar(share), f"{share:.0%}")
        for stage in sorted(prediction.breakdown, key=lambda item: -item.seconds_per_token)
        if (share := stage.seconds_per_token / total) >= SHOWN_SHARE
    ]
    columns = TableColumn(width=20), *(TableColumn(width=width, right=True) for width in (8, 26, 5))
    return [Table(columns, rows, head=False)] if rows else []


def _room(case: Case, capacity: Capacity) -> Iterator[tuple[str, str]]:
    asked = f"{case.context_tokens:,} tokens"
    longest, replanned = capacity.longest_context, capacity.longest_context_replanned
    if longest:
        more = f", {replanned:,} with more of the model in RAM" if replanned and replanned > longest else ""
        yield "Context", f"{asked} here; up to {longest:,} fit in this way{more}"
    elif replanned:
        yield "Context", f"{asked} do not fit; {replanned:,} do"
    if capacity.vram_for_everything_gib:
        memory = "Memory" if case.machine.unified else "GPU memory"
        yield memory, f"{capacity.vram_for_everything_gib:.1f} GiB hold all of it"
    floor = capacity.vram_floor_gib
    if floor and floor != capacity.vram_for_everything_gib:
        yield "", f"{floor:.1f} GiB are the least, with all experts in RAM"
    if capacity.ram_floor_gib:
        yield "RAM", f"{capacity.ram_floor_gib:.1f} GiB or more keep the disk out of it, the system's share included"
