"""Which of several unlike graphics cards to use, and how much of the model goes on each: as is fastest.

llama.cpp splits layers by free memory, so that a slow card with much memory gets most of them. `--device` leaves cards
aside, `-ts` gives each as many layers as are said. Tried are the fastest card alone, the two fastest and so on, each as
llama.cpp would split and with the faster ones filled first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from advisor.machines.machine import GpuDevice, Machine
from advisor.physics.coefficients import Setting, by_name
from advisor.physics.knowledge import shipped
from advisor.physics.stages import decode_stages, total_s
from advisor.physics.task import Task
from advisor.physics.work import works_of

GAIN = 1.1
"""All cards are kept, split as llama.cpp does by itself, unless another way writes so many times as fast."""
SLACKS = (1.03, 1.06, 1.09, 1.12, 1.16, 1.2, 1.25, 1.35)
"""Times the memory needed that is shared out among filled cards: layers are whole."""
NAMES = {"cuda": "CUDA", "rocm": "ROCm", "vulkan": "Vulkan", "sycl": "SYCL", "metal": "Metal", "opencl": "GPUOpenCL"}
"""As llama.cpp calls its devices, with a number behind. Source: `llama-server --list-devices` (read 2026-11-28)."""


def ways(machine: Machine, needed_bytes: float) -> Iterator[tuple[tuple[int, ...], Machine]]:
    """Cards by their places, fewer and fewer slow ones left aside, and the machine as it is to be placed on: with no
    more memory on the slower cards than they need where the faster ones are filled.
    """
    gpus = machine.gpus
    fastest = sorted(range(len(gpus)), key=lambda place: -gpus[place].bandwidth_gb_s)
    for count in range(1, len(gpus) + 1):
        kept = tuple(sorted(fastest[:count]))
        if count < len(gpus):
            yield kept, replace(machine, gpus=tuple(gpus[place] for place in kept))
        for slack in SLACKS if count > 1 else ():
            shares, left = dict.fromkeys(kept, 0.0), needed_bytes * slack
            for place in fastest[:count]:
                shares[place] = min(gpus[place].vram_bytes, left)
                left -= shares[place]
            if left <= 0 and all(shares.values()):
                yield kept, replace(machine, gpus=tuple(_with_memory(gpus[at], shares[at]) for at in kept))


def _with_memory(gpu: GpuDevice, vram_bytes: float) -> GpuDevice:
    return replace(gpu, vram_bytes=vram_bytes)


def unlike(machine: Machine) -> bool:
    """Whether there are several cards of several speeds."""
    return machine.backend != "cpu" and len({gpu.bandwidth_gb_s for gpu in machine.gpus}) > 1


def seconds_of(tasks: Sequence[Task], settings: Sequence[Setting]) -> list[float]:
    """Seconds of a decode step of each, by the shipped coefficients: enough to tell which is fastest."""
    values = np.array([shipped().row(setting) for setting in settings])
    found: list[float] = np.asarray(total_s(decode_stages(works_of(tasks), by_name(values)))).tolist()
    return found


def device_name(backend: str, place: int) -> str:
    """A device as llama.cpp calls it.

    >>> device_name("cuda", 0)
    'CUDA0'
    """
    return f"{NAMES.get(backend, backend.upper())}{place}"
