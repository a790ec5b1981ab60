"""Before a session: the file read, the devices and compute buffers found by a dry run, everything checked for room."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.detection.memory import memory_gib
from advisor.engine.devices import Device, Product
from advisor.engine.layout import CPU, Layout, Sizes, layout_of, products_of
from advisor.engine.library import DeviceKind
from advisor.engine.remote import RPC
from advisor.engine.session import Session
from advisor.engine.session.buffers import TOGETHER
from advisor.engine.settings import EngineSettings
from advisor.errors import InputError
from advisor.gguf.model_file import ModelFile, read_model_file
from advisor.sizes.buffers import CONTEXT_PAD
from catalog.units import GIB


@dataclass(frozen=True, slots=True, eq=False)
class DryRun:
    """What llama.cpp says of settings without allocating anything: 5 ms and the time to read the vocabulary."""

    devices: tuple[Device, ...]
    compute: Mapping[str, float]
    """Compute buffers by device, bytes."""
    refused: Mapping[str, tuple[Product, ...]]
    """Products of the model that a device does not compute, by device."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Settings that can run here, and where they will put everything."""

    path: Path
    file: ModelFile
    settings: EngineSettings
    layout: Layout

    def open(self) -> Session:
        """The session, verified to lie where the layout has it. Raises as `Session`."""
        return Session(self.path, self.settings, layout=self.layout)


def prepare(path: Path, settings: EngineSettings) -> Prepared:
    """Read the file, lay the model out, and refuse what cannot run. Raises `InputError` and `EngineFailed`."""
    check_threads(settings, processors())
    file = read_model_file(path)
    sizes = Sizes.of_file(file)
    if settings.n_gpu_layers == 0:  # before the dry run, which takes long for contexts of many millions of tokens
        check_room(layout_of(sizes, settings, {}, {}), {CPU: free_ram_bytes()}, settings)
    dry = dry_run(path, settings, sizes)
    layout = layout_of(sizes, settings, offloadable(dry.devices), dry.compute, dry.refused)
    check_room(layout, free_memory(dry.devices), settings)
    return Prepared(path, file, settings, layout)


def dry_run(path: Path, settings: EngineSettings, sizes: Sizes | None = None) -> DryRun:
    """Let llama.cpp lay a model out without allocating it, and ask each device for what its `sizes` have it compute.

    Raises as `Session`.
    """
    products = products_of(sizes.tensors) if sizes else ()
    with Session(path, settings, dry=True, products=products) as session:
        report = session.loaded.report
        compute = {name: report.total_bytes("compute", name) for name in {item.device for item in report.buffers}}
        for name in [name for name in compute if name.startswith(TOGETHER)]:  # each has as much
            compute |= dict.fromkeys(offloadable(session.loaded.devices), compute.pop(name))
        return DryRun(session.loaded.devices, compute, session.loaded.refused)


def offloadable(devices: Sequence[Device]) -> dict[str, float]:
    """Free bytes of those that llama.cpp offloads layers to, in its order: remote ones, graphics cards, else integrated
    graphics.

    Source: llama.cpp src/llama.cpp llama_prepare_model_devices (read 2026-11-25).
    """
    remote = [item for item in devices if item.backend == RPC]
    cards = [item for item in devices if item.backend != RPC and item.kind is DeviceKind.GPU]
    inside = [item for item in devices if item.backend != RPC and item.kind is DeviceKind.INTEGRATED_GPU]
    return {item.name: float(item.free_bytes) for item in remote + (cards or inside[:1])}


def free_memory(devices: Iterable[Device]) -> dict[str, float]:
    """Free bytes by device, RAM as the system tells it."""
    return {item.name: float(item.free_bytes) for item in devices if item.name != CPU} | {CPU: free_ram_bytes()}


def free_ram_bytes() -> float:
    """Memory that this process may still take: what the system can give, within its container's limit."""
    import psutil

    available = float(psutil.virtual_memory().available)
    limit = memory_gib()
    return min(available, limit * GIB) if limit else available


def processors() -> int:
    """Logical processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_threads(settings: EngineSettings, processors: int) -> None:
    """Refuse more threads than the system runs at a time: they would wait for each other at every layer."""
    for option, number in (("--threads", settings.threads), ("--threads-batch", settings.threads_batch or 1)):
        if number > processors:
            raise InputError(f"{option} {number} is more than the {processors} processors here: give 1 to {processors}")


def check_room(layout: Layout, free_bytes: Mapping[str, float], settings: EngineSettings) -> None:
    """Refuse what finds no room: on a device all that it holds, in RAM what cannot be read from the file again."""
    for device, share in layout.shares.items():
        free = free_bytes.get(device)
        need = share.total
        if device == CPU and settings.mapped:
            need -= share.weights - (layout.repackable if settings.extra_buffers else 0.0)
        if free is None or need <= free:
            continue
        where = "RAM" if device == CPU else device
        if share.kv > need / 2:
            fixed = need - share.kv - share.compute
            longest = int(settings.n_ctx * max(0.0, free - fixed) / (need - fixed)) // CONTEXT_PAD * CONTEXT_PAD
            remedy = f"the context of {settings.n_ctx:,} tokens alone takes {share.kv / GIB:.1f} GiB"
            remedy += f"; give --context {longest} or less" if longest else ""
        elif device != CPU:
            remedy = "give a lower --n-gpu-layers, a higher --n-cpu-moe or a shorter --context"
        elif settings.mapped and settings.extra_buffers:
            remedy = "free some, or give --no-repack, so that weights stay pages of the file"
        else:
            remedy = "free some, take a smaller quant, or let the file be mapped"
        raise InputError(f"{need / GIB:.1f} GiB are needed in {where} and {free / GIB:.1f} GiB are free: {remedy}")
