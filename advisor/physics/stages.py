"""How long it takes: seconds of a decode step and of a prompt by stage, from `Work` and coefficients.

First the equations as small functions of named numbers, on floats and numpy arrays alike, then the stages that they
make up. Bytes, seconds, bytes per second, FLOP per second throughout; a `share` is an efficiency: the part of a peak
that is reached. `STAGES` has the words, the limit and the colour of each stage of a decode step.

Source of the structure: design notes "The performance model, in equations", sections 3 (decode) and 4 (prefill); shares
and times come from the fitted table.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from advisor import charts
from advisor.physics.task import Numbers, Vector
from advisor.physics.work import Work
from catalog.units import GB

CAP_SHARPNESS = 12
"""How sharply a share bends below 1; `reached` has this power as products."""
FEW_ROWS = 8
"""Up to so many rows a matrix is multiplied as a vector is, row by row; beyond by the matrix units. Source: llama.cpp
ggml-cuda MMVQ_MAX_BATCH_SIZE (read 2026-11-29).
"""
LARGE_VOCABULARY = 250_000
"""Tokens that today's largest vocabularies have: what `user_us` is said of."""
FULL_PROMPT = 256
"""A prompt of so many tokens keeps a machine's units as busy as it gets."""
Number = TypeVar("Number", float, NDArray[np.float64])


def reached(share: Number) -> Number:
    """A fitted share of a peak held below 1: nearly unchanged up to 0.8, never above the peak.

    >>> round(reached(0.5), 3), round(reached(0.8), 3), round(reached(2.0), 3)
    (0.5, 0.796, 1.0)
    """
    cube = share * share * share
    sixth = cube * cube  # products: a power of an array takes ten times as long
    held: Number = share * (1 + sixth * sixth) ** (-1 / CAP_SHARPNESS)
    return held


def transfer_s(size_bytes: Number, bandwidth: Number, share: Number) -> Number:
    """Time to read `size_bytes` at a share of the peak bandwidth (bytes/s)."""
    return size_bytes / (bandwidth * share)


def slower_of(first_s: Number, second_s: Number) -> Number:
    """Time when two limits overlap: a little above the larger one. The fourth powers add up: first powers would add the
    times, infinite ones would take the larger (overlap is good but not perfect).

    >>> round(slower_of(1.0, 0.0), 3)
    1.0
    """
    first, second = first_s * first_s, second_s * second_s
    joined: Number = ((first * first + second * second) ** 0.5) ** 0.5
    return joined


def saturated(limit: Number, per_worker: Number, workers: Number) -> Number:
    """Bandwidth that `workers` threads reach together under a common limit: linear first, then flat."""
    return 1 / slower_of(1 / limit, 1 / (per_worker * workers))


def overhead_s(counts: Number, micros_each: Number) -> Number:
    """Time of `counts` fixed costs of `micros_each` microseconds."""
    return counts * micros_each * 1e-6


def filled_share(tokens_per_expert: Number, half_tokens: Number) -> Number:
    """Share of the matrix units that a batch of so many rows fills: half of it at `half_tokens`."""
    return tokens_per_expert / (tokens_per_expert + half_tokens)


def pipelined_s(sequential_s: Number, stages: Number, batches: Number, exponent: Number) -> Number:
    """Time of `batches` micro-batches through `stages` GPUs one behind the other; exponent 0 is no overlap, 1 the
    ideal pipeline.
    """
    ideal = stages * batches / (stages + batches - 1)
    overlap: Number = ideal**exponent
    return sequential_s / overlap


def missed_share(absent_share: Number, locality: Number) -> Number:
    """Share of the reads that a page cache misses which lacks a share of the pages and keeps those read often: the odds
    of a miss are `locality` times lower than those of a page's absence. 1: all pages are read alike.
    """
    return absent_share / (absent_share + locality * (1 - absent_share))


def diluted_locality(locality: Number, use: Number) -> Number:
    """Locality of a page cache of which the part `use` was read for its own sake: what the system read around that came
    along unasked, is as popular as the rest of the file and drops what was there.
    """
    return 1 + (locality - 1) * use


def missed_s(missed_bytes: Number, random_bandwidth: Number, gain: Number, most_bandwidth: Number) -> Number:
    """Time to read from disk what the page cache does not hold; `gain` over single random reads (read-ahead, queue
    depth).
    """
    result: Number = missed_bytes / np.minimum(random_bandwidth * gain, most_bandwidth)
    return result


# The stages.

Values = Mapping[str, Any]
"""Coefficients by name; floats or arrays of shape (n,), per-family ones (families,) or (n, families)."""


def _total(by_family: Any) -> Any:
    return np.add.reduce(by_family, axis=-1)


def _ram_bandwidth(work: Work, values: Values) -> Any:
    """Bytes/s that the threads read from RAM together; a second socket adds only a part of its memory's bandwidth."""
    local = (1 + (work.sockets - 1) * values["numa_share"]) / work.sockets
    shared = work.ram_bandwidth * reached(values["ram_stream"]) * local
    return saturated(shared, values["core_gb_s"] * GB, work.threads)


def _vector_bandwidth(work: Work, values: Values) -> Any:
    """Bytes/s that the threads' vector units take in together: a little less each, the more there are (clocks fall, and
    some wait).
    """
    return work.vector_bandwidth * work.threads ** -values["thread_loss"]


def cpu_limits(work: Work, values: Values) -> tuple[Any, Any]:
    """Seconds of a decode step that the CPU needs to read its weights and, in parallel, to unpack them and to multiply
    them with each row.
    """
    unpacking = _total(work.cpu_weights / values["cpu_unpack"]) / _vector_bandwidth(work, values)
    unpacking = unpacking * (1 + (work.rows - 1) * values["row_cpu"])
    return _total(work.cpu_bytes) / _ram_bandwidth(work, values), unpacking


def _cpu_waits_s(work: Work, values: Values) -> Any:
    """Threads waiting for each other: at every layer on the CPU, less where only its experts are, more if recurrent."""
    wait_us = values["cpu_layer_us"] + values["cpu_thread_us"] * work.threads
    whole = overhead_s(work.cpu_layers, wait_us) + overhead_s(work.cpu_recurrent_layers, values["cpu_recurrent_us"])
    return whole + overhead_s(work.cpu_expert_layers, wait_us * values["cpu_expert_share"])


def _cpu_attention_s(work: Work, values: Values) -> Any:
    """Reading the context on the CPU, and in parallel multiplying it with the queries of all heads; each score that
    this gives takes some time, however narrow the head.
    """
    multiplying = work.cpu_kv_products / values["cpu_scores"] / _vector_bandwidth(work, values)
    multiplying = multiplying + work.cpu_kv_scores * values["cpu_score_ns"] * 1e-9 / _workers(work, values)
    return slower_of(transfer_s(work.cpu_kv_bytes, work.ram_bandwidth, reached(values["cpu_kv"])), multiplying)


def _disk_s(work: Work, values: Values) -> Any:
    """Reading what the page cache does not hold. It keeps the experts that are chosen often, so of those fewer are
    missed than of bytes read evenly; they are strewn over the file, so part of what is read around each is of no use.
    Weights of every step are read in their order, where all of it is.
    """
    locality = diluted_locality(values["page_locality"], values["fault_use"])
    experts = work.paged_expert_bytes * missed_share(work.paged_share, locality)
    gain = values["disk_gain"]
    strewn_s = missed_s(experts / values["fault_use"], work.random_bandwidth, gain, work.disk_bandwidth)
    return missed_s(work.cycled_bytes, work.random_bandwidth, gain, work.disk_bandwidth) + strewn_s


def rows_added(rows: Numbers, many: Numbers) -> Vector:
    """Rows beyond the first by what they cost on a GPU: those beyond `FEW_ROWS` a part `many` of the others, for the
    matrix units take them.

    >>> float(rows_added(8.0, 0.5)), float(rows_added(10.0, 0.5))
    (7.0, 8.0)
    """
    few = np.minimum(rows, FEW_ROWS)
    return np.asarray(few - 1 + (rows - few) * many)


def _divided(work: Work, values: Values) -> tuple[Any, Any]:
    """Parts of the GPUs' summed time that are left where they share each layer, of its weights and of experts and
    context; 1 where they work in turn.
    """
    weights, rest = (
        share + (1 - share) * values["divided_loss"] for share in (work.divided_share, work.divided_rest_share)
    )
    return weights, rest


def _drafting_s(work: Work, values: Values) -> Any:
    """Drafting for one step: passes of a small model, each of which waits for its token."""
    reading = work.gpu_draft_s / reached(values["gpu_stream"])[..., 0]
    reading = reading + work.cpu_draft_bytes / _ram_bandwidth(work, values)
    return reading + overhead_s(work.draft_passes, values["draft_us"])


def _rows_s(work: Work, values: Values) -> Any:
    """Multiplying weights and experts with the rows of a step beyond the first, whose products the reading hides."""
    added = rows_added(work.rows, values["row_many"])[..., None]
    routed = work.gpu_expert_row_s * np.asarray(values["row_routed"])[..., None]
    return _total((work.gpu_row_s + routed) * added * values["row_cost"])


def _expert_rows_cost(work: Work, values: Values) -> Any:
    """What reading experts costs with several rows over reading as many with one: sorting rows by their experts."""
    return 1 + (1 - 1 / work.rows) * values["row_expert"]


def _choosing_s(work: Work, values: Values) -> Any:
    """What each token of a step beyond the first costs a server's one thread: choosing it of the vocabulary."""
    return overhead_s(work.choices / LARGE_VOCABULARY, values["user_us"])


def held_to_reading(step_s: Numbers, prompt_s: Numbers, tokens: Numbers, prompt_tokens: Numbers) -> Vector:
    """Seconds of a step that gives several users `tokens` together, no less than the machine takes to read as many of
    a prompt: computing many rows is the same work. One user is not held to it, nor are many by a short prompt.
    """
    reads = (np.asarray(tokens) > 1) & (np.asarray(prompt_tokens) >= FULL_PROMPT)
    least_s = prompt_s * tokens / np.maximum(prompt_tokens, 1)
    return np.asarray(np.where(reads, np.maximum(step_s, least_s), step_s))


def _gpu_launches_s(work: Work, values: Values) -> Any:
    """Fixed costs of a step on the GPU: starting kernels for matrices, expert routing and recurrences."""
    counts = (work.gpu_matrices, work.gpu_moe_layers, work.gpu_recurrent_layers, work.gpu_used)
    names = ("gpu_matrix_us", "gpu_moe_us", "gpu_recurrent_us", "gpu_token_us")
    return sum(overhead_s(count, values[name]) for count, name in zip(counts, names, strict=True))


class StageWords(NamedTuple):
    """A stage of a decode step: what it is called, the limit of a token of which it is the longest, its colour."""

    words: str
    limit: str
    colour: str


STAGES: Final[Mapping[str, StageWords]] = {
    "gpu_weights": StageWords("GPU reads layers", "vram_bandwidth", charts.BLUE),
    "gpu_experts": StageWords("GPU reads experts", "vram_bandwidth", charts.SKY),
    "gpu_kv": StageWords("GPU reads context", "vram_bandwidth", charts.GREEN),
    "gpu_launches": StageWords("GPU start-up costs", "gpu_overhead", charts.GREY),
    "gpu_drafting": StageWords("drafting", "gpu_overhead", charts.TEAL),
    "cpu_weights": StageWords("CPU reads from RAM", "ram_bandwidth", charts.VERMILLION),  # or "cpu_compute"
    "cpu_kv": StageWords("CPU reads context", "ram_bandwidth", charts.ORANGE),
    "cpu_sync": StageWords("CPU thread waits", "cpu_overhead", charts.YELLOW),
    "cpu_users": StageWords("choosing tokens", "cpu_overhead", charts.WINE),
    "link": StageWords("GPU-CPU link", "pcie", charts.PURPLE),
    "disk": StageWords("disk reads", "storage", charts.DARK),
    "rows": StageWords("multiplying many rows", "gpu_compute", charts.SAND),  # held to what is read
}
"""By `Stage.stage`, in the order of a step; "rows" is what its stages lack of the time that reading as much takes."""


def decode_stages(work: Work, values: Values) -> dict[str, Numbers]:
    """Seconds of one decode step by stage; the step gives every user one token."""
    stream, link = reached(values["gpu_stream"]), reached(values["link_share"])
    crowded = 1 + work.crowding * values["crowding_cost"]
    divided, rest = _divided(work, values)
    dense_s = _total(work.gpu_dense_s / stream) + _rows_s(work, values)
    experts_s = _total(work.gpu_expert_s / reached(stream * values["gpu_expert"]))
    seconds = {
        "gpu_weights": (dense_s + work.gpu_state_s / stream[..., 0]) * divided,
        "gpu_experts": experts_s * _expert_rows_cost(work, values) * rest,
        "gpu_kv": work.gpu_kv_s / reached(values["gpu_kv"]) * (1 + (work.rows_each - 1) * values["row_kv"]) * rest,
        "gpu_launches": _gpu_launches_s(work, values),
        "gpu_drafting": _drafting_s(work, values),
        "cpu_weights": slower_of(*cpu_limits(work, values)) * crowded,
        "cpu_kv": _cpu_attention_s(work, values),
        "cpu_sync": _cpu_waits_s(work, values) * crowded,
        "cpu_users": _choosing_s(work, values),
        "link": overhead_s(work.crossings, values["crossing_us"]) + (work.link_s + work.spill_s + work.reduce_s) / link
        + overhead_s(work.reduces, values["reduce_us"]),
        "disk": _disk_s(work, values),
    }
    levelled = _levelled(seconds, values, "")
    at_peak_s = _total(work.cpu_bytes) / work.ram_bandwidth  # no machine is better than its memory
    return levelled | {"cpu_weights": np.maximum(levelled["cpu_weights"], at_peak_s)}


def prefill_stages(work: Work, values: Values) -> dict[str, Numbers]:
    """Seconds of the whole prompt by stage."""
    matmul = values["prefill_matmul"]
    filled = filled_share(work.rows_per_expert, values["prefill_half_rows"])
    expert = matmul * values["prefill_expert"] * np.asarray(filled)[..., None]
    computing = _total(work.prefill_dense_s / matmul) + _total(work.prefill_expert_s / expert)
    matrices = slower_of(computing, _total(work.prefill_stream_s / reached(values["gpu_stream"])))
    launches = overhead_s(work.gpu_matrices * work.batches, values["prefill_matrix_us"])
    launches = launches + overhead_s(work.gpu_moe_layers * work.batches, values["prefill_moe_us"])
    scans = work.gpu_recurrent_layers * work.prompt_tokens * values["prefill_recurrent_ns"] * 1e-9
    attention = work.prefill_attention_s / values["prefill_attention"]
    attention = attention + work.prefill_unpacked_s / reached(values["gpu_kv"])
    staging = work.prefill_copied_bytes / (work.ram_bandwidth * values["prefill_staging"])  # pages copied by the CPU

    divided, rest = _divided(work, values)

    def piped(seconds: Numbers) -> Numbers:
        result: Numbers = pipelined_s(seconds, work.pipeline_gpus, work.batches, values["prefill_pipeline"])
        return result

    seconds = {
        "gpu_matmul": piped(matrices * divided) + _total(work.prefill_once_s / reached(values["gpu_stream"])),
        "gpu_attention": piped(attention * rest),
        "gpu_launches": piped(launches + scans),
        "link": slower_of(work.prefill_link_s / reached(values["prefill_link"]), staging)
        + work.prefill_reduce_s / reached(values["prefill_link"])
        + overhead_s(work.prefill_reduces, values["reduce_us"]),
        "cpu_matmul": _cpu_prompt_s(work, values),
    }
    return _levelled(seconds, values, "prefill_")


def _levelled(seconds: Mapping[str, Numbers], values: Values, speed: str) -> dict[str, Numbers]:
    """Each stage times the level of the part that does it, which a rig has of its own: gpu, cpu or link; no disk's."""
    parts = {name: name.partition("_")[0] for name in seconds}
    return {
        name: value if parts[name] == "disk" else value * values[f"{speed}{parts[name]}_level"]
        for name, value in seconds.items()
    }


def _cpu_prompt_s(work: Work, values: Values) -> Any:
    """The CPU's part of a prompt, one after the other: matrices, attention, recurrences, all that is done between them,
    and what the last token alone takes.
    """
    vector = _vector_bandwidth(work, values)
    products = work.prefill_products + work.prefill_expert_products / values["prefill_cpu_expert"]
    multiplying = _total(products / values["prefill_cpu"]) / vector
    matrices = slower_of(multiplying, _total(work.prefill_cpu_bytes) / _ram_bandwidth(work, values))
    scores = work.prefill_cpu_kv_products / values["prefill_cpu_scores"] / vector
    counted = work.prefill_cpu_kv_scores * values["prefill_cpu_score_ns"] * 1e-9
    counted = counted + work.prefill_cpu_elements * values["prefill_cpu_element_ns"] * 1e-9
    unpacking = _total(work.prefill_once_weights / values["cpu_unpack"]) / vector
    once = slower_of(unpacking, _total(work.prefill_once_bytes) / _ram_bandwidth(work, values))
    scans = overhead_s(work.cpu_recurrent_layers * work.prompt_tokens, values["prefill_cpu_recurrent_us"])
    return matrices + scores + once + (counted + scans) / _workers(work, values)


def _workers(work: Work, values: Values) -> Any:
    """Threads, counted by what they gain over one."""
    return work.threads ** (1 - values["thread_loss"])


def total_s(stages: Mapping[str, Numbers]) -> Numbers:
    """Sum of the stages: the devices work one after the other."""
    total: Numbers = sum(stages.values(), start=0.0)
    return total
