"""All probes in one go."""

from pathlib import Path

import pytest

from calibration.probes import disk, probe_all
from catalog.profiles import ProbeResult
from catalog.units import MIB


def test_all_probes_give_rows_of_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOST_SCRATCH_BYTES", 16 * MIB)
    for module in ("ram", "compute"):
        monkeypatch.setattr(f"calibration.probes.{module}.buffer_size", lambda: (16 * MIB, False))
    told: list[tuple[str, float]] = []
    found = probe_all(tmp_path, threads=(1, 2), told=lambda what, share: told.append((what, share)), quick=True)
    rows = found.results()
    assert all(isinstance(row, ProbeResult) for row in rows)
    assert len({row.name for row in rows}) == len(rows) < 200
    kinds = {row.name.split()[0] for row in rows}
    assert kinds >= {
        "ram_read_gb_s", "ram_knee_threads", "ram_read_noise_gb_s", "disk_read_gb_s", "cpu_product_read_gb_s",
        "cpu_product_gflop_s",
    }
    assert found.noise.repeats == 4
    assert found.links == ()  # the CPU alone has no link
    assert found.warnings[-1].startswith("too little memory is free for the RAM probe")
    assert list(tmp_path.glob(f"{disk.PREFIX}*")) == []
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
