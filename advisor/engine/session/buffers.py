"""llama.cpp's own report of what it placed where, read from its log.

Source of the lines: llama.cpp src/llama-model.cpp load_tensors, src/llama-model-loader.cpp create_tensor,
src/llama-context.cpp, src/llama-kv-cache.cpp, src/llama-memory-recurrent.cpp, as vendored in llama-cpp-python 0.3.36
(read 2026-11-25).
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from catalog.units import MIB

BufferKind = Literal["model", "KV", "RS", "compute", "output"]
CPU = "CPU"
_SIZE = re.compile(r"^\w+:\s+(?P<name>\S+)\s+(?P<kind>model|KV|RS|compute|output) buffer size =\s+(?P<mib>[\d.]+) MiB")
_LAYER = re.compile(r"^load_tensors: layer\s+(\d+) assigned to device (\S+?),")
_OVERRIDE = re.compile(r"^tensor (\S+) \(\d+ MiB \S+\) buffer type overridden to (\S+)")
_OFFLOADED = re.compile(r"^load_tensors: offloaded (\d+)/(\d+) layers to GPU")
_LOAD_MODE = re.compile(r"\(load_mode = ([\w+-]+)\)")
_HOST = re.compile(r"^(CPU(_\w+)?|\w+_Host|AMX|HBM)$")
"""Buffer types whose memory is the system's RAM: the CPU's own, its repacked copies, pinned host memory of a GPU."""
_PART = re.compile(r"_(Mapped|Private|Split)$")
"""What a device adds to its name for a kind of its memory."""


class Buffer(BaseModel):
    """One line of the report; `name` is that of a ggml buffer type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: BufferKind
    name: str
    device: str
    """Whose memory it is: "CPU" for all kinds of system RAM."""
    size_bytes: float


class BufferReport(BaseModel):
    """Where llama.cpp says that everything lies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    buffers: tuple[Buffer, ...]
    layer_devices: tuple[str, ...]
    """Device of each layer, the output counted as the last one."""
    overridden: dict[str, str]
    """Tensors that an override moved, and the device whose memory they went to."""
    layers_offloaded: int
    load_mode: str

    def total_bytes(self, kind: BufferKind, device: str) -> float:
        """Bytes of one kind on one device."""
        return sum(item.size_bytes for item in self.buffers if item.kind == kind and item.device == device)

    def devices(self) -> tuple[str, ...]:
        """Devices that hold something, the CPU first."""
        names = dict.fromkeys(item.device for item in self.buffers if item.size_bytes > 0)
        return tuple(sorted(names, key=lambda name: (name != CPU, name)))


def device_of(buffer_type: str, aliases: Mapping[str, str] = MappingProxyType({})) -> str:
    """The device whose memory a buffer type takes; `aliases` are devices that name their buffers otherwise.

    >>> device_of("CUDA0"), device_of("CPU_REPACK"), device_of("CUDA_Host"), device_of("MTL0_Mapped")
    ('CUDA0', 'CPU', 'CPU', 'MTL0')
    """
    return CPU if _HOST.match(buffer_type) else aliases.get(buffer_type) or _PART.sub("", buffer_type)


def is_worth_keeping(line: str) -> bool:
    """Whether a debug line of the log says where something lies; the others are thousands."""
    return bool(_LAYER.match(line) or _OVERRIDE.match(line))


def buffer_report(lines: Iterable[str], aliases: Mapping[str, str] = MappingProxyType({})) -> BufferReport:
    """The report in the lines of one load, without their levels; `aliases` as in `device_of`."""
    buffers: list[Buffer] = []
    layers: dict[int, str] = {}
    moved: dict[str, str] = {}
    offloaded, mode = 0, ""
    for line in lines:
        if found := _SIZE.match(line):
            buffers.append(_buffer(found, aliases))
        elif found := _LAYER.match(line):
            layers[int(found[1])] = found[2]
        elif found := _OVERRIDE.match(line):
            moved[found[1]] = device_of(found[2], aliases)
        elif found := _OFFLOADED.match(line):
            offloaded = int(found[1])
        elif found := _LOAD_MODE.search(line):
            mode = found[1]
    return BufferReport(
        buffers=tuple(buffers), layer_devices=tuple(device for _, device in sorted(layers.items())), overridden=moved,
        layers_offloaded=offloaded, load_mode=mode,
    )  # fmt: skip


def _buffer(found: re.Match[str], aliases: Mapping[str, str]) -> Buffer:
    return Buffer.model_validate(
        {
            "kind": found["kind"],
            "name": found["name"],
            "device": device_of(found["name"], aliases),
            "size_bytes": float(found["mib"]) * MIB,
        }
    )
