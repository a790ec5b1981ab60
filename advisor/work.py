"""What a placement makes each device do, in numbers that do not depend on any efficiency.

One `Work` per scenario; `stack` joins many into arrays of the same fields, so that one call of the physics serves a
single prediction, the ranking's thousands and the fit's runs alike. Per-family fields have one entry per quant family.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.footprint import Footprint

FAMILIES = ("float", "q8", "q4", "q5", "q4_k", "q5_k", "q6_k", "q3_k", "q2_k", "iq4", "fp4", "iq_low")
"""Quant families whose kernels behave alike."""
KINDS = {
    "q5": "q4", "q4_k": "k", "q5_k": "k", "q6_k": "k", "q3_k": "k_low", "q2_k": "k_low", "iq4": "four", "fp4": "four",
}  # fmt: skip
"""Families of one kind, packed alike: what is known of one says something of the others. Others are their own kind."""

Vector = NDArray[np.float64]
Numbers = float | Vector


def family_of(tensor_type: str) -> str:
    """Quant family of a ggml tensor type.

    >>> [family_of(name) for name in ("BF16", "Q4_K", "Q2_K_R4", "IQ4_XS", "IQ2_XXS", "Q4_0", "Q8_0", "MXFP4")]
    ['float', 'q4_k', 'q2_k', 'iq4', 'iq_low', 'q4', 'q8', 'fp4']
    """
    name = tensor_type.upper()
    for prefixes, family in _FAMILY_BY_PREFIX:
        if name.startswith(prefixes):
            return family
    return "q4"


_FAMILY_BY_PREFIX = (
    (("F", "BF"), "float"), (("Q8",), "q8"), (("IQ1", "IQ2", "IQ3", "TQ"), "iq_low"), (("IQ",), "iq4"),
    (("MXFP4", "NVFP4"), "fp4"), (("Q5_0", "Q5_1"), "q5"),
    *(((f"Q{bits}_K",), f"q{bits}_k") for bits in (2, 3, 4, 5, 6)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Work of one decode step and of one prompt. Seconds are at 100 % of the peaks."""

    gpu_dense_s: Vector
    gpu_expert_s: Vector
    gpu_kv_s: Numbers
    gpu_state_s: Numbers
    gpu_matrices: Numbers
    gpu_moe_layers: Numbers
    gpu_recurrent_layers: Numbers
    gpu_used: Numbers
    cpu_bytes: Vector
    cpu_weights: Vector
    cpu_kv_bytes: Numbers
    cpu_kv_products: Numbers
    """Multiplications of a step's attention on the CPU: queries with keys, and weights with values."""
    cpu_kv_scores: Numbers
    """Scores that they give: one for each head and token of context."""
    cpu_layers: Numbers
    cpu_expert_layers: Numbers
    cpu_recurrent_layers: Numbers
    crossings: Numbers
    link_s: Numbers
    spill_s: Numbers
    cycled_bytes: Numbers
    """Weights of every step that are read from disk in every step: all of them where not all find room in RAM."""
    paged_expert_bytes: Numbers
    paged_share: Numbers
    """Experts read in a step from a mapped file, and the part of that file that the page cache cannot hold."""
    ram_bandwidth: Numbers
    threads: Numbers
    crowding: Numbers
    """Threads beyond the physical cores, as a part of the cores: 1 where two share each."""
    sockets: Numbers
    vector_bandwidth: Numbers
    random_bandwidth: Numbers
    users: Numbers
    prompt_tokens: Numbers
    batches: Numbers
    stages: Numbers
    prefill_dense_s: Vector
    prefill_expert_s: Vector
    prefill_attention_s: Numbers
    prefill_stream_s: Vector
    prefill_link_s: Numbers
    prefill_products: Vector
    prefill_expert_products: Vector
    """The CPU's part of a prompt's multiplications, without and of routed experts."""
    prefill_cpu_bytes: Vector
    prefill_cpu_kv_products: Numbers
    prefill_cpu_kv_scores: Numbers
    rows_per_expert: Numbers


def stack(works: Sequence[Work]) -> Work:
    """Many works as one: numbers become arrays of shape (n,), family vectors (n, families)."""
    numbers = iter(np.array([_NUMBERS(work) for work in works]).T)
    vectors = iter([np.array(column) for column in zip(*map(_VECTORS, works), strict=True)])
    return Work(*(next(vectors if item.type is Vector else numbers) for item in fields(Work)))


_NUMBERS = attrgetter(*(item.name for item in fields(Work) if item.type is not Vector))
_VECTORS = attrgetter(*(item.name for item in fields(Work) if item.type is Vector))


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Bytes and weight counts of a footprint by quant family, and what else is counted by layers: sums over the layers
    below each, and over all. The difference of two rows is what the layers between them have.
    """

    resident_below: Vector
    """Columns: `BYTES`, `WEIGHTS` by family, `LAYERS`, bytes of `STATE`, `FULL` and `SLIDING` attention."""
    experts_below: Vector
    """Columns: `BYTES`, `WEIGHTS` by family, 1 for a layer with experts."""
    output: Vector
    """Bytes and weights of the output by family."""
    last_feed_forward: Vector
    """Bytes and weights by family of what follows the last layer's attention, its routed experts excepted."""
    counts: tuple[float, ...]
    """The columns of `LAYERS` over all layers."""
    resident_bytes: float
    expert_bytes: float
    window: float
    """Tokens that the sliding layers attend to; 0 without such layers."""


BYTES, WEIGHTS = slice(0, len(FAMILIES)), slice(len(FAMILIES), 2 * len(FAMILIES))
SIZES = slice(0, WEIGHTS.stop)
LAYERS = slice(WEIGHTS.stop, WEIGHTS.stop + 4)
"""1, matrices, whether recurrent, whether it has experts."""
STATE = LAYERS.stop
ATTENTION = slice(STATE + 1, STATE + 9)
FULL, SLIDING = slice(STATE + 1, STATE + 5), slice(STATE + 5, STATE + 9)
"""Of attention to all of the context and of attention to a window: elements of keys and of values, FLOP per query, each
per token of context, and heads.
"""


@lru_cache(maxsize=4096)
def shares_of(footprint: Footprint) -> Shares:
    """A footprint's tensor types summed up by quant family."""
    families = np.zeros((len(footprint.types), len(FAMILIES)))
    families[np.arange(len(footprint.types)), [FAMILIES.index(family_of(name)) for name in footprint.types]] = 1.0
    per_byte = 8 / footprint.bits_per_weight
    resident, experts, output = footprint.layer_resident_bytes, footprint.layer_expert_bytes, footprint.output_bytes
    moe, last = footprint.layer_is_moe[:, None], footprint.last_feed_forward_bytes
    resident_below = _below(resident @ families, (resident * per_byte) @ families, *_counted(footprint))
    return Shares(
        resident_below=resident_below,
        experts_below=_below(experts @ families, (experts * per_byte) @ families, moe),
        output=np.concatenate([output @ families, (output * per_byte) @ families]),
        last_feed_forward=np.concatenate([last @ families, (last * per_byte) @ families]),
        counts=tuple(resident_below[-1, LAYERS].tolist()),
        resident_bytes=float(resident.sum()),
        expert_bytes=float(experts.sum()),
        window=float(footprint.layer_window.max(initial=0.0)),
    )


def _counted(footprint: Footprint) -> tuple[Vector, Vector, Vector]:
    """The columns of `LAYERS` and `STATE`, of `FULL` and of `SLIDING`."""
    state, sliding = footprint.layer_recurrent_bytes, (footprint.layer_window > 0)[:, None]
    ones = np.ones(footprint.n_layers)
    layers = np.column_stack([ones, footprint.layer_matrices, state > 0, footprint.layer_is_moe, state])
    per_token = np.column_stack(
        [footprint.layer_kv_elements, footprint.layer_attention_flops, footprint.layer_attention_heads]
    )
    return layers, per_token * ~sliding, per_token * sliding


def _below(*columns: NDArray[Any]) -> Vector:
    below = np.cumsum(np.hstack(columns), axis=0)
    return np.vstack([np.zeros(below.shape[1]), below])
