"""How several cards are to share a model: each way of llama.cpp and ik_llama.cpp asked, the shortest request first.

By layer each card has layers of its own, and they work in turn. In row, tensor and graph mode all cards share every
layer, which divides the time to read weights and adds sums over the link after attention and feed-forward part, in row
mode after each matrix.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from advisor.answer import Prediction
from advisor.documents import Paragraph, Section, Table, TableColumn, number, seconds
from advisor.machines.machine import Machine
from advisor.physics.knowledge import Knowledge
from advisor.physics.task import DIVIDING, joined, slowest_link_gb_s
from advisor.physics.work import REDUCES
from advisor.prediction.case import Case, SizedModel, Unplaced, asked_of, cases_of
from advisor.prediction.devices import unlike
from advisor.prediction.prediction import answers
from advisor.question import Scenario

MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "llama.cpp": ("layer", "row", "tensor"), "ik_llama.cpp": ("layer", "row", "graph"),
}
ROW_BACKENDS: Final = frozenset({"cuda", "rocm", "sycl"})
"""Those with buffers that are split by rows. Source: llama.cpp ggml_backend_split_buffer_type in ggml-cuda.cu and
ggml-sycl.cpp (read 2026-11-30).
"""
WITHOUT_TENSOR: Final = frozenset({
    "grok", "mpt", "plamo2", "minicpm3", "gemma3n", "mamba", "mamba2", "jamba", "falcon-h1", "olmo2", "olmoe",
    "deepseek2", "deepseek32", "hy-v4", "dots3note", "glm-dsa", "bitnet", "t5", "nemotron_h", "nemotron_h_moe",
    "granitehybrid", "minimax-01", "minimax-m2", "minimax-m3", "mistral4", "kimi-linear", "bailingmoe3", "kimi-k3",
    "glm5-next", "qwen3tts", "qwen4exp",
})
"""Architectures that llama.cpp does not run in tensor mode. Source: src/llama-arch.cpp llm_arch_supports_sm_tensor, as
vendored in llama-cpp-python 0.3.36 (read 2026-11-30).
"""
DEFAULT: Final = "layer"
GAIN: Final = 1.05
"""A mode other than the engine's own choice is taken where it makes a request so many times shorter."""
SLACKS: Final = (1.02, 1.08, 1.15, 1.3)
"""Times the memory needed that is shared out by the cards' speed: layers are whole."""
SHARED_OUT: Final = 0.9
"""A slower card with less than this of the faster one's bandwidth is given a smaller part."""


@dataclass(frozen=True, slots=True)
class SplitWay:
    """One mode: tok/s, seconds of the request, and layers on each card where llama.cpp is to be told (`-ts`)."""

    mode: str
    decode_tok_s: float
    prefill_tok_s: float | None
    request_s: float
    tensor_split: tuple[int, ...] = ()

    @property
    def flags(self) -> str:
        """As llama-server takes it."""
        split = f" -ts {','.join(map(str, self.tensor_split))}" if self.tensor_split else ""
        return f"-sm {self.mode}{split}"


@dataclass(frozen=True, slots=True)
class Splits:
    """The modes there are, the shortest request first, which to take and why."""

    ways: tuple[SplitWay, ...]
    best: SplitWay
    reason: str


def splits_of(
    scenario: Scenario, knowledge: Knowledge, file: SizedModel | None = None, machine: Machine | None = None
) -> Splits | None:
    """The modes for a scenario, whatever mode it names itself; None where not several cards hold all of the model.

    Raises as `case_of`.
    """
    engine = scenario.engine
    asked = [_asked(scenario, mode, file, machine) for mode in MODES[engine.name]]
    usual = cases_of(asked[:1])[0]
    if usual.placement.strategy != "multi_gpu" or sum(need > 0 for need in usual.placement.vram_bytes) < 2:
        return None
    tried = [(item, mode) for item, mode in zip(asked, MODES[engine.name], strict=True) if _runs(mode, usual)]
    tried += [(item, mode) for first, mode in tried[1:] for item in _by_speed(first, sum(usual.placement.vram_bytes))]
    cases = cases_of([item for item, _ in tried])
    found: dict[str, SplitWay] = {}
    for case, answer, (_, mode) in zip(cases, answers(cases, knowledge), tried, strict=True):
        way = _way(mode, case, answer)
        if way and (mode not in found or way.request_s < found[mode].request_s):
            found[mode] = way
    if DEFAULT not in found:
        return None
    ways = sorted(found.values(), key=lambda way: way.request_s)
    best = ways[0] if ways[0].request_s * GAIN < found[DEFAULT].request_s else found[DEFAULT]
    return Splits(tuple(ways), best, _reason(best, ways, found[DEFAULT], usual))


def _asked(scenario: Scenario, mode: str, file: SizedModel | None, machine: Machine | None) -> Unplaced:
    engine = scenario.engine.model_copy(update={"split_mode": mode})
    return asked_of(scenario.model_copy(update={"engine": engine}), file, machine)


def _runs(mode: str, case: Case) -> bool:
    """Whether the engine has the mode for this model and these cards."""
    if mode == "tensor":
        return case.llm.architecture not in WITHOUT_TENSOR and case.scenario.engine.flash_attn is not False
    return mode != "row" or case.machine.backend in ROW_BACKENDS


def _by_speed(asked: Unplaced, needed_bytes: float) -> Iterator[Unplaced]:
    """Of unlike cards that share layers each has as much as it can read in the same time."""
    gpus = asked.machine.gpus
    if not unlike(asked.machine) or min(gpu.bandwidth_gb_s for gpu in gpus) > SHARED_OUT * max(
        gpu.bandwidth_gb_s for gpu in gpus
    ):
        return
    together = sum(gpu.bandwidth_gb_s for gpu in gpus)
    for slack in SLACKS:
        shares = [needed_bytes * slack * gpu.bandwidth_gb_s / together for gpu in gpus]
        if all(share <= gpu.vram_bytes for share, gpu in zip(shares, gpus, strict=True)):
            parts = tuple(replace(gpu, vram_bytes=share) for gpu, share in zip(gpus, shares, strict=True))
            yield replace(asked, machine=replace(asked.machine, gpus=parts))


def _way(mode: str, case: Case, answer: Prediction) -> SplitWay | None:
    if answer.decode_tok_s is None or (mode in DIVIDING and not case.divided):
        return None
    load = case.scenario.workload
    decode, prefill = answer.decode_tok_s.p50, answer.prefill_tok_s.p50 if answer.prefill_tok_s else None
    request_s = load.gen_tokens / decode + (load.prompt_tokens / prefill if prefill else 0.0)
    layers = np.diff(case.placement.bounds[1:])
    if case.placement.output_device >= 0:
        layers[case.placement.output_device] += 1
    told = tuple(int(count) for count in layers) if unlike(case.machine) else ()
    return SplitWay(mode, decode, prefill, request_s, told)


def _reason(best: SplitWay, ways: Sequence[SplitWay], usual: SplitWay, case: Case) -> str:
    """Why that mode, as a sentence."""
    load, cards = case.scenario.workload, sum(need > 0 for need in case.placement.vram_bytes)
    request = f"a prompt of {load.prompt_tokens:,} and an answer of {load.gen_tokens:,} tokens"
    link = f"the slowest link of {slowest_link_gb_s(case.machine):.3g} GB/s"
    if not joined(case.machine):
        link += " (through the computer's memory: what direct transfers from card to card would gain is not predicted)"
    others = [way for way in ways if way is not best]
    if best.mode != DEFAULT:
        told = f"the {cards} cards share every layer and write at {number(best.decode_tok_s)} instead of "
        told += f"{number(usual.decode_tok_s)} tok/s by layer; {request} take {seconds(best.request_s)} instead of "
        return told + f"{seconds(usual.request_s)}, the sums over {link} included"
    if not others:
        return f"no other mode runs {case.llm.name} on these cards"
    rival = others[0]
    told = f"{request} take {seconds(best.request_s)}, in {rival.mode} mode {seconds(rival.request_s)}"
    if rival.decode_tok_s > best.decode_tok_s * GAIN:
        faster = f"{number(rival.decode_tok_s)} instead of {number(best.decode_tok_s)} tok/s"
        return f"{told}, which writes at {faster} and reads slower"
    each = f"{REDUCES * case.demand.footprint.n_layers} sums a token"
    sums = "putting each matrix together" if rival.mode == "row" else each
    return f"{told}: {sums} over {link} cost what sharing the layers gains"


def split_section(found: Splits) -> Section:
    """The modes as a part of a report."""
    columns = (
        TableColumn("mode", width=30), TableColumn("writes tok/s", width=13, right=True),
        TableColumn("reads tok/s", width=12, right=True), TableColumn("request", width=9, right=True),
    )
    rows = [
        (way.flags, number(way.decode_tok_s), number(way.prefill_tok_s) if way.prefill_tok_s else "-",
         seconds(way.request_s)) for way in found.ways
    ]
    return Section("How the cards share it", [Paragraph(f"Take {found.best.flags}: {found.reason}."),
                                               Table(columns, rows)])
