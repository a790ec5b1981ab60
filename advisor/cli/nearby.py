"""The measured runs nearest to a question, as `advisor predict` shows them below its answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from advisor.documents import Points, Section, Sourced, number

if TYPE_CHECKING:
    from advisor.prediction.case import Case
    from catalog.efficiency import PublicRun

HEADING = "Measured nearby"
PLACES = {
    "full_gpu": "all on the GPU", "multi_gpu": "all on the GPUs", "unified": "all in shared memory",
    "cpu_only": "on the CPU", "layer_split": "some layers in RAM", "storage": "larger than RAM",
}  # fmt: skip


def measured_nearby(case: "Case") -> "list[PublicRun]":
    """The nearest of the shipped runs."""
    from advisor.prediction.nearest import described, nearest
    from catalog.tables import public_runs

    return nearest(described(case), public_runs())


def section(runs: "Sequence[PublicRun]") -> Section:
    """What ran where, how fast, and where it is published."""
    points = []
    for run in runs:
        told = (("writes", run.decode_tok_s), ("reads", run.prefill_tok_s))
        speeds = ", ".join(f"{verb} {number(speed)} tok/s" for verb, speed in told if speed is not None)
        where = PLACES.get(run.regime) or f"experts of {run.n_cpu_moe} layers in RAM"
        depth = f" at {run.depth:,} tokens" if run.depth else ""
        text = f"{run.model} {run.quant} on {run.machine} ({run.backend}, {where}): {speeds}{depth}"
        points.append(Sourced(text, f"{run.source} ({run.as_of})"))
    return Section(HEADING, [Points(points)])


def as_data(runs: "Sequence[PublicRun]") -> list[dict[str, Any]]:
    """The same for programs."""
    names = ("machine", "backend", "model", "quant", "regime", "n_cpu_moe", "depth", "decode_tok_s", "prefill_tok_s",
             "source", "as_of")  # fmt: skip
    return [{name: getattr(run, name) for name in names} for run in runs]
