"""Room that a plan leaves on its devices, filled: llama.cpp's own figures tell of more than the formulas knew.

Where experts of the last layers are in RAM, the first of these layers may have some of its experts' matrices on its
device all the same, as llama.cpp's own fit has it. Source: llama.cpp common/fit.cpp, common_layer_fraction_t, as
vendored in llama-cpp-python 0.3.36 (read 2026-11-30).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from advisor.engine.layout import Layout, Sizes
from advisor.engine.plan import Candidate, with_engine
from advisor.physics.placement import FILLED
from advisor.prediction.case import Case
from advisor.question import Scenario
from advisor.sizes.tensor import pattern_of

PARTS: Final[Mapping[str, str]] = {
    r"ffn_(gate|gate_up|down)_(ch|)exps": "the experts' up matrices",
    r"ffn_down_(ch|)exps": "the experts' up and gate matrices",
}
"""What stays in RAM of a layer's experts where the rest lies on a device, the most first; and that rest in words."""


def fuller(best: Candidate, asked: Scenario) -> Iterator[tuple[Scenario, str]]:
    """Ways with more and more on the devices than the best has, as scenarios with the part of a layer that stays in RAM
    ("": whole layers); none where the question says where layers lie.
    """
    engine, own, lies = best.case.scenario.engine, asked.engine, best.case.placement
    said_by_hand = any(number is not None for number in (own.n_gpu_layers, own.experts_in_ram, own.n_cpu_ffn))
    if said_by_hand or best.case.machine.unified:
        return
    n_layers, said = best.case.demand.footprint.n_layers, best.case.scenario
    if engine.n_cpu_moe_last:
        for number in range(lies.n_cpu_moe, -1, -1):
            here = with_engine(said, n_gpu_layers=lies.n_gpu_layers, n_cpu_moe_last=number)
            yield from [(here, "")] * (number < lies.n_cpu_moe)
            yield from [(here, part) for part in PARTS if number and lies.layer_is_moe[n_layers - number]]
    elif engine.n_cpu_ffn:
        for number in range(lies.n_cpu_moe - 1, 0, -1):
            yield with_engine(said, n_cpu_ffn=number), ""
    elif lies.strategy == "layer_split":
        for number in range(lies.n_gpu_layers + 1, n_layers + 2):
            yield with_engine(said, n_gpu_layers=number), ""


def share_on_device(sizes: Sizes, layer: int, part: str) -> float:
    """Share of the bytes of a layer's experts that is not named by the pattern of the part that stays in RAM."""
    named = re.compile(pattern_of([layer], part))
    experts = [tensor for tensor in sizes.tensors if tensor.layer == layer and tensor.group == "routed_experts"]
    stays = sum(tensor.bytes for tensor in experts if named.search(tensor.name))
    return 1 - stays / sum(tensor.bytes for tensor in experts)


def most_filled(layout: Layout, free: Mapping[str, float]) -> float:
    """What the fullest device holds, as a share of what the planner fills of it."""
    return max((
        share.total / (free[name] * FILLED) for name, share in layout.shares.items() if name != "CPU" and free.get(name)
    ), default=0.0)


def as_laid_out(case: Case, layout: Layout, free: Mapping[str, float], share: float) -> Case:
    """The case with the sizes that llama.cpp gives, and a share of the experts of one more layer on its device."""
    lies = case.placement
    devices = [name for name in free if name != "CPU"][: len(lies.vram_bytes)]
    held = tuple(layout.shares[name].total if name in layout.shares else 0.0 for name in devices)
    moved = share * float(case.demand.experts[lies.experts_to]) if share else 0.0
    left = max(0.0, lies.storage_bytes - moved)
    exact = replace(
        lies, vram_bytes=held, ram_bytes=lies.ram_bytes + lies.storage_bytes - moved - left, storage_bytes=left,
        fits=True, exceeded=most_filled(layout, free), spilled_bytes=0.0, part_on_gpu=share,
    )
    return replace(case, placement=exact)
