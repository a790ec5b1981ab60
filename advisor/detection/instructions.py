"""The instruction sets that llama.cpp's CPU kernels are written for, as far as the processor has them."""

import platform
import re
from collections.abc import Mapping
from typing import Final

from advisor.children import output_of
from advisor.detection.commands import text_of
from advisor.detection.processor import CPUINFO

NAME_OF_FLAG: Final[Mapping[str, str]] = {
    "ssse3": "SSSE3", "avx": "AVX", "avx2": "AVX2", "fma": "FMA", "f16c": "F16C", "bmi2": "BMI2",
    "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "avx512_vbmi": "AVX-512 VBMI", "avx512vbmi": "AVX-512 VBMI",
    "avx512_vnni": "AVX-512 VNNI", "avx512_bf16": "AVX-512 BF16", "avx512_fp16": "AVX-512 FP16",
    "amx_tile": "AMX", "amx_int8": "AMX INT8", "amx_bf16": "AMX BF16", "amx_fp16": "AMX FP16",
    "asimd": "NEON", "asimdhp": "FP16", "asimddp": "DOTPROD", "i8mm": "I8MM", "bf16": "BF16", "sve": "SVE",
    "sve2": "SVE2", "sme": "SME",
}  # fmt: skip
"""By the kernel's word for it: flags of x86, then features of ARM, of those that ggml has kernels for."""
NAME_OF_FEATURE: Final[Mapping[str, str]] = {
    "AdvSIMD": "NEON", "FEAT_FP16": "FP16", "FEAT_DotProd": "DOTPROD", "FEAT_I8MM": "I8MM", "FEAT_BF16": "BF16",
    "FEAT_SME": "SME",
}  # fmt: skip
"""By the word of macOS, as ggml asks for it. Source: ggml/src/ggml-cpu/ggml-cpu.c of llama.cpp (read 2026-11-28)."""


def instruction_sets() -> tuple[str, ...]:
    """Those of this computer, the plain ones first; empty where the system does not tell."""
    if platform.system() == "Darwin":
        return sets_in_sysctl(output_of("sysctl", "hw.optional"))
    return sets_in_cpuinfo(text_of(CPUINFO))


def sets_in_cpuinfo(text: str) -> tuple[str, ...]:
    """Those among the "flags" (x86) or "Features" (ARM) of /proc/cpuinfo."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    flags = frozenset(found[1].split()) if found else frozenset()
    return tuple(dict.fromkeys(name for flag, name in NAME_OF_FLAG.items() if flag in flags))


def sets_in_sysctl(text: str) -> tuple[str, ...]:
    """Those that a Mac's sysctl prints as 1."""
    there = frozenset(re.findall(r"^hw\.optional\.(?:arm\.)?(\w+): 1$", text, re.MULTILINE))
    return tuple(name for feature, name in NAME_OF_FEATURE.items() if feature in there)
