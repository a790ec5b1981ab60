"""How the processors of a Linux computer hang together."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from advisor.detection.commands import text_of
from advisor.detection.processor import CPUINFO, cores_in_cpuinfo

NODES: Final = Path("/sys/devices/system/node")


@dataclass(frozen=True, slots=True)
class Topology:
    """Counts of the whole computer, None where it does not tell; a NUMA node is memory with processors of its own."""

    sockets: int | None
    cores: int | None
    threads: int | None
    numa_nodes: int | None


def read_topology(cpuinfo: Path = CPUINFO, nodes: Path = NODES) -> Topology:
    """Those of this computer."""
    text = text_of(cpuinfo)
    sockets = len(set(re.findall(r"^physical id\s*:\s*(\d+)", text, re.MULTILINE)))
    threads = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    with_processors = [node for node in nodes.glob("node[0-9]*") if text_of(node / "cpulist").strip()]
    return Topology(sockets or None, cores_in_cpuinfo(text, None), threads or None, len(with_processors) or None)
