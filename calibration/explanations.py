"""Why a prediction is far off, as far as its case tells: what was not said, and what lies outside the physics."""

import math
from collections.abc import Sequence

from calibration.accuracy import Comparison
from catalog.units import GIB

BESIDE_RAM = frozenset({"expert_offload", "layer_split", "cpu_only", "storage"})
OLD = {"2024": "a build of 2024 or before", "2025a": "a build of early 2025"}
LEAST_SPILL_GIB = 0.1
APART = 1.5
"""Factor between two measurements of one thing from which on they are told apart."""


def explanation(row: Comparison, others: Sequence[Comparison]) -> str:
    """Reasons found in the case, "" where nothing in it tells; `others` are all comparisons."""
    return "; ".join([*_measured_otherwise(row, others), *_unsaid(row), *_outside(row), *_rare(row, others)])


def _measured_otherwise(row: Comparison, others: Sequence[Comparison]) -> list[str]:
    """Runs of the same question on the same machine that came out quite differently: no prediction can meet both."""
    asked = _question(row)
    alike = [item.measured for item in others if item.machine == row.machine and _question(item) == asked]
    apart = [speed for speed in alike if abs(math.log(speed / row.measured)) > math.log(APART)]
    if not apart:
        return []
    low, high = (f"{pick(apart):.3g}" for pick in (min, max))
    return [f"other builds or settings gave {low if low == high else f'{low} to {high}'} tok/s for the same"]


def _question(row: Comparison) -> tuple[object, ...]:
    load = row.case.scenario.workload
    prompt = load.prompt_tokens if row.kind == "prefill" else 0
    where = row.case.regime, row.case.placement.n_cpu_moe
    return row.case.llm.name, row.case.quant.name, *where, load.context_depth, prompt


def _unsaid(row: Comparison) -> list[str]:
    case, engine = row.case, row.run.scenario.engine
    found = []
    if case.regime in BESIDE_RAM:
        found += ["the CPU is not named"] if "cpu" in case.machine.unknown else []
        found += ["the RAM's speed is not said"] if "ram_speed" in case.machine.unknown else []
        if case.machine.gpus and engine.n_gpu_layers is None and engine.n_cpu_moe is None:
            found.append("the placement is not said: the planner's is taken")
    if "vram" in case.machine.unknown:
        found.append("the card's memory size is not said")
    return found


def _outside(row: Comparison) -> list[str]:
    case, found = row.case, []
    storage_gib = case.placement.storage_bytes / GIB
    spilled_gib = case.placement.spilled_bytes / GIB
    if storage_gib > LEAST_SPILL_GIB:
        found.append(f"{storage_gib:.0f} GiB overflow into storage, whose speed depends on the disk and its cache")
    elif row.run.regime == "storage":
        found.append("the row says that it paged, by the sizes it need not")
    if spilled_gib > LEAST_SPILL_GIB and not case.machine.unified:
        found.append(f"{spilled_gib:.1f} GiB more than the cards hold: the driver spills")
    if case.machine.cpu.sockets > 1 and case.regime in BESIDE_RAM:
        found.append("several sockets: speed depends on the NUMA settings")
    if case.setting.era in OLD:
        found.append(OLD[case.setting.era])
    elif case.setting.stated == "unstated":
        found.append("the build is not named")
    return found


def _rare(row: Comparison, others: Sequence[Comparison]) -> list[str]:
    alike = {item.machine for item in others if item.architecture == row.architecture}
    if len(alike) == 1:
        return [f"no other machine with {row.architecture} was measured"]
    models = {item.machine for item in others if item.case.llm.name == row.case.llm.name}
    return ["this model was measured on no other machine"] if len(models) == 1 else []


def worst(rows: Sequence[Comparison], count: int) -> list[Comparison]:
    """The rows furthest off, one per machine and model: a sweep's rows are off alike."""
    found: dict[tuple[str, str], Comparison] = {}
    for row in sorted(rows, key=lambda item: -abs(item.log_ratio)):
        found.setdefault((row.machine, row.case.llm.name), row)
    return list(found.values())[:count]
