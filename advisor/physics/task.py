"""What the physics is asked: a `Task`, and many of them as columns of numbers.

Objects end here. `columns_of` reads one array per number, `spans_of` gathers what the layers on each device sum up to
by closed indices into tables of distinct models; all that follows computes on arrays with one row per task.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.machines.machine import NO_GPU, GpuDevice, Machine
from advisor.physics.placement import CPU, LEAST_RAM_BYTES, SYSTEM_RAM_BYTES, Demand, Placement
from advisor.sizes.buffers import kv_element_bytes
from advisor.sizes.footprint import Footprint
from catalog.units import GB, TERA

FAMILIES = (
    "float", "q8", "q4", "q4_1", "q5", "q5_1", "q4_k", "q5_k", "q6_k", "q3_k", "q2_k", "iq4", "iq4_nl", "fp4", "iq_low",
)
"""Quant families whose kernels behave alike. Those of 32 weights stand by themselves, since tensors whose rows are no
multiple of 256 fall back to them: ggml's Q5_1 has neither the kernel of Q5_0 nor that of Q5_K for prompts, and on an
AVX-512 Xeon takes 2.4 and 7 times as long (2026-11-30).
"""
KINDS = {
    "q4_1": "q4", "q5": "q4", "q5_1": "q4", "q4_k": "k", "q5_k": "k", "q6_k": "k", "q3_k": "k_low", "q2_k": "k_low",
    "iq4": "four", "iq4_nl": "four", "fp4": "four",
}
"""Families of one kind, packed alike: what is known of one says something of the others. Others are their own kind."""
_FAMILY_BY_PREFIX = (
    (("F", "BF"), "float"),
    (("Q8",), "q8"),
    (("IQ1", "IQ2", "IQ3", "TQ"), "iq_low"),
    (("IQ4_NL",), "iq4_nl"),
    (("IQ",), "iq4"),
    (("MXFP4", "NVFP4"), "fp4"),
    (("Q4_1",), "q4_1"),
    (("Q5_0",), "q5"),
    (("Q5_1",), "q5_1"),
    *(((f"Q{bits}_K",), f"q{bits}_k") for bits in (2, 3, 4, 5, 6)),
)

DIVIDING = frozenset({"row", "tensor", "graph"})
"""Split modes in which GPUs share each layer."""

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = float | Vector


def family_of(tensor_type: str) -> str:
    """Quant family of a ggml tensor type.

    >>> [family_of(name) for name in ("BF16", "Q4_K", "Q2_K_R4", "IQ4_XS", "IQ2_XXS", "Q4_0", "Q5_1", "Q8_0", "MXFP4")]
    ['float', 'q4_k', 'q2_k', 'iq4', 'iq_low', 'q4', 'q5_1', 'q8', 'fp4']
    """
    name = tensor_type.upper()
    return next((family for prefixes, family in _FAMILY_BY_PREFIX if name.startswith(prefixes)), "q4")


# What the layers of a model sum up to.

BYTES, WEIGHTS = slice(0, len(FAMILIES)), slice(len(FAMILIES), 2 * len(FAMILIES))
"""Columns of `LayerSums`: bytes and numbers of weights by quant family."""
SIZES = slice(0, WEIGHTS.stop)
LAYERS = slice(SIZES.stop, SIZES.stop + 4)
"""1, matrices, whether recurrent, whether it has experts."""
MOE = SIZES.stop
"""In the table of experts: 1 for a layer that has any."""
STATE = LAYERS.stop
"""Bytes of recurrent state."""
FULL, SLIDING = slice(STATE + 1, STATE + 5), slice(STATE + 5, STATE + 9)
"""Of attention to all of the context and of attention to a window: elements of keys and of values, FLOP per query, each
per token of context, and heads.
"""


@dataclass(frozen=True, slots=True, eq=False)
class LayerSums:
    """A footprint summed up by quant family. The rows of the tables are sums over the layers below each, and over all:
    the difference of two rows is what the layers between them have.
    """

    layers: Vector
    """Without routed experts. Columns: `SIZES`, `LAYERS`, `STATE`, `FULL`, `SLIDING`."""
    experts: Vector
    """Routed experts. Columns: `SIZES`, `MOE`."""
    output: Vector
    """Of the output. Columns: `SIZES`; so for the next."""
    last_feed_forward: Vector
    """What follows the last layer's attention, its routed experts excepted."""
    layer_bytes: float
    expert_bytes: float
    window: float
    """Tokens that the sliding layers attend to; 0 without such layers."""


@lru_cache(maxsize=4096)
def layer_sums(footprint: Footprint) -> LayerSums:
    """A footprint's layers summed up."""
    families = np.zeros((len(footprint.types), len(FAMILIES)))
    families[np.arange(len(footprint.types)), [FAMILIES.index(family_of(name)) for name in footprint.types]] = 1.0

    def sized(size_bytes: Vector) -> Vector:
        """Bytes by tensor type as bytes and weights by family."""
        return np.concatenate([size_bytes @ families, (size_bytes * (8 / footprint.bits_per_weight)) @ families], -1)

    state, moe = footprint.layer_recurrent_bytes, footprint.layer_is_moe
    counts = [np.ones(footprint.n_layers), footprint.layer_matrices, state > 0, moe, state]
    attention = [footprint.layer_kv_elements, footprint.layer_attention_flops, footprint.layer_attention_heads]
    per_token, sliding = np.column_stack(attention), (footprint.layer_window > 0)[:, None]
    resident, experts = footprint.layer_resident_bytes, footprint.layer_expert_bytes
    return LayerSums(
        layers=_below(sized(resident), np.column_stack(counts), per_token * ~sliding, per_token * sliding),
        experts=_below(sized(experts), moe[:, None]),
        output=sized(footprint.output_bytes),
        last_feed_forward=sized(footprint.last_feed_forward_bytes),
        layer_bytes=float(resident.sum()),
        expert_bytes=float(experts.sum()),
        window=float(footprint.layer_window.max(initial=0.0)),
    )


def _below(*columns: NDArray[Any]) -> Vector:
    """Sums over the rows below each, and over all."""
    return np.cumsum(np.vstack([np.zeros(sum(part.shape[1] for part in columns)), np.hstack(columns)]), axis=0)


# One task, and the numbers of many.


@dataclass(frozen=True, eq=False, kw_only=True)
class Usage:
    """What is held, and what it is asked for."""

    demand: Demand
    depth: float
    """Tokens of context that a decode step attends to."""
    prompt_start: float
    """Tokens of context before the prompt."""
    prompt_tokens: int
    ubatch: int
    threads: int
    """0: as many as there are cores."""
    users: int
    kv_types: tuple[str, str]
    offload_min_batch: int
    """Prompts of so many tokens per micro-batch have their layers in RAM computed by the main GPU."""
    windowed: bool
    """Whether a layer with a window reads that alone: builds before May 2025 read all of the context and masked it."""
    mapped: bool
    """Whether the model's file is mapped into memory (llama.cpp's default)."""
    chooses: bool = True
    """Whether the program chooses each user's next tokens, as a server does: llama-batched-bench does not."""
    rows_each: int = 1
    """Tokens of each user that a step computes: one, and those that were drafted."""
    draft_bytes: float = 0.0
    """What drafting for a step reads: weights of the draft times its passes."""
    draft_passes: float = 0.0
    """One after the other, before each step."""
    tokens_per_step: float = 1.0
    """That each user gets of a step: more than one where drafts are accepted."""
    divided: bool = False
    """Whether several GPUs share each layer, in place of each having layers of its own."""
    by_rows: bool = False
    """Whether that is split mode row: each matrix is put together anew, experts and context stay whole. Source:
    llama.cpp ggml-cuda.cu, "split buffers can only be used with GGML_OP_MUL_MAT" (read 2026-11-30).
    """

    @property
    def sums(self) -> LayerSums:
        """What the model's layers sum up to."""
        return layer_sums(self.demand.footprint)

    @property
    def tokens_together(self) -> float:
        """Tokens that several users get of a step; one user alone is not held to what a machine reads."""
        return self.users * self.tokens_per_step if self.users > 1 else 1.0

    @property
    def more_chosen(self) -> float:
        """Tokens that a server's one thread chooses for a step beyond the first."""
        return self.users * self.tokens_per_step - 1 if self.chooses else 0.0

    @property
    def window(self) -> float:
        """Tokens that a layer with a window reads; 0 where there is none."""
        return self.sums.window if self.windowed else math.inf

    @property
    def kv_element_bytes(self) -> tuple[float, float]:
        """Bytes of an element of keys and of values."""
        k_type, v_type = self.kv_types
        return kv_element_bytes(k_type), kv_element_bytes(v_type)


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(Usage):
    """A load on a machine, and where it lies there."""

    placement: Placement
    machine: Machine

    @property
    def output_on_gpu(self) -> bool:
        """Whether a GPU computes the logits."""
        return self.placement.output_device != CPU

    @property
    def output_gpu(self) -> GpuDevice:
        """The one that does."""
        return self.machine.gpus[self.placement.output_device] if self.output_on_gpu else NO_GPU

    @property
    def gpus_in_turn(self) -> bool:
        """Whether several GPUs compute all of it, one after the other."""
        return self.placement.strategy == "multi_gpu" and not self.divided

    @property
    def slowest_link_gb_s(self) -> float:
        """Of the GPUs that share layers."""
        return slowest_link_gb_s(self.machine)

    @property
    def ram_available(self) -> float:
        """Bytes of RAM that a model can have."""
        return max(LEAST_RAM_BYTES, self.machine.ram.capacity_bytes - SYSTEM_RAM_BYTES)


def joined(machine: Machine) -> bool:
    """Whether NVLink joins all GPUs of a machine."""
    gpus = machine.gpus
    return bool(gpus) and all(gpu.peer_gb_s for gpu in gpus) and len({gpu.name for gpu in gpus}) == 1


def slowest_link_gb_s(machine: Machine) -> float:
    """GB/s of the slowest link of a machine's GPUs: sums over all of them wait for it. It is NVLink where that joins
    all of them, else the way through the computer.
    """
    if joined(machine):
        return min(gpu.peer_gb_s for gpu in machine.gpus)
    return min((gpu.link_gb_s for gpu in machine.gpus), default=NO_GPU.link_gb_s)


class Columns(NamedTuple):
    """The numbers of tasks, each of shape (tasks,) or (tasks, 2): name, type and where a `Task` has it."""

    depth: Annotated[Vector, "depth"]
    prompt_start: Annotated[Vector, "prompt_start"]
    prompt_tokens: Annotated[Vector, "prompt_tokens"]
    ubatch: Annotated[Vector, "ubatch"]
    threads: Annotated[Vector, "threads"]
    users: Annotated[Vector, "users"]
    more_chosen: Annotated[Vector, "more_chosen"]
    rows_each: Annotated[Vector, "rows_each"]
    draft_bytes: Annotated[Vector, "draft_bytes"]
    draft_passes: Annotated[Vector, "draft_passes"]
    divided: Annotated[Flags, "divided"]
    by_rows: Annotated[Flags, "by_rows"]
    kv_element_bytes: Annotated[Vector, "kv_element_bytes"]
    offload_min_batch: Annotated[Vector, "offload_min_batch"]
    mapped: Annotated[Flags, "mapped"]
    n_experts: Annotated[Vector, "demand.footprint.n_experts"]
    n_experts_used: Annotated[Vector, "demand.footprint.n_experts_used"]
    hidden_size: Annotated[Vector, "demand.footprint.hidden_size"]
    vocab_size: Annotated[Vector, "demand.footprint.vocab_size"]
    file_bytes: Annotated[Vector, "demand.footprint.file_bytes"]
    embedding_bytes: Annotated[Vector, "demand.footprint.embedding_bytes"]
    layer_bytes: Annotated[Vector, "sums.layer_bytes"]
    expert_bytes: Annotated[Vector, "sums.expert_bytes"]
    window: Annotated[Vector, "window"]
    ram_bytes: Annotated[Vector, "placement.ram_bytes"]
    storage_bytes: Annotated[Vector, "placement.storage_bytes"]
    spilled_bytes: Annotated[Vector, "placement.spilled_bytes"]
    output_on_gpu: Annotated[Flags, "output_on_gpu"]
    output_gb_s: Annotated[Vector, "output_gpu.bandwidth_gb_s"]
    output_tflops: Annotated[Vector, "output_gpu.fp16_tflops"]
    gpus_in_turn: Annotated[Flags, "gpus_in_turn"]
    unified: Annotated[Flags, "machine.unified"]
    offloads: Annotated[Flags, "machine.offloads"]
    ram_available: Annotated[Vector, "ram_available"]
    ram_gb_s: Annotated[Vector, "machine.ram.bandwidth_gb_s"]
    cores: Annotated[Vector, "machine.cpu.cores"]
    sockets: Annotated[Vector, "machine.cpu.sockets"]
    vector_gb_s: Annotated[Vector, "machine.cpu.vector_gb_s"]
    random_gb_s: Annotated[Vector, "machine.storage.random_gb_s"]
    disk_gb_s: Annotated[Vector, "machine.storage.most_gb_s"]
    link_gb_s: Annotated[Vector, "machine.main_gpu.link_gb_s"]
    slowest_link_gb_s: Annotated[Vector, "slowest_link_gb_s"]


_DECLARED = tuple(Columns.__annotations__.values())
_TYPES = tuple(np.bool_ if declared.__origin__ == Flags else np.float64 for declared in _DECLARED)
_read = attrgetter(*(declared.__metadata__[0] for declared in _DECLARED))


def columns_of(tasks: Sequence[Task]) -> Columns:
    """The numbers of tasks as arrays."""
    read = zip(*map(_read, tasks), strict=True)
    return Columns(*(np.array(column, dtype=kind) for column, kind in zip(read, _TYPES, strict=True)))


class Spans(NamedTuple):
    """What the layers on each device sum up to. Devices are the CPU and the GPUs in turn, as many as the task with most
    has and at least one; what a task has not got holds nothing.
    """

    layers: Vector
    """Without routed experts. [tasks, devices, columns of `LayerSums.layers`]"""
    experts: Vector
    """All routed experts of these layers, wherever they lie. [tasks, devices, columns of `LayerSums.experts`]"""
    gpu_experts: Vector
    """Those of them that lie on the GPU of their layer. [tasks, devices, columns]"""
    ram_experts: Vector
    """Experts in RAM: of layers on the CPU, and of those whose experts alone are there. [tasks, columns]"""
    last: NDArray[np.intp]
    """The device that has the last layer. [tasks]"""
    last_experts: Vector
    """The experts of the last layer. [tasks, `SIZES`]"""
    last_experts_in_ram: Vector
    """Share of them. [tasks]"""
    last_feed_forward: Vector
    output: Vector
    """As in `LayerSums`. [tasks, `SIZES`]"""
    byte_s: Vector
    """Peak bandwidth, infinite for the CPU, which adds nothing to the time of GPUs. [tasks, devices]"""
    flop_s: Vector
    """Peak compute, likewise."""


def spans_of(tasks: Sequence[Task]) -> Spans:
    """What the layers on each device of each task sum up to."""
    each = [task.sums for task in tasks]
    distinct = {sums: index for index, sums in enumerate(dict.fromkeys(each))}
    devices = 1 + max([1, *(len(task.machine.gpus) for task in tasks)])
    runs = [task.placement.bounds for task in tasks]
    bounds = np.array([(*run, *run[-1:] * (devices + 1 - len(run))) for run in runs])
    experts_from, experts_to = (
        np.array([getattr(task.placement, name) for task in tasks]) for name in ("experts_from", "experts_to")
    )
    model = np.array([distinct[sums] for sums in each])
    peaks = peaks_of([task.machine for task in tasks], devices)
    spans = spans_at([*distinct], model, bounds, experts_from, experts_to, peaks)
    parts = np.array([task.placement.part_on_gpu for task in tasks])
    return _with_parts(spans, each, tasks, parts) if parts.any() else spans


def peaks_of(machines: Sequence[Machine], devices: int) -> Vector:
    """Peak bytes/s and FLOP/s of the CPU and the GPUs in turn, infinite for the CPU and what there is not.
    [machines, devices, 2]
    """
    gpus = [(NO_GPU, *item.gpus, *[NO_GPU] * (devices - 1 - len(item.gpus))) for item in machines]
    return np.array([[gpu.peaks for gpu in row] for row in gpus]) * (GB, TERA)


def spans_at(
    distinct: Sequence[LayerSums], model: NDArray[np.intp], bounds: NDArray[np.intp], experts_from: NDArray[np.intp],
    experts_to: NDArray[np.intp], peaks: Vector,
) -> Spans:
    """What the layers on each device sum up to; `model` says which of the distinct sums a row is of, `bounds` has a run
    of layers for each device, empty for those that a row has not got.
    """
    # Tables of the distinct models one after the other; `first` is where that of each row begins.
    layers, experts = (np.concatenate([getattr(sums, name) for sums in distinct]) for name in ("layers", "experts"))
    ends = np.cumsum([len(sums.layers) for sums in distinct])
    first = np.concatenate([[0], ends[:-1]])[model]
    at = first[:, None] + bounds
    on_gpu_at = first[:, None] + np.minimum(np.maximum(bounds, experts_from[:, None]), experts_to[:, None])
    ram_experts = experts[first + experts_from] + (experts[at[:, -1]] - experts[first + experts_to])
    return Spans(
        layers=np.diff(layers[at], axis=1),
        experts=np.diff(experts[at], axis=1),
        gpu_experts=np.diff(experts[on_gpu_at], axis=1),
        ram_experts=ram_experts,
        last=np.argmax(bounds == bounds[:, -1:], axis=1) - 1,
        last_experts=(experts[ends[model] - 1] - experts[ends[model] - 2])[:, SIZES],
        last_experts_in_ram=((experts_from >= bounds[:, -1]) | (experts_to < bounds[:, -1])).astype(float),
        last_feed_forward=np.array([sums.last_feed_forward for sums in distinct])[model],
        output=np.array([sums.output for sums in distinct])[model],
        byte_s=peaks[..., 0],
        flop_s=peaks[..., 1],
    )


def _with_parts(spans: Spans, each: Sequence[LayerSums], tasks: Sequence[Task], parts: Vector) -> Spans:
    """Spans where a share of the experts of layer `experts_to` lies on its GPU: bytes move, while the layer still waits
    for the CPU.
    """
    gpu_experts, ram_experts = spans.gpu_experts.copy(), spans.ram_experts.copy()
    last = spans.last_experts_in_ram.copy()
    for row in np.flatnonzero(parts).tolist():
        lies, table = tasks[row].placement, each[row].experts
        moved = parts[row] * (table[lies.experts_to + 1] - table[lies.experts_to])[SIZES]
        gpu_experts[row, 1 + int(lies.layer_device[lies.experts_to]), SIZES] += moved
        ram_experts[row, SIZES] -= moved
        if lies.experts_to == lies.bounds[-1] - 1:
            last[row] -= parts[row]
    return spans._replace(gpu_experts=gpu_experts, ram_experts=ram_experts, last_experts_in_ram=last)
