"""What the layers of placements sum up to on each side: GPUs, CPU, and what a prompt moves from the one to the other.

The layers of a case fall into runs, the first on the CPU and one on each GPU. What a run has is the difference of two
rows of `Shares`. Cases are summed up together: arrays have one row per case.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.columns import Placed
from advisor.machine import NO_GPU
from advisor.work import ATTENTION, BYTES, FAMILIES, LAYERS, SIZES, Shares, Vector
from catalog.units import GB, TERA


class LayerSums(NamedTuple):
    """Sums over layers; columns as in `Shares`. Per B/s and FLOP/s: divided by that peak of the GPU of each layer."""

    gpus: Vector
    """GPUs that have layers. [cases]"""
    devices: Vector
    """The same with the CPU."""
    gpu: Vector
    """All columns per B/s."""
    gpu_expert_s: Vector
    """Bytes of experts on GPUs by family, per B/s."""
    gpu_attention: Vector
    """Columns of `ATTENTION`, per FLOP/s."""
    cpu: Vector
    """All columns of the layers on the CPU."""
    ram_experts: Vector
    """All columns of the experts in RAM: of layers on the CPU, and of those whose experts alone are there."""
    prompt_dense: Vector
    """What a GPU computes of a prompt, of layers in RAM too, where it offloads: bytes per B/s, weights per FLOP/s. Here
    and below without the last layer's feed-forward part, which a prompt needs for a single token.
    """
    prompt_experts: Vector
    prompt_cpu: Vector
    """Bytes and weights of the layers on the CPU."""
    prompt_ram_experts: Vector
    """Those of the experts in RAM."""


class _Runs(NamedTuple):
    """One row per run."""

    first: NDArray[np.intp]
    """Where each case begins, with its run on the CPU."""
    lengths: list[int]
    resident: Vector
    experts: Vector
    experts_on_gpu: Vector
    peaks: Vector
    """B/s and FLOP/s, infinite for the CPU, which adds nothing to a GPU's time."""
    last: NDArray[np.intp]
    """The run of each case that has its last layer."""


def _runs(cases: Sequence[Placed], shares: Sequence[Shares]) -> _Runs:
    resident, experts, on_gpu, peaks, last = [], [], [], [], []
    lengths: list[int] = []
    for case, share in zip(cases, shares, strict=True):
        bounds, experts_from = case.placement.bounds, case.placement.experts_from
        resident += [share.resident_below[bound] for bound in bounds]
        experts += [share.experts_below[bound] for bound in bounds]
        on_gpu += [share.experts_below[max(bound, experts_from)] for bound in bounds]
        peaks += [NO_GPU.peaks, *[gpu.peaks for gpu in case.machine.gpus]]
        last.append(sum(lengths) + bounds.index(bounds[-1]) - 1)
        lengths.append(len(bounds) - 1)
    ends = np.cumsum(lengths)
    within = np.ones(len(resident) - 1, dtype=bool)
    within[(ends + np.arange(len(ends)))[:-1]] = False
    return _Runs(
        first=ends - np.array(lengths), lengths=lengths, resident=_between(resident, within),
        experts=_between(experts, within), experts_on_gpu=_between(on_gpu, within), peaks=np.array(peaks) * (GB, TERA),
        last=np.array(last),
    )  # fmt: skip


def _between(below: list[Vector], within: NDArray[np.bool_]) -> Vector:
    """Differences of rows that follow each other `within` a case."""
    rows = np.concatenate(below).reshape(len(below), -1)
    return np.asarray((rows[1:] - rows[:-1])[within])


def layer_sums(cases: Sequence[Placed], shares: Sequence[Shares], offload: NDArray[np.bool_]) -> LayerSums:
    """Sums of many placements; `offload`: whether a prompt's part of what lies in RAM is computed by the main GPU."""
    runs = _runs(cases, shares)
    bandwidth, flops = runs.peaks[:, :1], runs.peaks[:, 1:]
    used = (runs.resident[:, LAYERS.start] > 0).astype(np.float64)
    ram_experts = np.array(
        [share.experts_below[case.placement.experts_from] for share, case in zip(shares, cases, strict=True)]
    )
    prompt = _prompt(cases, shares, runs, ram_experts)
    prompt_peaks = np.repeat(_prompt_peaks(cases, runs, offload), len(FAMILIES), axis=1)
    prompt_experts = np.where(np.repeat(offload, runs.lengths)[:, None], prompt.experts, prompt.experts_on_gpu)

    def total(values: Vector) -> Vector:
        return np.add.reduceat(values, runs.first)

    devices = total(used)
    return LayerSums(
        gpus=devices - used[runs.first],
        devices=devices,
        gpu=total(runs.resident / bandwidth),
        gpu_expert_s=total(runs.experts_on_gpu[:, BYTES] / bandwidth),
        gpu_attention=total(runs.resident[:, ATTENTION] / flops),
        cpu=runs.resident[runs.first],
        ram_experts=ram_experts,
        prompt_dense=total(prompt.resident / prompt_peaks),
        prompt_experts=total(prompt_experts / prompt_peaks),
        prompt_cpu=prompt.resident[runs.first],
        prompt_ram_experts=prompt.ram_experts,
    )


class _Prompt(NamedTuple):
    """What a prompt needs of each run, and of the experts in RAM of each case: bytes and weights."""

    resident: Vector
    experts: Vector
    experts_on_gpu: Vector
    ram_experts: Vector


def _prompt(cases: Sequence[Placed], shares: Sequence[Shares], runs: _Runs, ram_experts: Vector) -> _Prompt:
    """All but the last layer's feed-forward part, which is computed for the one token whose logits are wanted."""
    places = [case.placement for case in cases]
    in_ram = np.array([[place.experts_from >= place.bounds[-1]] for place in places])
    routed = np.array([share.experts_below[-1, SIZES] - share.experts_below[-2, SIZES] for share in shares])
    resident, experts, on_gpu = (
        table[:, SIZES].copy() for table in (runs.resident, runs.experts, runs.experts_on_gpu)
    )  # fmt: skip
    resident[runs.last] -= np.array([share.last_feed_forward for share in shares])
    experts[runs.last] -= routed
    on_gpu[runs.last] -= routed * ~in_ram
    return _Prompt(resident, experts, on_gpu, ram_experts[:, SIZES] - routed * in_ram)


def _prompt_peaks(cases: Sequence[Placed], runs: _Runs, offload: NDArray[np.bool_]) -> Vector:
    """Peaks of the GPU that computes each run's part of a prompt."""
    peaks = runs.peaks.copy()
    mains = [case.machine.main_gpu if offloads else NO_GPU for case, offloads in zip(cases, offload, strict=True)]
    peaks[runs.first] = np.array([gpu.peaks for gpu in mains]) * (GB, TERA)
    return peaks
