"""From what people write for a disk to its catalog row, or at least to the read rates of its class."""

import re
from functools import cache, lru_cache
from statistics import median

from catalog.names.index import NameIndex, Resolved, Spelling, UnknownName
from catalog.parts import Ssd
from catalog.tables import ssds

QUALIFIERS = frozenset({"pro", "plus", "evo", "qvo", "lite", "ultra", "max", "se"})
MAKERS = frozenset({"samsung", "crucial", "wd", "black", "blue", "teamgroup", "zhitai"})
CAPACITY = re.compile(r"(\d+(?:\.\d+)?)\s?(TB|GB)\b(?!/s)", re.IGNORECASE)
RATE = re.compile(r"(\d+(?:\.\d+)?)\s?(GB|MB)/s", re.IGNORECASE)
HARD_DISK_GB_S = (0.2, 0.0003)
"""Sequential rate of a 3.5-inch disk, and 79 reads of 4 KiB a second: 8.5 ms of seek, 4.2 ms for half a turn.

Source: https://www.seagate.com/products/hard-drives/barracuda-hard-drive/
"""
CLASSES: tuple[tuple[str, str], ...] = (
    (r"(?:pcie|gen|pcie gen) ?5", "PCIe 5.0 x4"),
    (r"(?:pcie|gen|pcie gen) ?4", "PCIe 4.0 x4"),
    (r"(?:pcie|gen|pcie gen) ?3|nvme|m\.2|pcie|apple", "PCIe 3.0 x4"),
    (r"sata|ssd", "SATA"),
)
"""Words of a class and the interface of its rows in ssds.csv; NVMe without a generation is taken as the slowest."""
REACHES_GB_S = ((7.9, "PCIe 5.0 x4"), (3.94, "PCIe 4.0 x4"), (0.6, "PCIe 3.0 x4"))
"""What the class below carries at most: 4 lanes of PCIe 4.0 and of 3.0, and SATA III. Source: PCI-SIG, SATA-IO."""


SAYS_NOTHING = frozenset(
    {"ssd", "nvme", "m", "2", "5", "pcie", "pci", "e", "sata", "disk", "drive", "hdd", "hard", "gen", "internal", "tlc"}
    | {"qlc", "mlc", "dram", "nand", "iii", "x4", "x2", "3", "4", "0", "4x4", "m2", "2280", "inch", "solid"}
    | {"state", "apple", "gen3", "gen4", "gen5", "pcie3", "pcie4", "pcie5", "usb", "external", "rpm", "a", "with"}
)
"""Words that say nothing of the product, or its class, which is read apart."""


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+", CAPACITY.sub(" ", text.lower())))


@cache
def _index() -> NameIndex[Ssd, Spelling[Ssd]]:
    spellings = [Spelling(row, frozenset(_tokens(row.name)) - MAKERS, MAKERS) for row in ssds()]
    return NameIndex("SSD", ssds(), lambda: spellings)


def _gigabytes(text: str) -> float | None:
    found = CAPACITY.search(text)
    return float(found.group(1)) * (1000 if found.group(2).upper() == "TB" else 1) if found else None


@lru_cache(maxsize=1024)
def resolve_ssd(text: str) -> Resolved[Ssd]:
    """The catalog row of a disk's name, such as "Samsung SSD 980 1TB PCIe3 x4"; the capacity may differ or be left out.

    Raises `UnknownName` for a text that names no disk of the catalog.

    >>> resolve_ssd("Samsung 990 Pro").row.name
    'Samsung 990 PRO 2TB'
    """
    words = _tokens(text)
    hits = [hit for hit in _index().fitting(words) if QUALIFIERS.intersection(words) <= hit.words]
    if not hits:
        raise _index().unknown(text)
    best = max(hits, key=lambda hit: len(hit.words))
    row, unread, asked = best.row, best.unread(words), _gigabytes(text)
    if asked == row.capacity_gb:
        return Resolved(row, (), unread)
    said = f"{asked:g} GB" if asked else "without a capacity"
    return Resolved(row, (f"the disk {said} is taken to read like the {row.name}",), unread)


def unread_words(text: str) -> tuple[str, ...]:
    """Words of a disk's name that neither its product nor its class answers for.

    >>> unread_words("Samsung 990 Pro 2TB, PCIe 4.0"), unread_words("NVMe banana")
    ((), ('banana',))
    """
    plain = RATE.sub(" ", text)
    try:
        rest = resolve_ssd(plain).unread
    except UnknownName:
        rest = _tokens(plain)
    return tuple(word for word in rest if word not in SAYS_NOTHING and word not in MAKERS)


@cache
def _class_rates(interface: str) -> tuple[float, float]:
    """Median sequential and random reads of the catalog's disks of an interface."""
    rows = [row for row in ssds() if row.interface == interface]
    return median(row.sequential_read_gb_s for row in rows), median(row.random_read_gb_s for row in rows)


@lru_cache(maxsize=1024)
def storage_read_gb_s(text: str) -> tuple[float, float] | None:
    """Sequential and 4 KiB random read rate in GB/s that a text speaks of, by model or by class; None when by neither.

    A sequential rate written in the text ("~3 GB/s") wins over that of the model or class.
    """
    rates = _by_name(text)
    stated = RATE.search(text)
    if not stated:
        return rates
    sequential = float(stated.group(1)) / (1 if stated.group(2).upper() == "GB" else 1000)
    if sequential <= 0:
        return rates
    random = rates[1] if rates else random_read_gb_s(sequential)
    return sequential, min(random, sequential)


def random_read_gb_s(sequential_gb_s: float) -> float:
    """What a disk of such a sequential rate usually reads in random order: as the class that reaches it."""
    interface = next((name for least, name in REACHES_GB_S if sequential_gb_s > least), "SATA")
    return _class_rates(interface)[1]


def _by_name(text: str) -> tuple[float, float] | None:
    try:
        row = resolve_ssd(text).row
    except UnknownName:
        lowered = text.lower()
        if re.search(r"\bhdd\b|hard ?(?:disk|drive)|\brpm\b", lowered):
            return HARD_DISK_GB_S
        interface = next((name for words, name in CLASSES if re.search(rf"(?<![a-z])(?:{words})", lowered)), None)
        return _class_rates(interface) if interface else None
    return row.sequential_read_gb_s, row.random_read_gb_s
