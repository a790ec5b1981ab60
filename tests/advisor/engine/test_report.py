"""What is read from llama.cpp's log."""

import pytest

from advisor.engine.layout import Layout, Share
from advisor.engine.session.buffers import buffer_report, check_placement, is_worth_keeping
from advisor.engine.session.log import last_warnings, reason_of
from advisor.engine.settings import EngineSettings
from advisor.errors import EngineFailed
from catalog.units import MIB

LINES = """\
load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
load_tensors: layer   0 assigned to device RPC0, is_swa = 0
load_tensors: layer   1 assigned to device RPC0, is_swa = 0
load_tensors: layer   2 assigned to device RPC0, is_swa = 0
tensor blk.0.ffn_gate_exps.weight (6 MiB q4_K) buffer type overridden to CPU_REPACK
tensor blk.0.ffn_down_exps.weight (6 MiB q4_K) buffer type overridden to CPU_REPACK
tensor blk.0.ffn_up_exps.weight (6 MiB q4_K) buffer type overridden to CPU_REPACK
load_tensors: offloading output layer to GPU
load_tensors: offloading 1 repeating layers to GPU
load_tensors: offloaded 3/3 layers to GPU
load_tensors:   CPU_Mapped model buffer size =     1.12 MiB
load_tensors:   CPU_REPACK model buffer size =    20.25 MiB
load_tensors: RPC0[127.0.0.1:50777] model buffer size =    49.40 MiB.................
llama_context:        CPU  output buffer size =     0.00 MiB
llama_kv_cache: RPC0[127.0.0.1:50777] KV buffer size =     2.00 MiB
llama_kv_cache: size =    2.00 MiB (   512 cells,   2 layers,  1/1 seqs), K (f16):    1.00 MiB, V (f16):    1.00 MiB
sched_reserve: RPC0[127.0.0.1:50777] compute buffer size =    19.13 MiB
sched_reserve:        CPU compute buffer size =    19.13 MiB
llama_memory_recurrent: RPC0[127.0.0.1:50777] RS buffer size =     1.50 MiB
""".splitlines()
"""Printed on 2026-11-25 by llama-cpp-python 0.3.36 for two layers of Qwen3-30B-A3B on an RPC device, the experts of the
first in RAM; the last line is of a model that has recurrent layers.
"""
ALIASES = {"RPC0[127.0.0.1:50777]": "RPC0"}
COPIED = EngineSettings(load_mode="none")
SHARED = [
    line.replace("RPC0[127.0.0.1:50777]", "Meta()").replace("device RPC0", "device Meta()") for line in LINES
]
"""The same of two devices that share each layer, by the name that llama-cpp-python 0.3.36 prints for them (2026-11-30):
of their buffers llama.cpp tells the largest.
"""
MOVED = {f"blk.0.ffn_{name}_exps.weight": "CPU" for name in ("gate", "down", "up")}


def planned(**changes):
    shares = {
        "CPU": Share(weights=21.37 * MIB, kv=0, state=0, compute=0, output=0),
        "RPC0": Share(weights=49.4 * MIB, kv=2 * MIB, state=1.5 * MIB, compute=0, output=0),
    }
    values = {"layer_devices": ("RPC0",) * 3, "moved": MOVED, "shares": shares} | changes
    return Layout(**values, twice_on_cpu=0.0, repackable=0.0)


def test_buffers_are_added_up_by_kind_and_device():
    report = buffer_report(LINES, ALIASES)
    assert report.total_bytes("model", "CPU") == pytest.approx((1.12 + 20.25) * MIB)
    assert report.total_bytes("model", "RPC0") == pytest.approx(49.4 * MIB)
    assert report.total_bytes("KV", "RPC0") == 2 * MIB
    assert report.total_bytes("RS", "RPC0") == 1.5 * MIB
    assert report.total_bytes("compute", "CPU") == pytest.approx(19.13 * MIB)
    assert report.total_bytes("KV", "CPU") == 0


def test_layers_overrides_and_the_way_of_loading_are_read():
    report = buffer_report(LINES, ALIASES)
    assert report.layer_devices == ("RPC0", "RPC0", "RPC0")
    assert report.overridden == MOVED
    assert report.layers_offloaded == 3
    assert report.load_mode == "mmap"
    assert report.devices() == ("CPU", "RPC0")


def test_of_the_debug_lines_only_those_of_places_are_kept():
    kept = [line for line in LINES if is_worth_keeping(line)]
    assert kept == LINES[1:7]


def test_a_placement_as_planned_is_accepted():
    check_placement(planned(), buffer_report(LINES, ALIASES), COPIED)


@pytest.mark.parametrize(("mib", "accepted"), [(26.0, True), (40.0, True), (23.0, False), (60.0, False)])
def test_of_devices_that_share_layers_the_largest_part_is_checked(mib: float, accepted: bool) -> None:
    """It is half of all at the least and all at the most: 49.4 MiB may be of 2 x 26 and 2 x 40, not of 2 x 23 or 60."""
    share = Share(weights=mib * MIB, kv=1.5 * MIB, state=0, compute=0, output=0)
    shares = {"CPU": planned().shares["CPU"], "RPC0": share, "RPC1": share}
    layout = planned(layer_devices=("RPC0", "RPC0", "RPC1"), shares=shares)
    report = buffer_report(SHARED, ALIASES)
    assert report.total_bytes("model", "Meta()") == pytest.approx(49.4 * MIB)
    tensor = COPIED.model_copy(update={"split_mode": "tensor"})
    if accepted:
        check_placement(layout, report, tensor)
        return
    with pytest.raises(EngineFailed, match=r"49 MiB of model buffers are on devices that share"):
        check_placement(layout, report, tensor)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layer_devices": ("CPU", "RPC0", "RPC0")}, "layer 0 went to RPC0, not CPU"),
        ({"layer_devices": ("RPC0", "RPC0", "CPU")}, "the output went to RPC0, not CPU"),
        ({"layer_devices": ("RPC0",) * 4}, "it counts 2 layers where 3 were planned"),
        ({"moved": MOVED | {"blk.1.ffn_up_exps.weight": "CPU"}}, "blk.1.ffn_up_exps.weight stayed with its layer"),
        ({"moved": {name: "CPU" for name in MOVED if "gate" not in name}}, "gate_exps.weight was moved to CPU without"),
        (
            {"shares": planned().shares | {"RPC0": Share(60 * MIB, 2 * MIB, 1.5 * MIB, 0, 0)}},
            "weights take 49 MiB of RPC0 where 60 MiB were planned",
        ),
        (
            {"shares": planned().shares | {"RPC0": Share(49.4 * MIB, 8 * MIB, 1.5 * MIB, 0, 0)}},
            "the KV cache takes 2 MiB of RPC0 where 8 MiB",
        ),
    ],
)
def test_what_lies_elsewhere_is_told(changes, said):
    with pytest.raises(EngineFailed, match=said):
        check_placement(planned(**changes), buffer_report(LINES, ALIASES), COPIED)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "llama_model_load: error loading model: unknown model architecture: 'mystery'",
            "does not know the architecture 'mystery'",
        ),
        ("ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 99999", "not enough memory"),
        ("llama_init_from_model: failed to initialize the context: n_ctx_seq == 0", "n_ctx_seq == 0"),
        ("llama_model_load: error loading model: invalid vector subscript", "invalid vector subscript"),
    ],
)
def test_the_reason_of_a_failure_is_found_in_the_log(line, said):
    assert said in reason_of([*LINES, line, "llama_model_load_from_file_impl: failed to load model"])


def test_last_words_are_warnings_errors_and_what_has_no_level():
    log = [
        "2|load_tensors: CPU model buffer size = 1.00 MiB",
        "3|low on memory",
        "2|sched_reserve: done",
        "GGML_ASSERT(x)",
    ]
    assert last_warnings(log) == ["low on memory", "GGML_ASSERT(x)"]
    assert last_warnings([log[0], log[2]]) == ["load_tensors: CPU model buffer size = 1.00 MiB"]
    assert last_warnings([]) == []
