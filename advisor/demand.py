"""What a placement must find room for: weights, caches and buffers of a footprint for one context."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.footprint import Footprint
from advisor.memory import compute_buffer_bytes, kv_bytes

Layers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be held: a footprint with its caches and buffers for one context. Per-layer arrays in bytes."""

    footprint: Footprint
    resident: Layers
    experts: Layers
    kv: Layers
    state: Layers
    held: Layers
    """Weights but the experts, cache and state."""
    held_below: tuple[float, ...]
    """Sum of `held` over the layers below each, and over all."""
    experts_below: tuple[float, ...]
    kv_sum: float
    output: float
    compute: float
    compute_offload: float
    """Compute buffer of a GPU that also receives copies of RAM-resident experts in prefill."""
    compute_cpu: float

    @property
    def weights_bytes(self) -> float:
        """All weights read or looked up during inference."""
        return float(self.resident.sum() + self.experts.sum()) + self.output + self.footprint.embedding_bytes


@lru_cache(maxsize=4096)
def demand_of(
    footprint: Footprint, n_ctx: int, kv_types: tuple[str, str], ubatch: int, flash_attn: bool, users: int
) -> Demand:
    """Sizes of everything that a placement must find room for. `n_ctx` is per sequence."""
    on_gpu, offload, beside = (
        float(compute_buffer_bytes(footprint, ubatch, n_ctx, flash_attn, gpu, copies))
        for gpu, copies in ((True, False), (True, True), (False, False))
    )
    resident, experts = footprint.layer_resident_bytes.sum(axis=1), footprint.layer_expert_bytes.sum(axis=1)
    kv = np.asarray(kv_bytes(footprint, n_ctx, *kv_types, ubatch, users))
    state = footprint.layer_recurrent_bytes * users
    held = resident + kv + state
    return Demand(
        footprint=footprint,
        resident=resident,
        experts=experts,
        kv=kv,
        state=state,
        held=held,
        held_below=_sums_below(held),
        experts_below=_sums_below(experts),
        kv_sum=float(kv.sum()),
        output=float(footprint.output_bytes.sum()),
        compute=on_gpu,
        compute_offload=offload,
        compute_cpu=beside,
    )


def _sums_below(sizes: Layers) -> tuple[float, ...]:
    return (0.0, *np.cumsum(sizes).tolist())
