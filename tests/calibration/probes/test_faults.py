"""The probe of page faults: what it counts, and that the system is to drop the file."""

import os
from pathlib import Path

import pytest

from calibration.probes.disk import SPAN_BYTES, probe_faults
from catalog.units import GB, MIB


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file of 16 MiB on the disk itself."""
    path = tmp_path / "mapped"
    with path.open("wb") as file:
        file.write(os.urandom(16 * MIB))
        os.fsync(file.fileno())
    return path


def test_each_span_is_counted_with_its_own_time(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("calibration.probes.disk.time.perf_counter", lambda: float(next(clock)))
    found = probe_faults(written, 16 * MIB, repeats=2, seconds_each=6.0)
    assert found
    # A second between two looks: three spans in each repeat of three seconds.
    assert found.value == pytest.approx(SPAN_BYTES / GB)


def test_the_system_drops_the_file_before_each_span(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _file, *words: asked.append(words))
    assert probe_faults(written, 16 * MIB, repeats=2, seconds_each=1e-9)
    assert asked == [(0, 0, os.POSIX_FADV_DONTNEED)] * 2


def test_where_nothing_can_be_dropped_nothing_is_said(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    assert probe_faults(written, 16 * MIB, repeats=1, seconds_each=0.01) is None
