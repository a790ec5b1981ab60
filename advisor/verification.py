"""The command that shows one build by itself, with the same numbers."""

import shlex
from collections.abc import Iterator

from advisor.builds import Build
from advisor.scenario import Hardware, Scenario


def predict_command(build: Build, asked: Scenario) -> str:
    """`advisor predict` for a build and the scenario it was asked."""
    words = [
        "advisor",
        "predict",
        "--model",
        str(asked.model),
        "--quant",
        str(asked.quant),
        *_hardware(build, asked.hardware),
    ]
    return shlex.join([*words, "--context", str(asked.context_tokens)])


def _hardware(build: Build, hardware: Hardware) -> Iterator[str]:
    if hardware.machine:
        yield from ("--machine", hardware.machine, "--ram", f"{hardware.ram.gb:g}GB")
    for gpu in hardware.gpus:
        yield from ("--gpu", gpu.name if gpu.count == 1 else f"{gpu.count}x {gpu.name}")
    for gpu in hardware.gpus:
        yield from ("--pcie", f"{gpu.pcie_gen}x{gpu.pcie_lanes}")
    if build.platform:
        memory, ram = build.platform.memory, hardware.ram
        yield from ("--cpu", build.platform.cpu.name)
        yield from ("--ram", f"{ram.type}-{ram.mt_s} {memory.modules}x{memory.gib / memory.modules:g}")
    if hardware.storage.name:
        yield from ("--storage", hardware.storage.name)
