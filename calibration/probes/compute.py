"""How fast the CPU multiplies with ggml's own kernels, as llama.cpp calls them, by type of weight and threads.

One column is a decoded token: matrices as large as the RAM probe's buffer, each row read once, so that RAM or the
kernel is what limits. Many columns are a batch of a prompt: arithmetic limits. `probe_compute` is the caller's side;
`rates_of` and all below it run in the probes' own process.
"""

import ctypes
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from advisor.engine.devices import Product, supports
from advisor.engine.library import LlamaCpp, context, ggml
from advisor.gguf.encodings import NUMBERS
from calibration.probes.child import told_by_child
from calibration.probes.ram import buffer_size
from calibration.probes.sample import Sample
from catalog.profiles import ProbeResult
from catalog.units import GB, MIB

TYPES: Final = (
    "F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "Q3_K", "Q2_K", "IQ4_XS", "IQ4_NL", "MXFP4",
    "IQ3_XXS",
)
"""One of each quant family (see `advisor.physics.task.FAMILIES`)."""
FLOP_PER_WEIGHT: Final = 2
"""One multiplication and one addition for each weight and column."""
WIDTH: Final = 4096
"""Rows and columns of a matrix: the width of a layer of a model of some 8 billion weights."""
FILL: Final = 0x11
"""Byte that all weights are made of: finite, normal numbers in each type, its scales too."""
PLAIN: Final = "plain"
ROUNDS: Final = 3
MOST_WEIGHT_BYTES: Final = 256 * MIB
"""For one column: beyond the caches of one processor. On a host with 480 MiB of last-level cache four times that took
a minute, a third of a quick calibration, to tell the same of a kernel (2026-11-30).
"""
EXPERTS: Final = 32
EXPERTS_USED: Final = 8
EXPERT_WIDTH: Final = 2048
EXPERT_ROWS: Final = 512
"""Of Qwen3.6-35B-A3B, with an eighth of its experts: so many that a batch gives each some tens of columns."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Products of one type of weight with `columns` columns: operations per second, and weight bytes read per second.

    `layout` is "plain" for weights as the file has them, else the name of the buffer type that llama.cpp repacks into.
    """

    weight_type: str
    layout: str
    columns: int
    threads: int
    gflop_s: Sample
    read_gb_s: Sample
    routed: bool = False
    """Through routed experts."""


@dataclass(frozen=True, slots=True)
class ComputeProbe:
    """All rates measured."""

    rates: tuple[Rate, ...]

    def results(self) -> Iterator[ProbeResult]:
        """Rows of a profile: bytes read for one column, operations for many."""
        for rate in self.rates:
            place = f"type={rate.weight_type} layout={rate.layout} columns={rate.columns} threads={rate.threads}"
            if rate.routed:
                yield rate.gflop_s.result(f"cpu_expert_gflop_s {place}", "GFLOP/s")
            elif rate.columns == 1:
                yield rate.read_gb_s.result(f"cpu_product_read_gb_s {place}", "GB/s")
            else:
                yield rate.gflop_s.result(f"cpu_product_gflop_s {place}", "GFLOP/s")


@dataclass(frozen=True, slots=True)
class ProductShape:
    """What to multiply: types by name, threads, columns of a batch, bytes of all matrices, how often at most."""

    types: tuple[str, ...]
    threads: tuple[int, ...]
    columns: tuple[int, ...]
    weight_bytes: int
    repeats: int
    seconds: float
    routed: bool = False
    """Through routed experts: `weights` are then those that one column is multiplied with."""
    rounds: int = 1
    """Times to go through all types, each with so many repeats: what disturbs one round spoils it for few types."""


def probe_compute(
    threads: Sequence[int],
    *,
    columns: Sequence[int] = (1, 512),
    types: Sequence[str] = TYPES,
    weight_bytes: int | None = None,
    rounds: int = ROUNDS,
    repeats: int = 3,
    seconds_each: float = 0.1,
    patience_s: float = 180.0,
    routed: bool = False,
) -> ComputeProbe:
    """Multiply with each number of threads, `routed` through experts: `rounds` times all of it. The columns of a
    decoded token and of llama.cpp's default batch of a prompt, if none are given.

    `weight_bytes`: of the matrices for one column; what the RAM probe reads, but at most `MOST_WEIGHT_BYTES`, if not
    given. Repeats and seconds are those of a round. Raises EngineMissing, ProbeFailed, and InputError when too little
    memory is free.
    """
    size = weight_bytes or min(buffer_size()[0], MOST_WEIGHT_BYTES)
    shape = ProductShape(tuple(types), tuple(threads), tuple(columns), size, repeats, seconds_each, routed, rounds)
    found: dict[tuple[str, str, int, int], list[dict[str, Any]]] = {}
    for line in told_by_child("compute", asdict(shape), patience_s):
        found.setdefault((line["type"], line["layout"], line["columns"], line["threads"]), []).append(line)
    rates = []
    for (weight_type, layout, batch, count), lines in found.items():  # of one product, a line for each round
        seconds = [each for line in lines for each in line["seconds"]]
        operations = FLOP_PER_WEIGHT * lines[0]["weights"] * batch
        gflop_s = Sample.undisturbed(operations / each / GB for each in seconds)
        read_gb_s = Sample.undisturbed(lines[0]["bytes"] / each / GB for each in seconds)
        rates.append(Rate(weight_type, layout, batch, count, gflop_s, read_gb_s, routed))
    return ComputeProbe(tuple(rates))


def rates_of(engine: LlamaCpp, shape: ProductShape) -> Iterator[dict[str, Any]]:
    """Seconds of each repeat of a round for each type, layout, number of columns and of threads, with the weights
    multiplied.

    The layout is "plain", as in a file that is mapped, or the name of the buffer type that llama.cpp repacks into.
    """
    device = engine.device("CPU")
    backend = ggml().ggml_backend_dev_init(device, None)
    registry = engine.ggml.ggml_backend_dev_backend_reg(device)
    found = engine.ggml.ggml_backend_reg_get_proc_address(registry, b"ggml_backend_set_n_threads")
    set_threads = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)(found)
    for name in shape.types * shape.rounds:
        for layout, kind in _layouts(engine, device, Product(name, (WIDTH, WIDTH))):
            for columns in shape.columns:
                with Multiplication(
                    engine, NUMBERS[name], kind, columns, shape.weight_bytes, routed=shape.routed
                ) as work:
                    for threads in shape.threads:
                        set_threads(backend, threads)
                        taken = _repeated(backend, work.graph, shape)
                        yield {"type": name, "layout": layout, "columns": columns, "threads": threads,
                               "weights": work.weights, "bytes": work.weight_bytes, "seconds": taken}
    ggml().ggml_backend_free(backend)


class Multiplication:
    """A graph of products of matrices of one type with the same columns; leaving its context frees all.

    `routed`: one tensor of experts instead, of which each column takes some, as a layer with routed experts does.
    """

    def __init__(
        self, engine: LlamaCpp, kind: int, buffer_kind: int, columns: int, size: int, *, routed: bool = False
    ) -> None:
        matrix = ggml().ggml_row_size(kind, WIDTH) * WIDTH
        count = max(1, round(size / matrix)) if columns == 1 and not routed else 1
        self._matrices, self._others = context(count), context(count + 2, graphs=1)
        self.graph = ggml().ggml_new_graph(self._others)
        ids = None
        if routed:
            ids = self._routed_product(kind, columns)
            self.weights = EXPERTS_USED * EXPERT_WIDTH * EXPERT_ROWS
            self.weight_bytes = EXPERTS * EXPERT_ROWS * ggml().ggml_row_size(kind, EXPERT_WIDTH)
        else:
            self._products(kind, columns, count)
            self.weights, self.weight_bytes = count * WIDTH * WIDTH, count * matrix
        plain = engine.ggml.ggml_backend_cpu_buffer_type()
        self._buffers = [_filled(self._matrices, buffer_kind), _filled(self._others, plain)]
        if ids is not None:
            chosen = np.arange(columns * EXPERTS_USED, dtype=np.int32) % EXPERTS  # every expert as often as another
            ggml().ggml_backend_tensor_set(ids, chosen.ctypes.data, 0, chosen.nbytes)

    def _products(self, kind: int, columns: int, count: int) -> None:
        matrices = [ggml().ggml_new_tensor_2d(self._matrices, kind, WIDTH, WIDTH) for _ in range(count)]
        batch = ggml().ggml_new_tensor_2d(self._others, NUMBERS["F32"], WIDTH, columns)
        for matrix in matrices:
            ggml().ggml_build_forward_expand(self.graph, ggml().ggml_mul_mat(self._others, matrix, batch))

    def _routed_product(self, kind: int, columns: int) -> int:
        """Adds the product and gives the tensor that says which experts each column takes."""
        experts = ggml().ggml_new_tensor_3d(self._matrices, kind, EXPERT_WIDTH, EXPERT_ROWS, EXPERTS)
        batch = ggml().ggml_new_tensor_3d(self._others, NUMBERS["F32"], EXPERT_WIDTH, 1, columns)
        ids = ggml().ggml_new_tensor_2d(self._others, NUMBERS["I32"], EXPERTS_USED, columns)
        ggml().ggml_build_forward_expand(self.graph, ggml().ggml_mul_mat_id(self._others, experts, batch, ids))
        return int(ids)

    def __enter__(self) -> "Multiplication":
        return self

    def __exit__(self, *_: object) -> None:
        for buffer in self._buffers:
            ggml().ggml_backend_buffer_free(buffer)
        for tensors in (self._matrices, self._others):
            ggml().ggml_free(tensors)


def _filled(tensors: int, kind: int) -> int:
    buffer = ggml().ggml_backend_alloc_ctx_tensors_from_buft(tensors, kind)
    if not buffer:
        raise MemoryError("ggml cannot allocate the buffers of the compute probe")
    ggml().ggml_backend_buffer_clear(buffer, FILL)  # unwritten pages would all be the same one
    return int(buffer)


def _layouts(engine: LlamaCpp, device: int, product: Product) -> Iterator[tuple[str, int]]:
    """The plain buffer type, and the extra one that llama.cpp puts such weights into by default, if any."""
    yield PLAIN, engine.ggml.ggml_backend_cpu_buffer_type()
    registry = engine.ggml.ggml_backend_dev_backend_reg(device)
    found = engine.ggml.ggml_backend_reg_get_proc_address(registry, b"ggml_backend_dev_get_extra_bufts")
    if not found:
        return
    extras = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)(found)(device)
    index = 0
    while extras and extras[index]:
        if supports(device, extras[index], product):
            yield (ggml().ggml_backend_buft_name(extras[index]) or b"").decode(), extras[index]
            return
        index += 1


def _repeated(backend: int, graph: int, shape: ProductShape) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + shape.seconds
    while len(taken) < 2 or (len(taken) <= shape.repeats and time.perf_counter() < end):
        start = time.perf_counter()
        if ggml().ggml_backend_graph_compute(backend, graph) != 0:
            raise RuntimeError("ggml failed to compute the product")
        taken.append(time.perf_counter() - start)
    return taken[1:]  # the first one starts threads and touches the results
