"""Filters on ranked builds: pure."""

from collections.abc import Sequence

from advisor.recommendation import RankedBuild
from catalog import tables
from catalog.names.gpus import resolve_gpu
from webapp.links import FindState

MAKERS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple", "none": "no graphics card"}


def kept(builds: Sequence[RankedBuild], state: FindState) -> tuple[RankedBuild, ...]:
    """The builds that the filters of a view leave, in their order."""
    return tuple(
        build for build in builds
        if (build.pareto or not state.best_only) and (not state.makers or maker(build) in state.makers)
    )  # fmt: skip


def maker(build: RankedBuild) -> str:
    """Maker of a build's graphics, "none" without any."""
    hardware = build.prediction.scenario.hardware
    if hardware.gpus:
        return resolve_gpu(hardware.gpus[0].name, hardware.gpus[0].vram_gb).row.maker
    if not hardware.machine:
        return "none"
    unified = {row.name: row.maker.lower() for row in tables.unified_machines()}
    laptops = {row.name: resolve_gpu(row.gpu).row.maker for row in tables.laptops()}
    return (unified | laptops).get(hardware.machine, "none")
