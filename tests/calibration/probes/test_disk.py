"""The disk probe: with and without direct reads, and what it leaves behind."""

import errno
import math
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from advisor.errors import InputError
from calibration.probes import disk
from calibration.probes.disk import PATTERNS, DiskProbe, Opener, Pattern, open_direct, probe_disk
from catalog.units import GB, KIB, MIB

FEW = (Pattern(MIB, 2, sequential=True), Pattern(4 * KIB, 1), Pattern(64 * KIB, 32))


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOST_SCRATCH_BYTES", 16 * MIB)


def probed(folder: Path, file: Path | None = None, opener: Opener = open_direct) -> DiskProbe:
    return probe_disk(folder, file, patterns=FEW, repeats=2, seconds_each=0.02, opener=opener)


def refusing(path: str, flags: int) -> int:
    raise OSError(errno.EINVAL, "Invalid argument")


def test_each_pattern_has_its_rate_and_the_scratch_file_is_gone(tmp_path: Path) -> None:
    found = probed(tmp_path)
    assert [row.name for row in found.results()] == [
        "disk_read_gb_s sequential block=1024KiB in_flight=2",
        "disk_read_gb_s random block=4KiB in_flight=1",
        "disk_read_gb_s random block=64KiB in_flight=32",
        "disk_read_gb_s faults span=512KiB",
    ]
    assert all(math.isfinite(row.value) and row.value > 0 for row in found.results())
    assert found.file_bytes == 16 * MIB
    assert found.sequential_gb_s == found.rates[0][1]
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_direct_reads_is_read_past_its_cache_and_told(tmp_path: Path) -> None:
    found = probed(tmp_path, opener=refusing)
    assert not found.direct
    assert found.note == f"the file system of {tmp_path} takes no direct reads: its cached pages were dropped first"
    assert all(rate.value > 0 for _, rate in found.rates)


def test_one_that_refuses_only_the_reading_counts_as_without(tmp_path: Path) -> None:
    def unreadable(path: str, flags: int) -> int:
        return os.open(path, os.O_WRONLY)

    assert not probed(tmp_path, opener=unreadable).direct


def test_the_opener_asks_for_direct_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "open", lambda path, flags: asked.append(flags) or 7)
    assert open_direct("anything", os.O_RDONLY) == 7
    assert asked == [os.O_RDONLY | os.O_DIRECT]


def test_a_model_is_read_in_place_of_a_scratch_file_and_stays_as_it_is(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    content = os.urandom(9 * MIB + 17)
    model.write_bytes(content)
    found = probed(tmp_path, model)
    assert found.file_bytes == 9 * MIB
    assert model.read_bytes() == content
    assert list(tmp_path.iterdir()) == [model]


def test_no_more_is_counted_than_a_block_at_a_time_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100_000))
    monkeypatch.setattr("calibration.probes.disk.time.perf_counter", lambda: float(next(clock)))
    found = probe_disk(tmp_path, patterns=(Pattern(MIB, 1, sequential=True),), repeats=1, seconds_each=5.0)
    # The clock moves a second with each look: after the start one block each until the fifth second has come.
    assert found.rates[0][1].value == pytest.approx(5 * MIB / 5 / GB)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_scratch_file_is_gone_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    def failing(path: str, flags: int) -> int:
        assert Path(path).stat().st_size == 16 * MIB
        raise error

    with pytest.raises(error):
        probed(tmp_path, opener=failing)
    assert list(tmp_path.iterdir()) == []


def test_the_scratch_file_is_gone_when_the_disk_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"takes no scratch file of 16 MiB \(No space left on device\): make room"):
        probed(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_probe_left_is_removed_later(tmp_path: Path) -> None:
    left, fresh = tmp_path / f"{disk.PREFIX}left", tmp_path / f"{disk.PREFIX}fresh"
    for path in (left, fresh):
        path.write_bytes(b"\0")
    long_ago = time.time() - 2 * 3600
    os.utime(left, (long_ago, long_ago))
    probed(tmp_path)
    assert list(tmp_path.iterdir()) == [fresh]


def test_the_scratch_file_takes_a_twentieth_of_the_free_space_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "MOST_SCRATCH_BYTES", 1024 * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=400 * MIB))
    assert probed(tmp_path).file_bytes == 20 * MIB


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100 * MIB))
    with pytest.raises(InputError, match=r"^only 100 MiB are free .* needs 320 MiB: make room or name another folder$"):
        probed(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        probed(tmp_path / "none")


def test_a_file_too_small_to_time_is_refused(tmp_path: Path) -> None:
    small = tmp_path / "small.gguf"
    small.write_bytes(bytes(MIB))
    with pytest.raises(InputError, match="less than 8 MiB"):
        probed(tmp_path, small)


def test_every_block_can_be_read_directly() -> None:
    assert all(pattern.block_bytes % 4096 == 0 for pattern in PATTERNS)
    assert max(pattern.in_flight for pattern in PATTERNS) == 32
