"""The link probe: the line through the sizes, a real remote device on the loopback, and drivers that crash."""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from advisor.engine.remote import RemoteError, RpcServer
from calibration.probes import link
from calibration.probes.child import ProbeFailed, told_by_child
from calibration.probes.link import SIZES_BYTES, SMALL_BYTES, direction_of, probe_links
from catalog.units import KIB, MIB
from tests.advisor.crashing import BY_SIGILL

SIZES = (SMALL_BYTES, *SIZES_BYTES)


@pytest.fixture(scope="session", autouse=True)
def _closed_files() -> Iterator[None]:
    """llama_cpp leaves two files on /dev/null open, which Python would tell of as it ends."""
    yield
    if utilities := sys.modules.get("llama_cpp._utils"):
        utilities.outnull_file.close()
        utilities.errnull_file.close()


def line(latency_s: float, bytes_per_s: float, noise: tuple[float, ...] = (1.0, 1.0, 1.0)) -> dict[str, list[float]]:
    return {str(size): [factor * (latency_s + size / bytes_per_s) for factor in noise] for size in SIZES}


def test_bandwidth_is_the_slope_and_latency_the_time_of_the_smallest() -> None:
    found = direction_of(line(20e-6, 8e9))
    assert found.bandwidth_gb_s.value == pytest.approx(8.0)
    assert found.latency_us.value == pytest.approx(20 + 4096 / 8e9 * 1e6)
    assert found.seconds[-1] == (64 * MIB, pytest.approx(20e-6 + 64 * MIB / 8e9))


def test_a_long_latency_does_not_lower_the_bandwidth() -> None:
    # 2 ms, as between two houses: 64 MiB take 10.4 ms, of which a plain quotient would make 6.5 GB/s.
    assert direction_of(line(2e-3, 8e9)).bandwidth_gb_s.value == pytest.approx(8.0)


def test_a_burst_at_the_small_sizes_hides_no_slow_link() -> None:
    # As behind a token bucket: up to 256 KiB pass at 10 GB/s, the rest at 0.1 GB/s.
    free = 256 * KIB
    shaped = {str(size): [20e-6 + size / 1e10 + max(0, size - free) / 1e8] * 3 for size in SIZES}
    assert direction_of(shaped).bandwidth_gb_s.value == pytest.approx(0.1, rel=0.02)  # 1/0.1 + 1/10 ns a byte: 0.099


def test_the_spread_is_that_of_the_repeats() -> None:
    found = direction_of(line(20e-6, 8e9, (0.9, 1.0, 1.1)))
    # Rates 8 / 0.9, 8 and 8 / 1.1: mean 8.05387, deviations 0.83502, -0.05387, -0.78114 give 0.80943.
    assert found.bandwidth_gb_s.spread == pytest.approx(0.80943 / 8, rel=1e-4)
    assert found.bandwidth_gb_s.repeats == 3


def test_one_size_alone_gives_its_quotient() -> None:
    assert direction_of({str(64 * KIB): [1e-3] * 3}).bandwidth_gb_s.value == pytest.approx(65_536 / 1e-3 / 1e9)


def test_a_device_on_the_loopback_has_a_link() -> None:
    with RpcServer.start(threads=1, devices=["CPU"]) as server:
        (found,) = probe_links([str(server.endpoint)], repeats=3, seconds_each=0.02)
        assert found.description == str(server.endpoint)
    assert (found.device, found.pinned, found.failed) == ("RPC0", None, None)
    assert found.pageable is not None
    for direction in (found.pageable.to_device, found.pageable.from_device):
        assert tuple(size for size, _ in direction.seconds) == SIZES
        assert 0 < direction.bandwidth_gb_s.value < 1000
    rows = list(found.results())
    assert [(row.name, row.unit) for row in rows] == [
        ("link_to_device_gb_s device=RPC0 memory=pageable", "GB/s"),
        ("link_to_device_latency_us device=RPC0 memory=pageable", "us"),
        ("link_from_device_gb_s device=RPC0 memory=pageable", "GB/s"),
        ("link_from_device_latency_us device=RPC0 memory=pageable", "us"),
        ("link_round_trip_us device=RPC0 memory=pageable", "us"),
    ]
    assert all(math.isfinite(row.value) and row.value > 0 for row in rows)


def test_no_server_is_refused_before_llama_cpp_ends_a_process() -> None:
    with pytest.raises(RemoteError, match=r"no RPC server can be reached at 127\.0\.0\.1:1 "):
        probe_links(["127.0.0.1:1"])


SOUND = {
    way: line(1e-5, 1e10) for way in ("to_device", "from_device")
} | {"round_trip": [2e-5] * 3}


def test_a_driver_that_ends_the_process_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(verb: str, task: Mapping[str, Any], patience_s: float) -> Iterator[dict[str, Any]]:
        for name in ("Vulkan0", "CUDA0"):
            if name in task["skipped"]:
                continue
            yield {"begun": name}
            if name == "Vulkan0":
                raise ProbeFailed("the process of the link probe ended (signal 11): device lost")
            yield {"device": name, "description": "a card", "pageable": SOUND, "pinned": SOUND}

    monkeypatch.setattr(link, "told_by_child", told)
    broken, sound = probe_links()
    assert (broken.device, broken.pageable) == ("Vulkan0", None)
    assert broken.failed is not None
    assert "device lost" in broken.failed
    assert list(broken.results()) == []
    assert sound.pinned is not None
    assert [row.name for row in sound.results()][5:] == [
        name.name.replace("pageable", "pinned") for name in list(sound.results())[:5]
    ]


def test_a_process_that_fails_before_any_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProbeFailed, match=r"the process of the link probe ended with code 1 .*KeyError: 'rpc'"):
        list(told_by_child("link", {}, 60.0))


def test_a_process_that_falls_silent_is_ended() -> None:
    with pytest.raises(ProbeFailed, match=r"the link probe gave no answer within 0.01 seconds and was ended"):
        list(told_by_child("link", {"rpc": [], "repeats": 3, "seconds": 0.02, "skipped": []}, 0.01))


def test_a_probe_that_meets_an_illegal_instruction_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibration.probes.child.module", lambda *_words: BY_SIGILL)
    told = r"^the process of the link probe .* \(SIGILL\); .*scripts/install-engine builds"
    with pytest.raises(ProbeFailed, match=told):
        list(told_by_child("link", {}, 60.0))
