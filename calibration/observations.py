"""Measured runs worked out into cases of the physics, and which of them cannot inform it."""

from collections.abc import Sequence

from advisor.case import Case, case_of
from calibration.fitting import Observation
from calibration.runs import MeasuredRun


def machine_key(case: Case) -> str:
    """Resolved GPU | CPU: what one measured machine is told apart by; an imputed CPU is "unknown"."""
    gpus = " + ".join(sorted(gpu.name for gpu in case.machine.gpus)) or "none"
    if case.machine.unified:
        return gpus
    return f"{gpus} | {'unknown' if 'cpu' in case.machine.unknown else case.machine.cpu.name}"


def observe(runs: Sequence[MeasuredRun]) -> tuple[list[Observation], list[tuple[MeasuredRun, str]]]:
    """Observations of decode and prefill, and the runs that could not be worked out with the reason."""
    found: list[Observation] = []
    refused: list[tuple[MeasuredRun, str]] = []
    for run in runs:
        try:
            case = case_of(run.scenario)
        except ValueError as error:
            refused.append((run, str(error)))
            continue
        if not case.runs:
            refused.append((run, "the advisor says that it cannot run there"))
            continue
        key = machine_key(case)
        for kind, speed in (("decode", run.decode_tok_s), ("prefill", run.prefill_tok_s)):
            if speed and not (kind == "prefill" and run.scenario.workload.prompt_tokens == 0):
                found.append(Observation(case, kind, speed, key))
    return found, refused
