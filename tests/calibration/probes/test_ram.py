"""The RAM probe: what it counts is what it reads, and where its curve bends."""

import math
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from advisor.errors import InputError
from calibration.probes import ram
from calibration.probes.ram import MARK, RamProbe, ReadBench, buffer_size, kernels, probe_ram, slices
from calibration.probes.sample import Sample
from catalog.units import GIB, MIB

SMALL = 8 * MIB


@pytest.mark.parametrize("name", kernels())
def test_every_kernel_reads_every_byte(name: str) -> None:
    buffer = np.zeros(2 * 65_536, np.uint8)
    assert not kernels()[name](buffer)
    half = buffer.size // 2
    for place in (0, 1, 63, 64, half - 1, half, half + 1, buffer.size - 1, *range(5, buffer.size, 997)):
        buffer[place] = MARK
        assert kernels()[name](buffer), place
        buffer[place] = 0


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_threads_read_all_of_the_buffer_once_but_a_few_pages(threads: int) -> None:
    buffer = np.zeros(SMALL, np.uint8)
    for part in slices(buffer, threads):
        part += 1
    assert buffer.max() == 1
    assert SMALL - int(buffer.sum()) < threads * 2 * 4096


def test_what_is_counted_is_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(ram, "kernels", lambda: {"counted": lambda part: read.append(part.nbytes) or False})
    clock = iter(range(10_000))
    monkeypatch.setattr(ram.time, "perf_counter", lambda: float(next(clock)))  # each look at it is a second later
    with ReadBench(SMALL, "counted") as bench:
        assert bench.sample(1, 3).value == pytest.approx(SMALL / 1e9)  # 8 MiB in the second from start to end
    assert read == [SMALL] * 4  # to see how long a pass takes, and three repeats of one pass


def test_each_number_of_threads_is_measured() -> None:
    found = probe_ram((1, 2), buffer_bytes=SMALL, repeats=3)
    assert [threads for threads, _ in found.by_threads] == [1, 2]
    rows = {row.name: row for row in found.results()}
    assert {"ram_read_gb_s threads=1", "ram_read_gb_s threads=2", "ram_knee_threads"} <= set(rows)
    assert all(math.isfinite(row.value) and row.value > 0 for row in rows.values())
    assert rows["ram_read_gb_s threads=2"].repeats == 3
    assert found.best.value == max(rows[f"ram_read_gb_s threads={threads}"].value for threads in (1, 2))


@pytest.mark.parametrize(
    ("rates", "knee"),
    [((10, 19, 20, 20.5), 3), ((10, 20, 18, 12), 2), ((30, 30, 31), 1), ((10, 19.5, 20), 2)],
)  # 95 % of 20.5 is 19.475, of 20 is 19, of 31 is 29.45
def test_the_knee_is_the_fewest_threads_that_come_near_the_best(rates: tuple[float, ...], knee: int) -> None:
    samples = tuple((count, Sample(float(rate), 0.0, 5)) for count, rate in enumerate(rates, 1))
    assert RamProbe(samples, None, "max", SMALL, True).knee == knee


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=size))
    monkeypatch.setattr(ram, "memory_gib", lambda: None)


def cache_of(monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    monkeypatch.setattr(ram, "read_caches", lambda: SimpleNamespace(last_level_bytes=size))


def test_the_buffer_is_four_times_the_cache_and_at_least_256_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 64 * GIB)
    for cache, expected in ((None, 256), (8 * MIB, 256), (105 * MIB, 420)):
        cache_of(monkeypatch, cache)
        assert buffer_size() == (expected * MIB, True)


def test_the_buffer_takes_an_eighth_of_the_free_memory_at_most_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, GIB)
    cache_of(monkeypatch, 105 * MIB)
    assert buffer_size() == (128 * MIB, False)


def test_the_limit_of_a_container_counts_as_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 64 * GIB)
    cache_of(monkeypatch, 105 * MIB)
    monkeypatch.setattr(ram, "memory_gib", lambda: 2.0)
    assert buffer_size() == (256 * MIB, False)


def test_too_little_free_memory_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 100 * MIB)
    cache_of(monkeypatch, None)
    with pytest.raises(InputError, match=r"^only 100 MiB of memory is free, .* needs 512 MiB: close other programs$"):
        buffer_size()
