"""What this machine's parts reach by themselves: starting values and bounds for the fit, never predictions.

Bandwidth of RAM, of the link to each device and of the disk, and the speed of ggml's own products, each repeated; the
RAM probe once more between the others tells how far one run lies from the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from calibration.probes import calm
from calibration.probes.compute import ROUNDS, ComputeProbe, probe_compute
from calibration.probes.disk import AROUND, PATTERNS, DiskProbe, probe_disk
from calibration.probes.link import LinkProbe, probe_links
from calibration.probes.ram import RamProbe, ReadBench, probe_ram, usable_processors
from calibration.probes.sample import Sample
from catalog.profiles import ProbeResult

Told = Callable[[str, float], None]
"""Called with what is measured next and the share of the work that is done."""
QUICK_ROUNDS: Final = 2
_QUICK_PATTERNS: Final = tuple(
    pattern
    for pattern in PATTERNS
    if pattern.sequential or pattern == AROUND or pattern.block_bytes == PATTERNS[0].block_bytes
)


@dataclass(frozen=True, slots=True)
class Probes:
    """All that was measured. `noise` is of the RAM probe's medians over the whole time; `warnings` are sentences."""

    ram: RamProbe
    links: tuple[LinkProbe, ...]
    disk: DiskProbe
    compute: ComputeProbe
    noise: Sample
    warnings: tuple[str, ...]

    def results(self) -> tuple[ProbeResult, ...]:
        """Rows of a profile."""
        return (
            *self.ram.results(),
            self.noise.result("ram_read_noise_gb_s", "GB/s"),
            *(row for link in self.links for row in link.results()),
            *self.disk.results(),
            *self.compute.results(),
        )


def probe_all(
    folder: Path,
    rpc: Sequence[str] = (),
    threads: Sequence[int] | None = None,
    told: Told = lambda _what, _share: None,
    *,
    model: Path | None = None,
    quick: bool = False,
) -> Probes:
    """Measure RAM, links, the disk of `folder` (reading `model`, if given) and products in about 25 s, quick in 10 s.

    `rpc` are endpoints ("host:port") of RPC servers; `threads` the numbers of threads to try with RAM. Raises
    InputError (no memory or disk space left, no server), EngineMissing and EngineFailed.
    """
    told("how busy this computer is", 0.0)
    warnings = calm.complaints(calm.look())
    told("RAM", 0.05)
    ram = probe_ram(threads, repeats=5 if quick else 9)
    medians = [dict(ram.by_threads)[ram.knee].value]
    told("links to devices", 0.2)
    links = probe_links(rpc, repeats=5 if quick else 15, seconds_each=0.05 if quick else 0.2)
    medians.append(_again(ram))
    told("disk", 0.4)
    disk = probe_disk(
        folder, model, patterns=_QUICK_PATTERNS if quick else PATTERNS, seconds_each=0.2 if quick else 0.5
    )
    medians.append(_again(ram))
    told("ggml's products", 0.65)
    compute = _products(quick=quick)
    medians.append(_again(ram))
    told("done", 1.0)
    failed = tuple(f"{link.device} could not be measured: {link.failed}" for link in links if link.failed)
    notes = (*warnings, *failed, *((disk.note,) if disk.note else ()), *_too_small(ram))
    return Probes(ram, links, disk, compute, Sample.of(medians), notes)


def _again(ram: RamProbe) -> float:
    """The RAM probe's median once more, GB/s."""
    with ReadBench(ram.buffer_bytes, ram.kernel) as bench:
        return bench.sample(ram.knee, 5).value


def _products(*, quick: bool) -> ComputeProbe:
    """A decoded token on one thread, where unpacking limits and not RAM; on all a batch of a prompt, and one through
    experts. Of every type, even where there is little time: what is known of a type that was neither probed nor run
    is how fast others are, and on one machine Q5_K_M was then predicted 38 % too fast (2026-11-30).
    """
    threads, rounds = (usable_processors(),), QUICK_ROUNDS if quick else ROUNDS
    token = probe_compute((1,), columns=(1,), rounds=rounds)
    batch = probe_compute(threads, columns=(512,), rounds=rounds)
    experts = probe_compute(threads, columns=(128,), routed=True, rounds=rounds)
    return ComputeProbe(token.rates + batch.rates + experts.rates)


def _too_small(ram: RamProbe) -> tuple[str, ...]:
    if ram.beyond_cache:
        return ()
    return ("too little memory is free for the RAM probe to look well beyond the caches: close other programs",)
