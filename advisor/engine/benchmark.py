"""A measurement of a model file as other programs read it: speeds with their spread, faults, memory, buffers, power."""

from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict

from advisor.engine.power import PowerMeter
from advisor.engine.preparation import Prepared
from advisor.engine.session.buffers import Buffer
from advisor.engine.session.messages import DeviceMemory, Measure, Measurement, Phase
from advisor.engine.settings import EngineSettings


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Speed(_Result):
    """Repeated runs of one kind of work, tok/s; page faults are those of all runs together."""

    tokens: int
    depth: int
    median: float
    lowest: float
    highest: float
    runs: tuple[float, ...]
    step_s: tuple[float, ...]
    """Median seconds of each step over the runs: of each batch of a prompt, or of each token."""
    minor_faults: int | None
    major_faults: int | None

    @property
    def spread(self) -> float:
        """Highest over lowest, less one."""
        return self.highest / self.lowest - 1


class Benchmark(_Result):
    """All that was measured of one file with one set of settings."""

    file: str
    model: str
    quant: str
    file_bytes: int
    settings: EngineSettings
    load_s: float
    warm_up_s: tuple[float, ...]
    """Seconds of each of the first tokens after the load, in order."""
    prefill_tok_s: Speed | None
    decode_tok_s: Speed | None
    rss_bytes: int
    anonymous_bytes: int
    buffers: tuple[Buffer, ...]
    devices: tuple[DeviceMemory, ...]
    power_w: dict[str, float]
    """Mean draw of each card during the runs, where NVML tells it."""


def benchmark(prepared: Prepared, asked: Measure) -> Benchmark:
    """Load, measure, and end the engine. Raises as `Session`."""
    with prepared.open() as session:
        with PowerMeter() as meter:
            found = session.measure(asked)
        loaded = session.loaded
    file = prepared.file
    return Benchmark(
        file=prepared.path.name,
        model=file.llm.name,
        quant=file.quant.name,
        file_bytes=file.header.file_bytes,
        settings=prepared.settings,
        load_s=loaded.load_s,
        warm_up_s=_warm_up(found),
        prefill_tok_s=speed_of(found.prefill),
        decode_tok_s=speed_of(found.decode),
        rss_bytes=found.rss_bytes,
        anonymous_bytes=found.anonymous_bytes,
        buffers=loaded.report.buffers,
        devices=found.devices,
        power_w=meter.mean_w(),
    )


def _warm_up(found: Measurement) -> tuple[float, ...]:
    return next((phase.step_s for phase in found.warm_up if phase.work == "decode"), ())


def speed_of(phases: Sequence[Phase]) -> Speed | None:
    """The speed of repeated phases; None without any."""
    if not phases:
        return None
    runs = tuple(phase.tok_s for phase in phases)
    steps = tuple(median(seconds) for seconds in zip(*(phase.step_s for phase in phases), strict=True))
    return Speed(
        tokens=phases[0].tokens, depth=phases[0].depth, median=median(runs), lowest=min(runs), highest=max(runs),
        runs=runs, step_s=steps, minor_faults=_all([phase.minor_faults for phase in phases]),
        major_faults=_all([phase.major_faults for phase in phases]),
    )  # fmt: skip


def _all(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
