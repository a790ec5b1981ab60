"""What is said beside the numbers of a prediction: memory that is too small, and settings that do not go together.

What such mistakes cost is told by `advisor.prediction.pitfalls`, which asks the question without them.
"""

import math
from collections.abc import Iterator, Mapping

from advisor.answer import Warning
from advisor.documents import number
from advisor.physics.task import DIVIDING
from advisor.prediction.case import Case
from catalog.units import GIB

SMALLER = "smaller quant, a shorter context or more memory"
FEW_USERS = 4
"""Users from which on the gain of drafts is gone. Source: public runs of Qwen3.8-27B (August 2026)."""


def loss_of(case: Case, stages: Mapping[str, float], plain_s: float) -> Iterator[Warning]:
    """What is said of drafts that write slower than the model alone; `plain_s`: seconds of a step without."""
    now_s = sum(stages.values()) / case.tokens_per_step
    if case.draft and case.runs and 0 < plain_s < now_s:
        beside = case.demand.footprint.n_experts and case.placement.experts_on_cpu.any()
        why = ", for experts in RAM are read for each drafted token" if beside else ""
        yield Warning(code="drafting_loses", message=(
            f"drafting makes it slower here{why}: {number(1 / now_s)} instead of {number(1 / plain_s)} tok/s, "
            f"{plain_s / now_s:.2f} times the speed without; leave out speculative"
        ))


def warnings_of(case: Case) -> tuple[Warning, ...]:
    """Memory that is too small, and settings that do not go together; most serious first."""
    return tuple(Warning(code=code, message=message) for code, message in (*misfits(case), *_mismatches(case)))


def misfits(case: Case) -> Iterator[tuple[str, str]]:
    """Memory that is too small."""
    lies = case.placement
    if lies.exceeded > 1.0:
        share = f"{(lies.exceeded - 1) * 100:.0f} %"
        if case.runs:
            yield "vram_exceeded", asked_too_much(case)
        elif case.machine.unified:
            may = case.machine.main_gpu.vram_bytes / GIB
            yield "does_not_fit", (
                f"it does not fit: {share} more memory is needed than the {may:.1f} GiB that the GPU may use; take a "
                f"{SMALLER}, or say unified_gpu_gb where the GPU may use more"
            )
        else:
            yield "does_not_fit", f"it does not fit: {share} more memory is needed than there is; take a {SMALLER}"
    elif not lies.fits and case.machine.unified:
        needed = (sum(lies.vram_bytes) + lies.ram_bytes + lies.storage_bytes) / GIB
        there = (case.machine.ram.capacity_bytes or 0.0) / GIB
        yield "does_not_fit", (
            f"it does not fit: {needed:.1f} GiB beside the system fill {there:.0f} GiB to the last; take a {SMALLER}"
        )
    if lies.storage_bytes > 0 and case.runs:
        yield "ram_below_floor", from_disk(case)
        if not case.mapped:
            yield "needs_mmap", "without mmap the model must fit into RAM: allow mmap or add RAM"


def _mismatches(case: Case) -> Iterator[tuple[str, str]]:
    """Settings that do not go together."""
    if case.left_aside:
        others = " and ".join(case.left_aside)
        verb = "is" if len(case.left_aside) == 1 else "are"
        yield "device_left_aside", f"{others} {verb} left aside: with all cards it would be slower"
    if case.scenario.engine.split_mode == "graph" and case.scenario.engine.name != "ik_llama.cpp":
        yield "split_mode_elsewhere", "split mode graph is ik_llama.cpp's: llama.cpp has row and tensor"
    if case.scenario.engine.split_mode in DIVIDING and not case.divided:
        yield "split_mode_idle", "the split mode changes nothing: the model lies on one GPU"
    if case.draft and case.users >= FEW_USERS:
        yield "draft_for_many", "drafts help one user: with several at once the rows are there without them"
    asked, longest = case.context_tokens, case.llm.max_context
    if longest and asked > longest:
        yield "context_beyond_model", f"{asked} tokens exceed the {longest} that {case.llm.name} was made for"
    v_type = case.kv_types[1]
    if case.scenario.engine.flash_attn is False and v_type not in {"f16", "bf16", "f32"}:
        yield "needs_flash_attn", f"a {v_type} V cache needs flash attention: set flash_attn to true"


def from_disk(case: Case, lost: str = "") -> str:
    """What is read from disk, with what that costs where it is known."""
    missing, cycled = case.placement.storage_bytes / GIB, case.cycled_bytes / GIB
    read = f"{cycled:.1f} GiB are read from disk for every token" if cycled else "they are read from disk over and over"
    costs = f": {lost}" if lost else ""
    more = f"{math.ceil(missing)} GiB more RAM would end that"
    return f"{missing:.1f} GiB of the model find no room in RAM, so {read}{costs}; {more}"


def asked_too_much(case: Case) -> str:
    """What is said of a placement that needs more GPU memory than there is."""
    share = f"{(case.placement.exceeded - 1) * 100:.0f} %"
    return (
        f"the placement asked for needs {share} more GPU memory than there is: it may fail to load or slow down; raise "
        "n_cpu_moe or lower n_gpu_layers or the context"
    )
