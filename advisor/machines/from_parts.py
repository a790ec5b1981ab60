"""From the hardware of a scenario to a `Machine`: names become catalog rows, and what was not said is filled in and
noted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from advisor.errors import InputError
from advisor.kept import kept
from advisor.machines.cards import AskedCard, card_of, default_backend
from advisor.machines.machine import CpuSide, GpuDevice, Machine, Ram, Storage
from advisor.machines.memory import ram_of, ram_type
from advisor.machines.processor import cpu_side, processor_of, product_of
from advisor.question import DescribedCpu, GpuRequest, Hardware, RamRequest, StorageRequest
from catalog.names.index import Resolved, left_aside
from catalog.names.machines import host_count, memory_said, not_understood, resolve_machine
from catalog.names.ram import parse_ram
from catalog.names.storage import random_read_gb_s, storage_read_gb_s, unread_words
from catalog.parts import Cpu, Laptop, UnifiedMachine
from catalog.units import GIB

NVME_GB_S = (3.5, 0.06)
"""Sequential and QD1 random read of a common PCIe 3.0 NVMe disk (WD Blue SN550 / Samsung 970 EVO class data sheets)."""
TYPICAL_UNIFIED_GIB = 32.0
COMMON_UNIFIED_GIB = {"Strix Halo (Ryzen AI Max+ 395)": 128.0}
"""The smallest size that a machine is commonly met with, where that is not the smallest sold: all measured runs on this
chip that say it, from over 100 sources, have 128 GB (public_runs.csv, 2026-11-24)."""
SAME_SIZE = 0.1
"""Relative: the size on the box, and what a system reports of it."""
KEPT_BYTES = 64 * 2**20
"""Machines kept by what was said of them: some 15,000 usual ones."""
SOLD_SLACK = 0.03
"""Relative: sizes as on the box against sizes as a system reports them."""
UNIFIED_GHZ = 3.5
"""Clock between the base and boost of Apple M1 to M5 and Ryzen AI Max chips: a yardstick, the fit takes up the rest."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """Assumptions gathered on the way, as sentences and as codes."""

    sentences: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()

    def and_(self, code: str, *sentences: str) -> "_Noted":
        return _Noted(self.sentences + sentences, self.codes | {code}) if sentences else self

    def saying(self, *sentences: str) -> "_Noted":
        """With sentences that widen nothing."""
        return _Noted(self.sentences + sentences, self.codes)


@kept(KEPT_BYTES)
def machine_of(hardware: Hardware, backend: str | None = None) -> Machine:
    """The machine that a scenario's hardware describes.

    Raises `UnknownName` for a GPU or machine that the catalog lacks and `InputError` for parts that do not go together.
    An unknown CPU, RAM speed or RAM size is filled in from the platform and listed in `assumptions` and `unknown`.
    """
    if hardware.machine is None:
        if hardware.unified_gpu_gb:
            raise InputError("unified_gpu_gb is said of a machine with one memory: name it as machine")
        return _from_parts(hardware, backend, _Noted())
    found, hardware = _whole(hardware.machine, hardware)
    noted = _Noted().and_("variant", *found.assumptions)
    if isinstance(found.row, Laptop):
        return _laptop(found.row, hardware, backend, noted)
    if hardware.gpus:
        return _box_with_cards(found.row, hardware, backend, noted)
    return _unified(found.row, hardware, backend, noted)


def possible(hardware: Hardware) -> bool:
    """Whether parts make a machine."""
    try:
        machine_of(hardware)
    except InputError:
        return False
    return True


def _whole(name: str, hardware: Hardware) -> tuple[Resolved[UnifiedMachine | Laptop], Hardware]:
    """The machine that a name says, and the hardware with the memory that it says.

    Raises `UnknownName` for a name of none, `InputError` for one of several or with another memory than is said beside.
    """
    if (hosts := host_count(name)) > 1:
        raise InputError(f"machine {name!r} is {hosts} computers: one is answered for, so name one and not {hosts}")
    found = resolve_machine(name, hardware.ram.gb)
    if word := not_understood(name, found):
        raise InputError(f"machine {name!r}: {word!r} is not understood beside {found.row.name}: leave it out")
    said, beside = memory_said(name, found.row), hardware.ram.gb
    if said is None:
        return found, hardware
    sizes = (beside, beside + (hardware.unified_gpu_gb or 0.0)) if beside else ()
    if beside is not None and all(abs(said - size) > SAME_SIZE * said for size in sizes):
        raise InputError(f"machine {name!r} has {said:g} GiB by its name, and {beside:g} GiB are said beside: give one")
    ram = hardware.ram.model_copy(update={"gb": beside if beside and not hardware.unified_gpu_gb else said})
    return found, hardware.model_copy(update={"ram": ram})


def _from_parts(hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    cards, devices, noted = _cards(hardware.gpus, product_of(hardware.cpu), noted)
    asked = _with_memory_of(hardware.cpu, hardware.ram)
    processor = processor_of(hardware.cpu, ram_type(asked, None), devices)
    noted = noted.and_(processor.code, *processor.notes).saying(*processor.unread)
    ram, said = ram_of(asked, processor, devices)
    for code, sentence in said:
        noted = noted.and_(code, sentence)
    cpu = processor.side
    noted = noted.and_("disk", *_disk_notes(hardware.storage)).saying(*_disk_words(hardware.storage))
    return Machine(
        name=" | ".join(filter(None, [_label(hardware.gpus, cards), cpu.name])),
        gpus=devices,
        cpu=cpu,
        ram=ram,
        storage=_storage(hardware.storage),
        backend=backend or _backend(cards, devices),
        assumptions=noted.sentences,
        unknown=noted.codes,
    )


def _cards(
    requests: Sequence[GpuRequest], cpu: Cpu | None, noted: _Noted
) -> tuple[list[AskedCard], tuple[GpuDevice, ...], _Noted]:
    """The cards of a question, kind by kind, and all devices."""
    cards = [card_of(request, cpu) for request in requests]
    devices = tuple(
        card.device for card, request in zip(cards, requests, strict=True) for _ in range(request.count)
    )
    noted = noted.and_("vram", *(note for card in cards for note in card.notes))
    return cards, devices, noted.saying(*(said for card in cards for said in card.unread))


def _with_memory_of(cpu: str | DescribedCpu | None, ram: RamRequest) -> RamRequest:
    """The memory that is asked, with what the description of a processor says of it where it is left open."""
    if not isinstance(cpu, DescribedCpu):
        return ram
    custom, said = cpu.custom, {}
    if custom.memory:
        try:
            spec = parse_ram(custom.memory)
        except ValueError as error:
            raise InputError(f"hardware.cpu.custom.memory: {error}") from None
        said = {"type": spec.ram_type, "mt_s": spec.mt_s}
    told = {"channels": custom.channels} | said | ram.model_dump(exclude_none=True)
    return RamRequest.model_validate(told)


def _label(requests: Sequence[GpuRequest], cards: Sequence[AskedCard]) -> str:
    counted = zip(requests, cards, strict=True)
    return " + ".join(f"{kind.count} x {card.label}" if kind.count > 1 else card.label for kind, card in counted)


def _backend(cards: Sequence[AskedCard], devices: Sequence[GpuDevice]) -> str:
    """The backend that a description names, else the usual one."""
    return next((card.backend for card in cards if card.backend), None) or default_backend(devices)


def _disk_notes(asked: StorageRequest) -> tuple[str, ...]:
    said = asked.read_gb_s or (asked.name and storage_read_gb_s(asked.name))
    told = f"disk {asked.name!r} is not known" if asked.name else "disk not given"
    return () if said else (f"{told}: taken as an NVMe disk of {NVME_GB_S[0]:g} GB/s",)


def _disk_words(asked: StorageRequest) -> tuple[str, ...]:
    """What is to be said of the words of a disk that is known by the others."""
    known = asked.name and storage_read_gb_s(asked.name)
    return left_aside("disk", asked.name or "", unread_words(asked.name or "")) if known else ()


def _storage(asked: StorageRequest) -> Storage:
    named = storage_read_gb_s(asked.name) if asked.name else None
    if asked.read_gb_s is None:
        return Storage(*named, most_gb_s=named[0]) if named else Storage(*NVME_GB_S)
    random = named[1] if named else random_read_gb_s(asked.read_gb_s)
    return Storage(asked.read_gb_s, min(random, asked.read_gb_s), asked.read_gb_s)


def _unified(row: UnifiedMachine, hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    gib, noted = _memory_gib(row, hardware, noted)
    storage, noted = _disk_of(row, hardware, noted)
    cpu, cpu_reads_gb_s = _unified_cpu(row)
    return Machine(
        name=row.name,
        gpus=(_unified_gpu(row, hardware.unified_gpu_gb or gib * row.gpu_memory_share),),
        cpu=cpu,
        ram=Ram(row.memory_type, min(row.bandwidth_gb_s, cpu_reads_gb_s), gib * GIB),
        storage=storage,
        unified=True,
        backend=backend or row.backend,
        assumptions=noted.sentences,
        unknown=noted.codes,
    )


def _memory_gib(row: UnifiedMachine, hardware: Hardware, noted: _Noted) -> tuple[float, _Noted]:
    """Memory of a box in GiB. A system shows what the firmware leaves beside a part that it sets aside for the GPU."""
    said, for_gpu = hardware.ram.gb, hardware.unified_gpu_gb or 0.0
    if said is None:
        gib = COMMON_UNIFIED_GIB.get(row.name) or min(row.memory_gib, default=TYPICAL_UNIFIED_GIB)
        gib = min((size for size in row.memory_gib if size >= max(gib, for_gpu)), default=gib)
        noted = noted.and_("ram_size", f"memory size not given: taken as {gib:.0f} GiB, the smallest common one")
    elif for_gpu and (for_gpu >= said or not _sold(row, said)) and (whole := _sold(row, said + for_gpu)):
        gib = whole
        noted = noted.and_("variant", f"{said:g} GiB beside {for_gpu:g} for the GPU: taken as {gib:g} GiB in all")
    else:
        gib = said
    if for_gpu > gib:
        said_of = f"unified_gpu_gb {for_gpu:g} is more than the {gib:g} GiB of {row.name}"
        raise InputError(f"{said_of}: give the machine's size in ram.gb")
    return gib, noted


def _sold(row: UnifiedMachine, gib: float) -> float | None:
    """The size that a box is sold in and that a system may show as `gib`."""
    return next((size for size in row.memory_gib if abs(gib / size - 1) <= SOLD_SLACK), None)


def _disk_of(row: UnifiedMachine, hardware: Hardware, noted: _Noted) -> tuple[Storage, _Noted]:
    storage = _storage(hardware.storage)
    if row.storage_read_gb_s and not hardware.storage.name and not hardware.storage.read_gb_s:
        return replace(storage, sequential_gb_s=row.storage_read_gb_s, most_gb_s=row.storage_read_gb_s), noted
    return storage, noted.and_("disk", *_disk_notes(hardware.storage)).saying(*_disk_words(hardware.storage))


def _box_with_cards(row: UnifiedMachine, hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    """A box with cards beside it: they compute, and its processor what finds no room on them."""
    if row.maker == "apple":
        raise InputError(f"{row.name} takes no graphics card: leave out gpus")
    cpu, cpu_reads_gb_s = _unified_cpu(row)
    cards, devices, noted = _cards(hardware.gpus, None, noted)
    gib, noted = _memory_gib(row, hardware, noted)
    storage, noted = _disk_of(row, hardware, noted)
    said = f"the graphics of {row.name} are left aside beside {_label(hardware.gpus, cards)}"
    return Machine(
        name=f"{_label(hardware.gpus, cards)} | {row.name}",
        gpus=devices,
        cpu=cpu,
        ram=Ram(row.memory_type, min(row.bandwidth_gb_s, cpu_reads_gb_s), gib * GIB),
        storage=storage,
        backend=backend or _backend(cards, devices),
        assumptions=(*noted.sentences, said),
        unknown=noted.codes,
    )


def _unified_gpu(row: UnifiedMachine, gpu_gib: float) -> GpuDevice:
    return GpuDevice(
        name=row.name,
        maker=row.maker.lower(),
        architecture=row.architecture,
        form="integrated",
        vram_bytes=gpu_gib * GIB,
        bandwidth_gb_s=row.bandwidth_gb_s,
        fp16_tflops=row.fp16_tflops,
        link_gb_s=row.bandwidth_gb_s,
    )


def _unified_cpu(row: UnifiedMachine) -> tuple[CpuSide, float]:
    """The processor, and what it reads of the one memory at most, in GB/s."""
    found = product_of(row.chip)
    if found:
        few = replace(cpu_side(found), cores=min(cpu_side(found).cores, row.cpu_cores))
        return few, found.fabric_read_gb_s or math.inf
    side = CpuSide(
        name=row.chip,
        microarchitecture=row.cpu_microarchitecture,
        cores=row.cpu_cores,
        vector_bytes=16,
        ghz=UNIFIED_GHZ,
        sockets=1,
        features=frozenset({"unified"}),
    )
    return side, math.inf


def _laptop(row: Laptop, hardware: Hardware, backend: str | None, noted: _Noted) -> Machine:
    gib = hardware.ram.gb or min(row.ram_gib)
    if hardware.ram.gb is None:
        noted = noted.and_("ram_size", f"memory size not given: taken as {gib:.0f} GiB, the smallest sold")
    ram = RamRequest(type=row.ram_type, mt_s=row.ram_mt_s, channels=row.ram_channels, gb=gib)
    storage = hardware.storage if hardware.storage.read_gb_s else StorageRequest(read_gb_s=row.storage_read_gb_s)
    parts = Hardware(gpus=(*hardware.gpus, GpuRequest(name=row.gpu)), cpu=row.cpu, ram=ram, storage=storage)
    beside = [request.name for request in hardware.gpus]
    return replace(_from_parts(parts, backend, noted), name=" + ".join([*beside, row.name]))
