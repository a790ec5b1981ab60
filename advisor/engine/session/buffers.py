"""llama.cpp's own report of what it placed where, read from its log, and whether it is as planned.

Source of the lines: llama.cpp src/llama-model.cpp load_tensors, src/llama-model-loader.cpp create_tensor,
src/llama-context.cpp, src/llama-kv-cache.cpp, src/llama-memory-recurrent.cpp, as vendored in llama-cpp-python 0.3.36
(read 2026-11-25).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal

from advisor.engine.layout import CPU, Layout
from advisor.engine.settings import EngineSettings, Record
from advisor.errors import EngineFailed
from catalog.units import MIB

BufferKind = Literal["model", "KV", "RS", "compute", "output"]
_SIZE = re.compile(r"^\w+:\s+(?P<name>\S+)\s+(?P<kind>model|KV|RS|compute|output) buffer size =\s+(?P<mib>[\d.]+) MiB")
_LAYER = re.compile(r"^load_tensors: layer\s+(\d+) assigned to device (\S+?),")
_OVERRIDE = re.compile(r"^tensor (\S+) \(\d+ MiB \S+\) buffer type overridden to (\S+)")
_OFFLOADED = re.compile(r"^load_tensors: offloaded (\d+)/(\d+) layers to GPU")
_LOAD_MODE = re.compile(r"\(load_mode = ([\w+-]+)\)")
_HOST = re.compile(r"^(CPU(_\w+)?|\w+_Host|AMX|HBM)$")
"""Buffer types whose memory is the system's RAM: the CPU's own, its repacked copies, pinned host memory of a GPU."""
_PART = re.compile(r"_(Mapped|Private|Split)$")
"""What a device adds to its name for a kind of its memory."""
TOGETHER: Final = "Meta("
"""How the one device begins that stands for all that share each layer. Source: ggml/src/ggml-backend-meta.cpp, as
vendored in llama-cpp-python 0.3.36 (read 2026-11-30).
"""
TOLERANCE: Final = 0.03
SLACK_BYTES: Final = 1 * MIB
"""Sizes in the log have two decimals, and each tensor is padded to its device's alignment."""
SHOWN: Final = 3


class Buffer(Record):
    """One line of the report; `name` is that of a ggml buffer type."""

    kind: BufferKind
    name: str
    device: str
    """Whose memory it is: "CPU" for all kinds of system RAM."""
    size_bytes: float


class BufferReport(Record):
    """Where llama.cpp says that everything lies."""

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
            device, size_bytes = device_of(found["name"], aliases), float(found["mib"]) * MIB
            line_of = {"kind": found["kind"], "name": found["name"], "device": device, "size_bytes": size_bytes}
            buffers.append(Buffer.model_validate(line_of))
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
    )


def check_placement(layout: Layout, report: BufferReport, settings: EngineSettings) -> None:
    """Raise `EngineFailed`, saying what went where, unless everything lies where the layout has it.

    Weights in RAM of a mapped file are pages of it, whose buffer is the span from the first to the last of them. Of
    devices that share each layer llama.cpp reports all together, or the one that holds most.
    """
    if settings.split_mode == "layer":
        wrong = [*_layers(layout, report), *_moved(layout, report), *_sizes(layout, report, settings.mapped)]
    else:
        wrong = [*_moved(layout, report), *_shared(layout, report)]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise EngineFailed(f"llama.cpp did not place the model as planned: {'; '.join(wrong[:SHOWN])}{more}")


def _layers(layout: Layout, report: BufferReport) -> Iterator[str]:
    if len(layout.layer_devices) != len(report.layer_devices):
        yield f"it counts {len(report.layer_devices) - 1} layers where {len(layout.layer_devices) - 1} were planned"
        return
    last = len(layout.layer_devices) - 1
    for index, (planned, found) in enumerate(zip(layout.layer_devices, report.layer_devices, strict=True)):
        if planned != found:
            yield f"{'the output' if index == last else f'layer {index}'} went to {found}, not {planned}"


def _shared(layout: Layout, report: BufferReport) -> Iterator[str]:
    apart = [name == CPU for name in layout.layer_devices]
    if apart != [name == CPU for name in report.layer_devices]:
        yield f"it computes {report.layers_offloaded} layers on devices where {apart.count(False)} were planned"
    devices = [share for name, share in layout.shares.items() if name != CPU]
    totals = {"model": sum(share.weights for share in devices), "KV": sum(share.kv for share in devices)}
    for kind, planned in totals.items():
        found = sum(item.size_bytes for item in report.buffers if item.kind == kind and item.device != CPU)
        least = planned / max(1, len(devices)) * (1 - TOLERANCE) - SLACK_BYTES
        if not least <= found <= planned * (1 + TOLERANCE) + SLACK_BYTES:
            yield f"{found / MIB:.0f} MiB of {kind} buffers are on devices that share {planned / MIB:.0f} MiB"


def _moved(layout: Layout, report: BufferReport) -> Iterator[str]:
    for name, planned in layout.moved.items():
        found = report.overridden.get(name)
        if found != planned:
            yield f"{name} {f'went to {found}' if found else 'stayed with its layer'}, not {planned}"
    for name in report.overridden.keys() - layout.moved.keys():
        yield f"{name} was moved to {report.overridden[name]} without being planned"


def _sizes(layout: Layout, report: BufferReport, mapped: bool) -> Iterator[str]:
    for device in {*layout.shares, *report.devices()}:
        share = layout.shares.get(device)
        planned = (share.weights, share.kv, share.state) if share else (0.0, 0.0, 0.0)
        found = tuple(report.total_bytes(kind, device) for kind in ("model", "KV", "RS"))
        for what, wish, size in zip(("weights", "the KV cache", "recurrent states"), planned, found, strict=True):
            spare = layout.twice_on_cpu if device == CPU and what == "weights" else 0.0
            most = float("inf") if mapped and device == CPU and what == "weights" else wish * (1 + TOLERANCE) + spare
            if not wish * (1 - TOLERANCE) - SLACK_BYTES <= size <= most + SLACK_BYTES:
                verb = "takes" if what == "the KV cache" else "take"
                yield f"{what} {verb} {size / MIB:.0f} MiB of {device} where {wish / MIB:.0f} MiB were planned"
