"""Which machine a description of hardware means: the same parts give the same fingerprint, however they were told."""

import json
import re
from functools import lru_cache
from hashlib import sha256

from advisor.machines.from_parts import machine_of
from advisor.question import GpuRequest, Hardware, RamRequest, StorageRequest
from catalog.units import GIB

LENGTH = 32
SIZE_TOLERANCE = 0.2
"""By which share two sizes of one memory may differ: the system and built-in graphics keep up to an eighth of it to
themselves; the next larger memory on sale has at least a quarter more.
"""
MOST_LETTERS = 60
ASKED_AT_ONCE = 64
"""Machines whose fingerprints are kept: one that is asked of is compared with that of every profile."""
_MARKS = re.compile(r"\((?:r|tm|c)\)", re.IGNORECASE)
_MEMORY = re.compile(r"\s\d+\s?G(?:i?B)?\b", re.IGNORECASE)


@lru_cache(ASKED_AT_ONCE)
def fingerprint_of(hardware: Hardware) -> str:
    """Digest of the parts that decide speed: chips, cores, rates of memory and links, in whole GB/s.

    The disk, which is changed at will, and the size of the RAM, of which a container may see a part, are none of them.
    Raises as `machine_of`.
    """
    return sha256(json.dumps(_parts(hardware)).encode()).hexdigest()[:LENGTH]


def same_parts(left: Hardware, right: Hardware) -> bool:
    """Whether two descriptions mean one machine, whatever the size of its memory. Raises as `machine_of`."""
    return _parts(left) == _parts(right)


def same_machine(left: Hardware, right: Hardware) -> bool:
    """Whether two descriptions mean one machine with the memory that it has now. Raises as `machine_of`."""
    if not same_parts(left, right):
        return False
    if left.ram.gb is None or right.ram.gb is None:
        return True
    first, second = (machine_of(item).ram.capacity_bytes for item in (left, right))
    return abs(first - second) <= SIZE_TOLERANCE * max(first, second)


def filled(found: Hardware, known: Hardware) -> Hardware:
    """What a system tells of its parts, with what it leaves open as another description of the machine has it.

    Raises as `machine_of`.
    """
    alike = len(found.gpus) == len(known.gpus) and _cards(found) == _cards(known)
    cards = known.gpus if alike else found.gpus
    gpus = tuple(
        GpuRequest.model_validate(other.model_dump() | gpu.model_dump(exclude_none=True))
        for gpu, other in zip(found.gpus, cards, strict=True)
    )
    ram = RamRequest.model_validate(known.ram.model_dump() | found.ram.model_dump(exclude_none=True))
    disk = found.storage
    if disk.name in (None, known.storage.name) and disk.read_gb_s is None:
        disk = StorageRequest(name=known.storage.name, read_gb_s=known.storage.read_gb_s)
    return found.model_copy(update={"gpus": gpus, "ram": ram, "storage": disk})


def default_name(hardware: Hardware) -> str:
    """A name for a machine's profile, made of its chips, such as "ryzen-7-5800x-rtx-3060". Raises as `machine_of`."""
    machine = machine_of(hardware)
    cpu = _plain(hardware.cpu_name or "") if "cpu" in machine.unknown else machine.cpu.name
    cards = dict.fromkeys(_MEMORY.sub("", gpu.name) for gpu in machine.gpus)
    words = machine.name if machine.unified else " ".join([cpu, *cards])
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-.")[:MOST_LETTERS].rstrip("-.") or "this-machine"


def _cards(hardware: Hardware) -> list[str]:
    return [gpu.name for gpu in machine_of(hardware).gpus]


def _parts(hardware: Hardware) -> tuple[object, ...]:
    machine = machine_of(hardware)
    cards = tuple((gpu.name, round(gpu.vram_bytes / GIB), round(gpu.link_gb_s)) for gpu in machine.gpus)
    # A processor that the catalog lacks is filled in with a common one: its own words tell it from others.
    words = _plain(hardware.cpu_name or "").lower() if "cpu" in machine.unknown else None
    return machine.name, words, machine.cpu.cores, cards, machine.ram.type, round(machine.ram.bandwidth_gb_s)


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub(" ", text).split())
