"""The devices that llama.cpp can put a model on, of every backend alike, with what NVML adds about NVIDIA's cards."""

import ctypes
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import psutil
from pydantic import BaseModel, ConfigDict

from advisor.detection.commands import text_of
from advisor.detection.memory import limit_bytes
from advisor.detection.nvml import NvidiaCard, normal_pci_id
from advisor.detection.processor import OWN_CGROUP, cgroup_folders
from advisor.engine.endpoint import Endpoint, protocol_at
from advisor.engine.library import Engine, require_engine

RPC: Final = "RPC"
_PCI_ADDRESS: Final = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")


class Kind(StrEnum):
    """What a device is."""

    CPU = "cpu"
    GPU = "gpu"
    INTEGRATED_GPU = "igpu"
    ACCELERATOR = "accelerator"
    META = "meta"


KINDS: Final = tuple(Kind)
"""By number. Source: enum ggml_backend_dev_type of ggml/include/ggml-backend.h (read 2026-11-25)."""
GRAPHICS: Final = frozenset({Kind.GPU, Kind.INTEGRATED_GPU})


class Device(BaseModel):
    """A device of llama.cpp: `backend` is CPU, CUDA, ROCm, MTL (Metal), Vulkan, SYCL, RPC or another of ggml's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    kind: Kind
    backend: str
    free_bytes: int
    total_bytes: int
    pci_id: str | None = None
    nvml: NvidiaCard | None = None


class _Properties(ctypes.Structure):
    """Source: struct ggml_backend_dev_props of ggml/include/ggml-backend.h (read 2026-11-25)."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("memory_free", ctypes.c_size_t),
        ("memory_total", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("device_id", ctypes.c_char_p),
        ("caps", ctypes.c_bool * 64),  # five today; the room is for those to come
    )


def list_devices(cards: Sequence[NvidiaCard] = ()) -> tuple[Device, ...]:
    """All devices in llama.cpp's order, those of `cards` linked to the devices that they are.

    The memory of a CPU behind RPC is all called free: its server does not look. Raises EngineMissing, and RemoteError
    when an RPC server that was connected to does not answer any more or is busy with another process.
    """
    engine = require_engine()
    found = tuple(_device(engine, handle) for handle in engine.device_handles())
    return tuple(device.model_copy(update={"nvml": card_of(device, cards)}) for device in found)


def card_of(device: Device, cards: Iterable[NvidiaCard]) -> NvidiaCard | None:
    """The card that a device is: that at its PCI address, else the only one of its name."""
    if device.kind not in GRAPHICS or device.backend == RPC:
        return None
    known = tuple(cards)
    if device.pci_id is not None:
        at = [card for card in known if card.pci_id == device.pci_id]
        if at or all(card.pci_id for card in known):
            return at[0] if at else None
    named = [card for card in known if card.name == device.description]
    return named[0] if len(named) == 1 else None


def _device(engine: Engine, handle: int) -> Device:
    ggml = engine.ggml
    backend = (ggml.ggml_backend_reg_name(ggml.ggml_backend_dev_backend_reg(handle)) or b"").decode()
    kind = KINDS[ggml.ggml_backend_dev_type(handle)]
    if backend == RPC:
        protocol_at(Endpoint.parse(engine.description(handle)))  # llama.cpp would end the process, or wait for ever
    free, total = engine.memory_bytes(handle)
    if kind is Kind.CPU:
        free, total = _memory_of_computer(total)
    return Device(
        name=engine.name(handle),
        description=engine.description(handle).strip(),
        kind=kind,
        backend=backend,
        free_bytes=free,
        total_bytes=total,
        pci_id=_pci_id(engine, handle),
    )


def _memory_of_computer(total: int) -> tuple[int, int]:
    """Free and total memory for this process: ggml calls all of it free, and sees no limit of a container."""
    limit = limit_bytes(cgroup_folders(text_of(OWN_CGROUP))) or total
    return min(psutil.virtual_memory().available, limit), min(total, limit)


def _pci_id(engine: Engine, handle: int) -> str | None:
    properties = _Properties()
    engine.ggml.ggml_backend_dev_get_props(handle, ctypes.addressof(properties))
    # Other buses have other ids; the parts of a card that CUDA splits have "-v1" after its address.
    found = _PCI_ADDRESS.match((properties.device_id or b"").decode())
    return normal_pci_id(found[0]) if found else None
