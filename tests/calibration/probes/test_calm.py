"""Whether the computer is quiet enough, from made-up readings."""

from collections import namedtuple
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from advisor.detection.graphics import Card, Nvml
from calibration.probes import calm
from calibration.probes.calm import Condition, complaints, look

Times = namedtuple("Times", "user nice system idle iowait irq softirq steal guest guest_nice")
QUIET = Condition(processors=8, others_share=0.01, stolen_share=0.0, load_1_min=0.5)


def changed(**values: Any) -> tuple[str, ...]:
    fields = {name: getattr(QUIET, name) for name in QUIET.__slots__}
    return complaints(Condition(**{**fields, **values}))


def test_a_calm_computer_has_no_complaint() -> None:
    assert complaints(QUIET) == ()
    assert changed(clock_mhz=4200.0, clock_max_mhz=5000.0, hottest_c=60.0, hottest_limit_c=95.0) == ()
    assert changed(cards=Nvml(cards=(Card(index=0, name="RTX 3060", slowed_by=()),))) == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"others_share": 0.3}, "other programs take 30% of the processors"),
        ({"load_1_min": 9.5}, "9.5 programs wanted the 8 processors over the last minute"),
        ({"stolen_share": 0.12}, "other virtual machines on the same host took 12%"),
        ({"clock_mhz": 1200.0, "clock_max_mhz": 4800.0}, "works at 1200 of 4800 MHz"),
        ({"hottest_c": 93.0, "hottest_limit_c": 95.0}, "has 93 °C of 95 °C at most"),
        ({"cards": Nvml(cards=(Card(index=0, name="RTX 3060", slowed_by=("heat",)),))}, "RTX 3060 is slowed"),
    ],
)
def test_each_disturbance_is_one_sentence(values: dict[str, Any], words: str) -> None:
    (sentence,) = changed(**values)
    assert words in sentence


def pretend(monkeypatch: pytest.MonkeyPatch, times: Sequence[Times], own: Sequence[float]) -> None:
    """A second passes, and the readings come one after another."""
    clock, told, used = iter((100.0, 101.0)), iter(times), iter(own)
    monkeypatch.setattr(calm, "_clocks", lambda: (None, None))
    monkeypatch.setattr(calm, "time", SimpleNamespace(sleep=lambda _: None, perf_counter=lambda: next(clock)))
    monkeypatch.setattr(calm.psutil, "cpu_times", lambda: next(told))
    monkeypatch.setattr(calm.psutil, "cpu_count", lambda: 4)
    process = SimpleNamespace(cpu_times=lambda: (next(used), 0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(calm.psutil, "Process", lambda: process)


def test_what_others_took_is_all_work_but_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Times(10, 0, 5, 100, 1, 0, 0, 2, 0, 0)
    # 4 processors, 1 s: 1.5 s of work, 0.1 s of it one's own, 0.4 s stolen, the rest idle or waiting for a disk.
    after = Times(11.2, 0, 5.3, 102, 1.1, 0, 0, 2.4, 0, 0)
    pretend(monkeypatch, (before, after), (7.0, 7.1))
    found = look(1.0)
    assert found.others_share == pytest.approx(1.4 / 4)
    assert found.stolen_share == pytest.approx(0.1)


def test_guests_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = Times(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), Times(2, 0, 0, 2, 0, 0, 0, 0, 2, 0)  # all of user was a guest
    pretend(monkeypatch, (before, after), (0.0, 0.0))
    assert look(1.0).others_share == pytest.approx(0.5)


def test_the_clock_and_the_nearest_limit_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, khz in (("0", "800000"), ("1", "4600000")):
        folder = tmp_path / f"cpu{number}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(khz)
        (folder / "cpuinfo_max_freq").write_text("5000000")
    monkeypatch.setattr(calm, "CPUS", tmp_path)
    sensor = namedtuple("sensor", "label current high critical")
    sensors = {
        "coretemp": [sensor("Core 0", 60.0, 100.0, 105.0), sensor("Core 1", 97.0, 100.0, 105.0)],
        "nvme": [sensor("Composite", 80.0, 81.0, 84.0)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors, raising=False)
    found = look(0.0)
    assert (found.clock_mhz, found.clock_max_mhz) == (4600.0, 5000.0)
    assert (found.hottest_c, found.hottest_limit_c) == (97.0, 100.0)


def test_this_computer_can_be_looked_at() -> None:
    found = look(0.0)
    assert 0 <= found.others_share <= 1
    assert 0 <= found.stolen_share <= 1
    assert all(isinstance(sentence, str) for sentence in complaints(found))
