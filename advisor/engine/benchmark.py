"""A measurement of a model file as other programs read it: speeds with their spread, faults, memory, buffers, power."""

import threading
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Final, Self

from advisor.detection.graphics import Nvml, read_nvml
from advisor.engine.devices import Device
from advisor.engine.preparation import Prepared
from advisor.engine.session.buffers import Buffer
from advisor.engine.session.messages import Measure, Phase
from advisor.engine.settings import EngineSettings, Record

INTERVAL_S: Final = 0.5
"""Reading all of NVML takes about 40 ms a card."""


class Speed(Record):
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


class Benchmark(Record):
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
    devices: tuple[Device, ...]
    power_w: dict[str, float]
    """Mean draw of each card during the runs, where NVML tells it."""


class PowerMeter:
    """Samples in a thread of its own from entering to leaving its context; without NVML there is nothing to sample."""

    def __init__(self, read: Callable[[], Nvml] = read_nvml, interval_s: float = INTERVAL_S) -> None:
        self._read, self._interval_s = read, interval_s
        self._samples: dict[str, list[float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            cards = self._read().cards
            for card in cards:
                if card.power_draw_w is not None:
                    self._samples.setdefault(card.name or f"card {card.index}", []).append(card.power_draw_w)
            if not cards or self._ended.wait(self._interval_s):
                return

    def mean_w(self) -> dict[str, float]:
        """Mean draw of each card, W."""
        return {name: fmean(samples) for name, samples in self._samples.items()}


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
        warm_up_s=next((phase.step_s for phase in found.warm_up if phase.work == "decode"), ()),
        prefill_tok_s=speed_of(found.prefill),
        decode_tok_s=speed_of(found.decode),
        rss_bytes=found.rss_bytes,
        anonymous_bytes=found.anonymous_bytes,
        buffers=loaded.report.buffers,
        devices=found.devices,
        power_w=meter.mean_w(),
    )


def speed_of(phases: Sequence[Phase]) -> Speed | None:
    """The speed of repeated phases; None without any."""
    if not phases:
        return None
    runs = tuple(phase.tok_s for phase in phases)
    steps = tuple(median(seconds) for seconds in zip(*(phase.step_s for phase in phases), strict=True))
    minor = [phase.minor_faults for phase in phases if phase.minor_faults is not None]
    major = [phase.major_faults for phase in phases if phase.major_faults is not None]
    return Speed(
        tokens=phases[0].tokens, depth=phases[0].depth, median=median(runs), lowest=min(runs), highest=max(runs),
        runs=runs, step_s=steps, minor_faults=sum(minor) if minor else None, major_faults=sum(major) if major else None,
    )
