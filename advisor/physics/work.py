"""What a placement makes each device do, in numbers that do not depend on any efficiency.

One `Work` per scenario; `stack` joins many into arrays of the same fields, so that one call of the physics serves a
single prediction, the ranking's thousands and the fit's runs alike. Per-family fields have one entry per quant family.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.machines.machine import NO_GPU, Machine
from advisor.physics.placement import CPU, Demand, Placement, ram_available
from advisor.sizes.buffers import expected_experts, kv_element_bytes, tokens_seen
from advisor.sizes.footprint import Footprint
from catalog.units import GB, TERA

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


# Many placements as columns: each number that decides their work as one array with an entry per placement.

@dataclass(frozen=True, slots=True)
class Usage:
    """The part of a workload that decides work: tokens, depths, batch and threads."""

    depth: float
    prompt_start: float
    prompt_tokens: int
    ubatch: int
    threads: int
    users: int
    kv_types: tuple[str, str]
    offload_min_batch: int
    mapped: bool
    """Whether the model's file is mapped into memory (llama.cpp's default)."""


class Placed(Protocol):
    """What is placed and used on a machine."""

    @property
    def demand(self) -> Demand:
        """What is held."""
        ...

    @property
    def placement(self) -> Placement:
        """Where it is held."""
        ...

    @property
    def machine(self) -> Machine:
        """What holds it."""
        ...

    @property
    def usage(self) -> Usage:
        """What it is asked for."""
        ...


class Columns(NamedTuple):
    """Numbers named as where they come from: usage, footprint, shares, placement, machine."""

    depth: Vector
    prompt_start: Vector
    prompt_tokens: Vector
    ubatch: Vector
    threads: Vector
    users: Vector
    offload_min_batch: Vector
    mapped: Vector
    n_experts: Vector
    n_experts_used: Vector
    embedding_bytes: Vector
    file_bytes: Vector
    hidden_size: Vector
    ram_bytes: Vector
    storage_bytes: Vector
    spilled_bytes: Vector
    unified: Vector
    offloads: Vector
    ram_gb_s: Vector
    cores: Vector
    sockets: Vector
    vector_gb_s: Vector
    random_gb_s: Vector
    link_gb_s: Vector
    """Of the first GPU."""
    output_gb_s: Vector
    """Bandwidth of the GPU with the output; infinite where it is on the CPU."""
    output_on_gpu: Vector
    several_gpus: Vector
    """Whether several GPUs take turns."""
    ram_available: Vector
    k_bytes: Vector
    v_bytes: Vector
    """Of an element of keys and of values."""
    resident_bytes: Vector
    expert_bytes: Vector
    window: Vector
    layers: Vector
    matrices: Vector
    recurrent_layers: Vector
    moe_layers: Vector


_read = attrgetter(
    "usage.depth", "usage.prompt_start", "usage.prompt_tokens", "usage.ubatch", "usage.threads", "usage.users",
    "usage.offload_min_batch", "usage.mapped",
    "demand.footprint.n_experts", "demand.footprint.n_experts_used", "demand.footprint.embedding_bytes",
    "demand.footprint.file_bytes", "demand.footprint.hidden_size",
    "placement.ram_bytes", "placement.storage_bytes", "placement.spilled_bytes",
    "machine.unified", "machine.offloads", "machine.ram.bandwidth_gb_s", "machine.cpu.cores", "machine.cpu.sockets",
    "machine.cpu.vector_gb_s", "machine.storage.random_gb_s", "machine.main_gpu.link_gb_s",
)  # fmt: skip


def columns_of(cases: Sequence[Placed], shares: Sequence[Shares]) -> Columns:
    """The columns of placements; `shares` are those of their footprints."""
    rows = [(*_read(case), *_derived(case, share)) for case, share in zip(cases, shares, strict=True)]
    table: NDArray[np.float64] = np.ascontiguousarray(np.array(rows, dtype=np.float64).T)
    return Columns(*table)


def _derived(case: Placed, share: Shares) -> tuple[float, ...]:
    machine, place = case.machine, case.placement
    head = NO_GPU if place.output_device == CPU else machine.gpus[place.output_device]
    k_type, v_type = case.usage.kv_types
    return (
        head.bandwidth_gb_s, place.output_device != CPU, place.strategy == "multi_gpu", ram_available(machine, 0.0),
        kv_element_bytes(k_type), kv_element_bytes(v_type), share.resident_bytes, share.expert_bytes, share.window,
        *share.counts,
    )  # fmt: skip


# What the layers of placements sum up to on each side: GPUs, CPU, and what a prompt moves from the one to the other.
#
# The layers of a case fall into runs, the first on the CPU and one on each GPU. What a run has is the difference of two
# rows of `Shares`. Cases are summed up together: arrays have one row per case.

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


# The work that placements give to each device: bytes, weights and matrix counts of one decode step and of one prompt.
#
# Many cases are worked out together: arrays have one row per case.

EXPERT_MATRICES = 3
"""Fused matrix multiplications (up, gate, down) of a layer's routed experts."""
ACTIVATION_BYTES = 4
"""Activations cross the link as 32-bit floats."""
_ATTENDING = slice(0, FULL.stop - FULL.start), slice(FULL.stop - FULL.start, SLIDING.stop - FULL.start)
"""`FULL` and `SLIDING` among the columns of `ATTENTION`."""

__all__ = ["Usage", "work_of", "works_of"]


class _Alone(NamedTuple):
    demand: Demand
    placement: Placement
    machine: Machine
    usage: Usage


def work_of(demand: Demand, placement: Placement, machine: Machine, usage: Usage) -> Work:
    """Work of one placement on a machine."""
    found = works_of([_Alone(demand, placement, machine, usage)])
    return Work(**{item.name: _only(getattr(found, item.name)) for item in fields(Work)})


def _only(column: Any) -> Any:
    return column[0] if column.ndim > 1 else float(column[0])


def works_of(cases: Sequence[Placed]) -> Work:
    """Work of many placements: numbers of shape (cases,), family vectors (cases, families)."""
    shares = [shares_of(case.demand.footprint) for case in cases]
    given = columns_of(cases, shares)
    batch = _batch(given)
    sums = layer_sums(cases, shares, batch.offload)
    caches, held = _caches(given, sums, batch.tokens), _held(sums)
    output = np.array([share.output for share in shares])
    decode = _decode_work(given, batch, sums, caches, held) | _weights_read(given, batch, sums, output)
    return Work(**decode, **_prefill_work(given, batch, sums, caches), **_rates(given))


def _rates(given: Columns) -> dict[str, Vector]:
    """Fields of `Work` that the machine and its users give."""
    cores = np.minimum(np.where(given.threads > 0, given.threads, given.cores), given.cores)
    return {
        "ram_bandwidth": given.ram_gb_s * GB,
        "threads": cores,
        "crowding": np.maximum(0.0, np.minimum(given.threads / given.cores, 2.0) - 1.0),
        "sockets": given.sockets,
        "vector_bandwidth": given.vector_gb_s * GB * cores / given.cores,
        "random_bandwidth": given.random_gb_s * GB,
        "users": given.users,
    }


class _Batch(NamedTuple):
    """How a prompt is cut up, and whether the GPU computes for layers that lie in RAM. [cases]"""

    tokens: Vector
    batches: Vector
    active: Vector
    """Share of the experts that a token uses."""
    read: Vector
    """Share of them that one decode step of all users reads."""
    read_by_batches: Vector
    """The same of the batches of a prompt, summed up."""
    offload: NDArray[np.bool_]


def _batch(given: Columns) -> _Batch:
    tokens = np.maximum(given.prompt_tokens, 1.0)
    batches = np.ceil(tokens / given.ubatch)
    rows = tokens / batches
    # A model without experts reads the one that it has.
    experts, used = np.maximum(given.n_experts, 1.0), np.where(given.n_experts > 0, given.n_experts_used, 1.0)
    read, by_batch = expected_experts(experts, used, np.array([given.users, rows])) / experts
    offload = (given.offloads > 0) & (rows >= given.offload_min_batch)
    return _Batch(tokens, batches, used / experts, read, by_batch * batches, offload)


class _Caches(NamedTuple):
    """KV cache and states of a step (s at peak, bytes), its attention (FLOP, scores), a prompt's (s, FLOP, scores)."""

    kv_s: Vector
    kv_bytes: Vector
    kv_flops: Vector
    kv_scores: Vector
    state_s: Vector
    state_bytes: Vector
    attention_s: Vector
    attention_cpu_flops: Vector
    attention_cpu_scores: Vector


def _caches(given: Columns, sums: LayerSums, tokens: Vector) -> _Caches:
    """Of each kind of attention there are keys, values, FLOP and heads, per token that its layers attend to."""
    depths = np.array([given.depth, given.prompt_start + tokens / 2])[:, None]
    step, prompt = zip(depths, tokens_seen(given.window, depths), strict=True)
    full, sliding, users = sums.cpu.T[FULL], sums.cpu.T[SLIDING], given.users
    gpu_step = sums.gpu.T[FULL] * step[0] + sums.gpu.T[SLIDING] * step[1]
    cpu_step, cpu_prompt = (full * seen + sliding * in_window for seen, in_window in (step, prompt))
    gpu_full, gpu_sliding = (sums.gpu_attention.T[part][2] for part in _ATTENDING)
    return _Caches(
        kv_s=(gpu_step[0] * given.k_bytes + gpu_step[1] * given.v_bytes) * users,
        kv_bytes=(cpu_step[0] * given.k_bytes + cpu_step[1] * given.v_bytes) * users,
        kv_flops=cpu_step[2] * users,
        kv_scores=cpu_step[3] * users,
        state_s=2 * sums.gpu[:, STATE] * users,
        state_bytes=2 * sums.cpu[:, STATE] * users,
        attention_s=(gpu_full * prompt[0][0] + gpu_sliding * prompt[1][0]) * tokens,
        attention_cpu_flops=cpu_prompt[2] * tokens,
        attention_cpu_scores=cpu_prompt[3] * tokens,
    )


class _Held(NamedTuple):
    """Bytes in RAM: of layers on the CPU without their experts, and of experts. [cases]"""

    dense: Vector
    experts: Vector


def _held(sums: LayerSums) -> _Held:
    return _Held(sums.cpu[:, BYTES].sum(axis=1), sums.ram_experts[:, BYTES].sum(axis=1))


def _decode_work(given: Columns, batch: _Batch, sums: LayerSums, caches: _Caches, held: _Held) -> dict[str, Vector]:
    """Fields of `Work` for one decode step of all users, but what `_weights_read` adds."""
    cpu_layers, cpu_matrices, cpu_recurrent, cpu_moe = sums.cpu[:, LAYERS].T
    ram_moe = sums.ram_experts[:, SIZES.stop]
    split_layers = ram_moe - cpu_moe
    return {
        "gpu_kv_s": caches.kv_s,
        "gpu_state_s": caches.state_s,
        "gpu_matrices": given.matrices - cpu_matrices - EXPERT_MATRICES * split_layers + given.output_on_gpu,
        "gpu_moe_layers": given.moe_layers - ram_moe,
        "gpu_recurrent_layers": given.recurrent_layers - cpu_recurrent,
        "cpu_recurrent_layers": cpu_recurrent,
        "gpu_used": np.maximum(cpu_layers < given.layers, given.output_on_gpu),
        "spill_s": _spill_s(given, batch.read),
        "cpu_kv_bytes": caches.kv_bytes + caches.state_bytes,
        "cpu_kv_products": caches.kv_flops / 2,
        "cpu_kv_scores": caches.kv_scores,
        "cpu_layers": cpu_layers,
        "cpu_expert_layers": split_layers,
        **_paging(given, batch.read, held),
        **_link_decode(given, split_layers, sums.devices - 1),
    }


def _weights_read(given: Columns, batch: _Batch, sums: LayerSums, output: Vector) -> dict[str, Vector]:
    """Weights of a step on the GPUs and in RAM, by family; `output`: those of the output. [cases, `SIZES`]"""
    read, on_gpu = batch.read[:, None], given.output_on_gpu[:, None]
    on_cpu = sums.cpu[:, SIZES] + sums.ram_experts[:, SIZES] * read + output * (1 - on_gpu)
    return {
        "gpu_dense_s": sums.gpu[:, BYTES] + output[:, BYTES] / (given.output_gb_s * GB)[:, None],
        "gpu_expert_s": sums.gpu_expert_s * read,
        "cpu_bytes": on_cpu[:, BYTES],
        "cpu_weights": on_cpu[:, WEIGHTS],
    }


def _spill_s(given: Columns, read: Vector) -> Vector:
    """Reading over the link what found no room on the GPU: experts in part, all else whole."""
    share = (given.resident_bytes + given.expert_bytes * read) / (given.resident_bytes + given.expert_bytes)
    return np.where(given.unified > 0, 0.0, given.spilled_bytes) * share / (given.link_gb_s * GB)


def _paging(given: Columns, read: Vector, held: _Held) -> dict[str, Vector]:
    """What a step reads from disk where RAM is too small. There the GPU's part of a mapped file, which has gone through
    the page cache too, takes room from what is read again and again. Lookup tables (token and n-gram embeddings) are
    read a row at a time: they are the first to be left on the disk. Weights that every step reads in the same order are
    read anew if any of them finds no room: the cache drops what was read longest ago, which is what comes next.

    Measured 2026-11-29, Linux 6.18, reading 128 KiB ahead: with memory for 97, 90 and 75 % of a dense model each token
    read 100, 100 and 84 % of its file. Where 8 MiB are read ahead it was 20, 61 and 83 %.
    """
    weights = np.maximum(0.0, given.ram_bytes + given.storage_bytes - given.embedding_bytes)
    room = np.where(given.storage_bytes > 0, given.ram_bytes, given.ram_available)
    crowded = (given.storage_bytes > 0) & (given.mapped > 0) & (given.unified == 0)
    through = np.where(crowded, given.file_bytes, weights)
    missing = given.storage_bytes - given.embedding_bytes - held.experts
    return {
        "cycled_bytes": np.where(missing >= 1, held.dense, 0.0),  # less than a byte is rounding
        "paged_expert_bytes": held.experts * read,
        "paged_share": np.maximum(0.0, 1 - room / np.maximum(through, 1.0)),
    }


def _link_decode(given: Columns, split: Vector, hops: Vector) -> dict[str, Vector]:
    """Crossings between devices: out and back for each layer whose experts alone are in RAM, once per change of
    device.
    """
    row = given.hidden_size * ACTIVATION_BYTES * given.users
    crossed = row * (split * (given.n_experts_used + 1) + hops)
    return {"crossings": 2.0 * split + hops, "link_s": crossed / (given.link_gb_s * GB)}


def _prefill_work(given: Columns, batch: _Batch, sums: LayerSums, caches: _Caches) -> dict[str, Vector]:
    """Fields of `Work` for one prompt, in micro-batches of `usage.ubatch`. The output head and what follows the last
    layer's attention run for one token only.
    """
    tokens, batches, active = batch.tokens[:, None], batch.batches[:, None], batch.active[:, None]
    read, by_cpu = batch.read_by_batches[:, None], (~batch.offload)[:, None]
    dense, routed = sums.prompt_cpu * by_cpu, sums.prompt_ram_experts * by_cpu
    held = _Held(sums.prompt_cpu[:, BYTES].sum(axis=1), sums.prompt_ram_experts[:, BYTES].sum(axis=1))
    copied = (held.dense * batch.batches + held.experts * batch.read_by_batches) * batch.offload
    return {
        "prompt_tokens": batch.tokens,
        "batches": batch.batches,
        "stages": np.where((given.several_gpus > 0) & (batch.batches > 1), sums.gpus, 1.0),
        "rows_per_expert": batch.tokens / batch.batches * batch.active,
        "prefill_attention_s": caches.attention_s,
        "prefill_cpu_kv_products": caches.attention_cpu_flops / 2,
        "prefill_cpu_kv_scores": caches.attention_cpu_scores,
        "prefill_dense_s": 2 * tokens * sums.prompt_dense[:, WEIGHTS],
        "prefill_expert_s": 2 * tokens * active * sums.prompt_experts[:, WEIGHTS],
        "prefill_stream_s": sums.prompt_dense[:, BYTES] * batches + sums.prompt_experts[:, BYTES] * read,
        "prefill_link_s": copied / (given.link_gb_s * GB),
        "prefill_products": tokens * dense[:, WEIGHTS],
        "prefill_expert_products": tokens * active * routed[:, WEIGHTS],
        "prefill_cpu_bytes": dense[:, BYTES] * batches + routed[:, BYTES] * read,
    }
