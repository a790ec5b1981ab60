"""The RAM of a machine: as a text says it, and what is taken for what a question leaves open.

Each choice is listed as an assumption of the prediction, and widens its interval.
"""

from collections.abc import Sequence
from typing import get_args

from advisor.errors import InputError
from advisor.machines.machine import GpuDevice, Ram, dram_gb_s
from advisor.machines.processor import Processor, common_ram_type
from advisor.question import DescribedCpu, RamRequest
from catalog.names.cpus import family_of, resolve_cpu, socket_count
from catalog.names.index import UnknownName
from catalog.names.ram import RamSpec, parse_ram
from catalog.parts import Cpu, Gpu, RamType
from catalog.units import GIB

COMMON_MT_S = {
    "DDR2": 800.0, "DDR3": 1600.0, "DDR4": 3200.0, "DDR5": 5600.0,
    "LPDDR4": 3200.0, "LPDDR4X": 4266.0, "LPDDR5": 6400.0, "LPDDR5X": 7500.0,
}
"""Median data rate of the kits and soldered memories on sale per type. Source: BuildCores OpenDB, 2026-08-17."""
DESKTOP_CHANNELS = 2
COMMON_CHANNEL_GIB = {"DDR2": 2.0, "DDR3": 8.0}
"""RAM of a channel where its size is not said, 16 GiB but of DDR2 and DDR3: the most frequent module of the kits of
ram_kits.csv (BuildCores OpenDB, 2026-08-17), and the median of the measured machines with four channels, 64 GiB."""
SERVER_CHANNEL_GIB, SERVER_CHANNELS = 32.0, 6
"""The same of machines with six channels and more: the median of the measured ones with eight is 256 GiB."""


def ram_request(text: str, cpu: str | DescribedCpu | None = None) -> RamRequest:
    """The memory that a text says, with the channels that its modules fill beside that CPU.

    Raises `ValueError` for a text that cannot be read, and for channels that the CPU has not.
    """
    spec = parse_ram(text)
    there = _channels_of(cpu)
    channels = _channels(text, spec, there, socket_count(cpu) if isinstance(cpu, str) else 1)
    return RamRequest(
        type=spec.ram_type, mt_s=spec.mt_s, channels=channels, gb=spec.total_gib, modules=spec.modules
    )


def _channels_of(cpu: str | DescribedCpu | None) -> int | None:
    """Channels of all sockets of a CPU, None where it does not tell."""
    if isinstance(cpu, DescribedCpu):
        return cpu.custom.channels
    try:
        return resolve_cpu(cpu).row.memory_channels * socket_count(cpu) if cpu else None
    except UnknownName:
        numbers = {row.memory_channels for row in family_of(cpu or "")}
        return numbers.pop() * socket_count(cpu or "") if len(numbers) == 1 else None


def _channels(text: str, spec: RamSpec, there: int | None, sockets: int) -> int | None:
    """Channels that are written or that so many modules fill: not more than the CPU has. More than two modules need the
    CPU to tell.
    """
    if spec.channels is None:
        if spec.modules is None:
            return None
        return min(spec.modules, there) if there else spec.modules if spec.modules <= DESKTOP_CHANNELS else None
    channels = spec.channels
    if there and channels * sockets <= there:  # what is written of a board with several sockets is each one's
        channels *= sockets
    if there and channels > there:
        raise ValueError(f"memory {text!r}: the CPU has {there} channels, not {channels}")
    if spec.modules and spec.modules < channels:
        raise ValueError(f"memory {text!r}: {spec.modules} modules fill {spec.modules} channels, not {channels}")
    return channels


def ram_of(
    asked: RamRequest, cpu: Processor, gpus: Sequence[Gpu | GpuDevice]
) -> tuple[Ram, tuple[tuple[str, str], ...]]:
    """The memory, and what was assumed: codes and sentences.

    Raises `InputError` for a type that is none, or that the CPU does not take.
    """
    row, sockets, said = cpu.platform, cpu.side.sockets, []
    kind, usual_mt_s, usual_channels = ram_by_platform(row, ram_type(asked, row), gpus)
    if asked.mt_s is None:
        said.append(("ram_speed", f"RAM speed not given: taken as {kind}-{usual_mt_s:.0f}"))
    mt_s = asked.mt_s or usual_mt_s
    channels = asked.channels
    if channels is None:
        there = usual_channels * sockets
        channels = min(asked.modules, there) if asked.modules and (row or asked.modules <= DESKTOP_CHANNELS) else there
        if not asked.modules:
            said.append(("ram_channels", f"RAM channels not given: taken as {channels}"))
    if (slower := _crowded_mt_s(asked, row, kind, sockets)) and slower < mt_s:
        each = asked.modules or 0
        rated = f"the {slower:.0f} MT/s that {cpu.side.name} is rated for with two on a channel, not at {mt_s:.0f}"
        told = f"{each} modules of {kind} are taken to run at {rated}; where yours do, give their size without a number"
        said.append(("ram_crowded", told))
        mt_s = slower
    peak = dram_gb_s(mt_s, channels) * (row.channel_bits / 64 if row else 1)
    fabric = row.fabric_read_gb_s * sockets if row and row.fabric_read_gb_s else peak
    gib = asked.gb
    if gib is None:
        gib = common_gib(kind, max(channels, asked.modules or 0))
        gib = min(gib, row.max_memory_gib * sockets) if row else gib
        said.append(("ram_size", f"RAM size not given: taken as {gib:.0f} GiB"))
    return Ram(kind, min(peak, fabric), gib * GIB), tuple(said)


def common_gib(kind: str, channels: int) -> float:
    """The usual size of the memory of so many channels."""
    each = SERVER_CHANNEL_GIB if channels >= SERVER_CHANNELS else COMMON_CHANNEL_GIB.get(kind, 16.0)
    return each * channels


def _crowded_mt_s(asked: RamRequest, row: Cpu | None, kind: str, sockets: int) -> float | None:
    """The rate that a CPU is rated for with two modules of DDR5 on a channel, where so many are said; None elsewhere:
    DDR4 runs as fast with four modules as its profile says.
    """
    if row is None or kind != "DDR5" or not asked.modules or asked.modules <= row.memory_channels * sockets:
        return None
    place = row.memory_types.index(kind)
    return row.mt_s_2dpc[place] if place < len(row.mt_s_2dpc) else None


def ram_type(asked: RamRequest, row: Cpu | None) -> str | None:
    """The type that is said. Raises `InputError` for one that is none, or that the CPU does not take."""
    if asked.type is None:
        return None
    try:
        spec = parse_ram(asked.type)
    except ValueError:
        spec = RamSpec()
    kind = spec.ram_type
    if kind is None:
        raise InputError(f"RAM type {asked.type!r} is not known; give {', '.join(get_args(RamType))}")
    if spec != RamSpec(kind):
        raise InputError(f"RAM type {asked.type!r} says more than the type: give the rest as mt_s, channels and gb")
    if row and kind not in row.memory_types:
        raise InputError(
            f"{row.name} ({row.socket}) takes {' or '.join(row.memory_types)}, not {kind}: change ram.type or the CPU"
        )
    return kind


def ram_by_platform(row: Cpu | None, ram_type: str | None, gpus: Sequence[Gpu | GpuDevice]) -> tuple[str, float, int]:
    """RAM type, data rate in MT/s and channels per socket for a CPU row (None: unknown CPU)."""
    if row is None:
        kind = ram_type or common_ram_type(gpus)
        return kind, COMMON_MT_S[kind], DESKTOP_CHANNELS
    kind = ram_type or row.memory_types[-1]
    rated = row.mt_s_1dpc[row.memory_types.index(kind)]
    tuned = row.segment == "desktop" and not row.registered_memory
    return kind, max(rated, COMMON_MT_S[kind]) if tuned else rated, row.memory_channels
