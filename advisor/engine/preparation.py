"""Before a session: the file read, the devices and compute buffers found by a dry run, everything checked for room."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from advisor.detection.memory import memory_gib
from advisor.engine.admission import check_room, check_threads
from advisor.engine.devices import Kind
from advisor.engine.layout import CPU, Layout, OffloadDevice, Sizes, layout_of
from advisor.engine.products import Product, products_of
from advisor.engine.session import Session
from advisor.engine.session.messages import DeviceMemory
from advisor.engine.settings import EngineSettings
from advisor.gguf.model_file import ModelFile, read_model_file
from catalog.units import GIB

RPC = "RPC"


@dataclass(frozen=True, slots=True, eq=False)
class DryRun:
    """What llama.cpp says of settings without allocating anything: 5 ms and the time to read the vocabulary."""

    devices: tuple[DeviceMemory, ...]
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
        check_room(layout_of(sizes, settings, (), {}), {CPU: free_ram_bytes()}, settings)
    dry = dry_run(path, settings, sizes)
    layout = layout_of(sizes, settings, offload_devices(dry.devices), dry.compute, dry.refused)
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
        return DryRun(session.loaded.devices, compute, session.loaded.refused)


def offload_devices(devices: tuple[DeviceMemory, ...]) -> list[OffloadDevice]:
    """Those that llama.cpp offloads layers to, in its order: remote ones, graphics cards, else integrated graphics.

    Source: llama.cpp src/llama.cpp llama_prepare_model_devices (read 2026-11-25).
    """
    remote = [item for item in devices if item.backend == RPC]
    cards = [item for item in devices if item.backend != RPC and item.kind is Kind.GPU]
    inside = [item for item in devices if item.backend != RPC and item.kind is Kind.INTEGRATED_GPU]
    return [OffloadDevice(item.name, float(item.free_bytes)) for item in remote + (cards or inside[:1])]


def free_memory(devices: tuple[DeviceMemory, ...]) -> dict[str, float]:
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
