"""The speed formulas of three other advisors, on the same catalog facts as ours.

Each is a pure function of named numbers; `BASELINES` says on which placements a formula has an answer at all. None of
them predicts prefill, and none says anything of models larger than RAM.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from advisor.prediction.case import Case
from catalog.units import GB, GIB

LLMFIT_EFFICIENCY = 0.55
LLMFIT_EXPERTS = 0.8
LLMFIT_SPILLED = 0.5
LLMFIT_BYTES_PER_PARAMETER = {"F16": 2.0, "BF16": 2.0, "Q8": 1.0, "Q6": 0.75, "Q5": 0.625, "Q4": 0.5, "Q3": 0.375,
                              "Q2": 0.25, "MXFP4": 0.53, "TQ": 0.40}
LLMFIT_OTHER_BYTES = 0.5
LLMFIT_CPU_CONSTANT = 70.0
LLMFIT_MANY_CORES = (8, 1.1)
LLMFIT_CPU_QUANT = {"F16": 0.6, "BF16": 0.6, "Q8": 0.8, "Q6": 0.95, "Q5": 1.0, "Q4": 1.15, "Q3": 1.25, "Q2": 1.35}
"""Source: github.com/AlexsJones/llmfit, llmfit-core/src/fit.rs `estimate_tps` and src/models.rs
`quant_bytes_per_param`, `quant_speed_multiplier` (read 2026-11-24); expert offload as of version 1.1.17.
"""

WHICHLLM_EFFICIENCY = {
    "F32": 0.30, "F16": 0.40, "BF16": 0.40, "Q8_0": 0.45, "Q6_K": 0.50, "Q5_K_M": 0.52, "Q5_K_S": 0.52, "Q5_0": 0.50,
    "Q4_K_M": 0.55, "Q4_K_S": 0.55, "Q4_0": 0.53, "Q3_K_M": 0.50, "Q3_K_S": 0.48, "Q3_K_L": 0.50, "Q2_K": 0.45,
    "IQ4_XS": 0.52, "IQ4_NL": 0.50, "IQ3_S": 0.45, "IQ3_M": 0.45, "IQ3_XS": 0.45, "IQ3_XXS": 0.42, "IQ2_S": 0.40,
    "IQ2_M": 0.40, "IQ2_XXS": 0.38, "IQ1_M": 0.35, "IQ1_S": 0.35, "TQ2_0": 0.35, "TQ1_0": 0.32,
}
WHICHLLM_OTHER_QUANT = 0.45
WHICHLLM_MAKER = {"nvidia": 1.0, "amd": 0.78, "apple": 0.82, "intel": 0.65}
WHICHLLM_OTHER_MAKER = 0.7
WHICHLLM_PARTIAL = 0.45
WHICHLLM_SEVERAL = 0.70
"""Source: github.com/Andyyyy64/whichllm, src/whichllm/engine/performance.py (read 2026-11-24)."""

CANIRUN_EFFICIENCY = 0.70
CANIRUN_APPLE = 0.65
CANIRUN_OFFLOADED = 0.85
CANIRUN_RAM_GB_S = 50.0
CANIRUN_SMALLEST = 0.5
"""Source: github.com/midudev/canirun.ai, packages/compatibility/src/index.ts `estimateTokensPerSecond` (read
2026-11-24). Its rounding to whole tok/s is left out, in its favour.
"""


def llmfit_gpu(bandwidth_gb_s: float, active_b: float, bytes_per_parameter: float, spilled: bool = False) -> float:
    """By llmfit with a model on the GPU, in tok/s; `active_b`: active parameters in billions.

    >>> round(llmfit_gpu(936, 8, 0.5), 1)  # 936 / 4 x 0.55
    128.7
    """
    full = bandwidth_gb_s / (active_b * bytes_per_parameter) * LLMFIT_EFFICIENCY
    return full * LLMFIT_SPILLED if spilled else full


def llmfit_experts(ram_gb_s: float, bandwidth_gb_s: float, active_b: float, bytes_per_parameter: float) -> float:
    """By llmfit with experts in RAM: all active bytes are charged to both memories.

    >>> round(llmfit_experts(50, 360, 3, 0.5), 2)  # 0.8 / (1.5 / 50 + 1.5 / 198)
    21.29
    """
    active_gb = active_b * bytes_per_parameter
    return LLMFIT_EXPERTS / (active_gb / ram_gb_s + active_gb / (LLMFIT_EFFICIENCY * bandwidth_gb_s))


def llmfit_cpu(active_b: float, quant_factor: float, cores: int) -> float:
    """By llmfit on the CPU alone: no memory speed enters.

    >>> round(llmfit_cpu(7, 1.15, 4), 1)  # 70 / 7 x 1.15
    11.5
    """
    many, factor = LLMFIT_MANY_CORES
    return LLMFIT_CPU_CONSTANT / active_b * quant_factor * (factor if cores >= many else 1.0)


def whichllm_read_share(active_share: float, bandwidth_gb_s: float) -> float:
    """Share of a MoE's file that whichllm takes as read per token.

    >>> whichllm_read_share(0.08, 256), whichllm_read_share(0.08, 1024), whichllm_read_share(0.08, 4096)
    (0.08, 0.2, 0.25)
    """
    return min(1.0, max(active_share, min(0.25, 0.05 * max(1.0, bandwidth_gb_s / 256))))


def whichllm_gpu(bandwidth_gb_s: float, read_gb: float, efficiency: float, partial: bool = False) -> float:
    """By whichllm with a GPU; `efficiency`: quant times maker.

    >>> round(whichllm_gpu(936, 4.9, 0.55), 1)  # 936 / 4.9 x 0.55
    105.1
    """
    full = bandwidth_gb_s / read_gb * efficiency
    return full * WHICHLLM_PARTIAL if partial else full


def whichllm_cpu(active_b: float, efficiency: float) -> float:
    """By whichllm on the CPU alone.

    >>> round(whichllm_cpu(8, 0.55), 2)  # 18 / 8 x 0.55 / 0.45
    2.75
    """
    return max(0.3, 18.0 / max(active_b, 0.5) * efficiency / WHICHLLM_OTHER_QUANT)


def canirun(bandwidth_gb_s: float, vram_gb: float, size_gb: float, active_share: float, apple: bool = False) -> float:
    """By canirun.ai; memory beyond VRAM is read at a constant 50 GB/s.

    >>> round(canirun(360, 12, 6, 1.0), 1)  # 360 / 6 x 0.70
    42.0
    >>> round(canirun(360, 12, 20, 0.1), 2)  # 1 / (0.6 / 360 + 0.4 / 50) / 2 x 0.70 x 0.85
    30.78
    """
    read_gb = size_gb if active_share >= 1 else max(CANIRUN_SMALLEST, size_gb * active_share)
    held = 1.0 if apple else min(1.0, vram_gb / size_gb)
    efficiency = CANIRUN_APPLE if apple else CANIRUN_EFFICIENCY
    effective = 1 / (held / bandwidth_gb_s + (1 - held) / CANIRUN_RAM_GB_S)
    return effective / read_gb * efficiency * (CANIRUN_OFFLOADED if held < 1 else 1.0)


def _size_of(quant: str) -> str:
    """What llmfit's tables go by: the bits of a K or legacy quant, else the name."""
    found = re.match(r"(?:UD-)?(Q\d)", quant)
    return found[1] if found else "TQ" if quant.startswith("TQ") else quant


def _llmfit(case: Case) -> float | None:
    active_b, size = case.demand.footprint.parameters_active / 1e9, _size_of(case.quant.name)
    if case.regime == "cpu_only":
        return llmfit_cpu(active_b, LLMFIT_CPU_QUANT.get(size, 1.0), case.machine.cpu.cores)
    weight = LLMFIT_BYTES_PER_PARAMETER.get(size, LLMFIT_OTHER_BYTES)
    slowest_gb_s = min(gpu.bandwidth_gb_s for gpu in case.machine.gpus)
    if case.regime == "expert_offload":
        return llmfit_experts(case.machine.ram.bandwidth_gb_s, slowest_gb_s, active_b, weight)
    return llmfit_gpu(slowest_gb_s, active_b, weight, spilled=case.regime == "layer_split")


def _active_share(case: Case) -> float:
    print_ = case.demand.footprint
    return min(1.0, print_.parameters_active / print_.parameters) if print_.n_experts else 1.0


def _whichllm(case: Case) -> float | None:
    print_ = case.demand.footprint
    efficiency = WHICHLLM_EFFICIENCY.get(case.quant.name, WHICHLLM_OTHER_QUANT)
    if case.regime == "cpu_only":
        return whichllm_cpu(print_.parameters_active / 1e9, efficiency)
    partial = case.regime in {"expert_offload", "layer_split"}
    speeds = []
    for gpu in case.machine.gpus:
        share = whichllm_read_share(_active_share(case), gpu.bandwidth_gb_s) if print_.n_experts else 1.0
        maker = WHICHLLM_MAKER.get(gpu.maker.lower(), WHICHLLM_OTHER_MAKER)
        speeds.append(whichllm_gpu(gpu.bandwidth_gb_s, print_.file_bytes / GB * share, efficiency * maker, partial))
    return min(speeds) * (len(speeds) * WHICHLLM_SEVERAL if len(speeds) > 1 else 1.0)


def _canirun(case: Case) -> float | None:
    if len(case.machine.gpus) != 1:
        return None
    gpu = case.machine.gpus[0]
    apple = gpu.maker.lower() == "apple"
    size_gb = case.demand.footprint.file_bytes / GIB
    return canirun(gpu.bandwidth_gb_s, gpu.vram_bytes / GIB, size_gb, _active_share(case), apple)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Another advisor's decode formula and where it applies."""

    name: str
    source: str
    where: str
    tok_s: Callable[[Case], float | None]
    regimes: frozenset[str]

    def predicted(self, case: Case) -> float | None:
        """Its decode speed, or None where the formula has no answer."""
        return self.tok_s(case) if case.regime in self.regimes else None


_ON_GPU = frozenset({"full_gpu", "unified", "expert_offload", "layer_split"})
BASELINES = (
    Baseline("llmfit", "https://github.com/AlexsJones/llmfit", "not for models larger than RAM",
             _llmfit, _ON_GPU | {"multi_gpu", "cpu_only"}),
    Baseline("whichllm", "https://github.com/Andyyyy64/whichllm", "not for models larger than RAM",
             _whichllm, _ON_GPU | {"multi_gpu", "cpu_only"}),
    Baseline("canirun.ai", "https://github.com/midudev/canirun.ai", "one GPU; not for the CPU alone nor for models "
             "larger than RAM", _canirun, _ON_GPU),
)
