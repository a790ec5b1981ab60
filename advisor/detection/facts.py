"""What is worth knowing of this computer beyond the hardware of a scenario."""

import platform
from dataclasses import dataclass
from pathlib import Path

from advisor.detection.caches import Caches, read_caches
from advisor.detection.commands import text_of
from advisor.detection.confinement import Confinement, read_confinement
from advisor.detection.design import Design, design_in_cpuinfo
from advisor.detection.instructions import instruction_sets
from advisor.detection.processor import CPUINFO
from advisor.detection.storage import Lodging, lodging_of
from advisor.detection.topology import Topology, read_topology
from advisor.engine.ggml import Ggml


@dataclass(frozen=True, slots=True)
class Facts:
    """Each as it was found; `storage` is what the model, or else the user's folder, lies on."""

    ggml: Ggml
    design: Design
    topology: Topology
    caches: Caches
    instructions: tuple[str, ...]
    storage: Lodging
    confinement: Confinement


def read_facts(ggml: Ggml, lodged: Path | None = None) -> Facts:
    """Look at this computer; `lodged` is a model's file or folder, `ggml` what llama.cpp told before."""
    apple = platform.system() == "Darwin"
    design = Design(None, "a Mac's is in its name") if apple else design_in_cpuinfo(text_of(CPUINFO))
    return Facts(
        ggml=ggml,
        design=design,
        topology=read_topology(),
        caches=read_caches(),
        instructions=instruction_sets(),
        storage=lodging_of(lodged or Path.home()),
        confinement=read_confinement(),
    )
