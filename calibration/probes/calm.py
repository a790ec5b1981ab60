"""Whether this computer is quiet and cool enough to be measured: what is in the way, as sentences."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from advisor.detection.graphics import Nvml, read_nvml
from advisor.files import text_of

CPUS: Final = Path("/sys/devices/system/cpu")
BUSY_SHARE: Final = 0.05
"""Of all processors: a twentieth taken by others moves the probes by about as much as their own spread."""
STOLEN_SHARE: Final = 0.02
QUEUE_PER_PROCESSOR: Final = 1.0
SLOW_SHARE: Final = 0.7
"""Of the highest clock while working: all-core clocks of current processors are 75 to 95 % of their highest."""
HOT_MARGIN_C: Final = 5.0
PROCESSOR_SENSORS: Final = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal")
"""Names of Linux's drivers for the sensors of Intel's, AMD's and ARM processors."""
_KHZ_PER_MHZ: Final = 1000
_WARM_UP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Condition:
    """How the computer is just now; None where it is not told.

    `others_share` and `stolen_share` are of all processors' time: what other processes and other virtual machines took.
    `hottest_c` is the temperature next to its own limit, `hottest_limit_c`. The clocks are of the processor that works.
    """

    processors: int
    others_share: float
    stolen_share: float
    load_1_min: float | None
    clock_mhz: float | None = None
    clock_max_mhz: float | None = None
    hottest_c: float | None = None
    hottest_limit_c: float | None = None
    cards: Nvml | None = None


def look(seconds: float = 0.5) -> Condition:
    """Watch for so many seconds, the last tenth of a second with one processor at work to see its clock."""
    before, own_before, start = psutil.cpu_times(), _own_seconds(), time.perf_counter()
    time.sleep(max(0.0, seconds - _WARM_UP_S))
    clock, clock_max = _clocks()
    after, own_after = psutil.cpu_times(), _own_seconds()
    processors = psutil.cpu_count() or 1
    whole = processors * (time.perf_counter() - start)
    stolen = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
    others = _busy(after) - _busy(before) - (own_after - own_before)
    hottest = _hottest()
    return Condition(
        processors=processors,
        others_share=min(1.0, max(0.0, others / whole)),
        stolen_share=min(1.0, max(0.0, stolen / whole)),
        load_1_min=psutil.getloadavg()[0] if hasattr(psutil, "getloadavg") else None,
        clock_mhz=clock,
        clock_max_mhz=clock_max,
        hottest_c=hottest[0] if hottest else None,
        hottest_limit_c=hottest[1] if hottest else None,
        cards=read_nvml(),
    )


def complaints(found: Condition) -> tuple[str, ...]:
    """A sentence for everything that would spoil a measurement; none when the computer is calm."""
    return tuple(_complaints(found))


def _complaints(found: Condition) -> Iterator[str]:
    if found.others_share > BUSY_SHARE:
        yield f"other programs take {found.others_share:.0%} of the processors: close them, or the figures come out low"
    elif found.load_1_min is not None and found.load_1_min > QUEUE_PER_PROCESSOR * found.processors:
        yield (
            f"{found.load_1_min:.1f} programs wanted the {found.processors} processors over the last minute: "
            "wait until they are done"
        )
    if found.stolen_share > STOLEN_SHARE:
        yield (
            f"other virtual machines on the same host took {found.stolen_share:.0%} of the processors' time: "
            "measure again at another hour"
        )
    if found.clock_mhz and found.clock_max_mhz and found.clock_mhz < SLOW_SHARE * found.clock_max_mhz:
        yield (
            f"the processor works at {found.clock_mhz:.0f} of {found.clock_max_mhz:.0f} MHz: "
            "plug the computer in, choose the performance mode, or let it cool"
        )
    if found.hottest_c and found.hottest_limit_c and found.hottest_c > found.hottest_limit_c - HOT_MARGIN_C:
        yield f"the processor has {found.hottest_c:.0f} °C of {found.hottest_limit_c:.0f} °C at most: let it cool"
    for card in found.cards.cards if found.cards else ():
        if card.slowed_by:
            name, reasons = card.name or f"card {card.index}", ", ".join(card.slowed_by)
            yield f"{name} is slowed down ({reasons}): let it cool, or raise its power limit"


def _busy(times: Any) -> float:
    """Seconds in which a processor worked for someone here."""
    idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in user and nice once more
    return float(sum(times) - idle - guests)


def _own_seconds() -> float:
    """Processor time of this process and of the children that it has waited for."""
    return float(sum(psutil.Process().cpu_times()[:4]))


def _clocks() -> tuple[float | None, float | None]:
    """Clock of the fastest processor after a tenth of a second of work, and the highest one, MHz."""
    end = time.perf_counter() + _WARM_UP_S
    while time.perf_counter() < end:
        pass
    now = [_mhz(folder / "scaling_cur_freq") for folder in CPUS.glob("cpu[0-9]*/cpufreq")]
    most = [_mhz(folder / "cpuinfo_max_freq") for folder in CPUS.glob("cpu[0-9]*/cpufreq")]
    return max(filter(None, now), default=None), max(filter(None, most), default=None)


def _mhz(path: Path) -> float | None:
    text = text_of(path).strip()
    return int(text) / _KHZ_PER_MHZ if text.isdigit() else None


def _hottest() -> tuple[float, float] | None:
    """The temperature that is nearest to its own limit, and that limit, °C."""
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    known = [
        (float(item.current), float(item.high or item.critical))
        for name in PROCESSOR_SENSORS for item in sensors.get(name, ()) if item.current and (item.high or item.critical)
    ]
    return min(known, key=lambda pair: pair[1] - pair[0], default=None)
