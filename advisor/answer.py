"""The answer: a prediction as other programs read it in JSON (the contract), and how its codes are said and drawn.

The tables below are the one place that knows the words and colours of limits and regimes, as `advisor.physics.stages`
is of stages: terminal, pages, pictures and reports read them.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from advisor.charts import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, WINE
from advisor.question import Scenario


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Answer):
    """A speed in tok/s: median and the bounds that 90 % of real runs should fall between."""

    p50: float
    p05: float
    p95: float


class PlacementSummary(_Answer):
    """Where the bytes lie; sizes in GiB, as llama.cpp reports them."""

    strategy: str
    n_gpu_layers: int
    n_cpu_moe: int
    n_cpu_moe_last: int = 0
    """Where the layers with experts in RAM are the last ones: how many (`n_cpu_moe` is 0 then)."""
    vram_gb: float
    ram_gb: float
    storage_gb: float
    kv_gb: float
    weights_gb: float


class Stage(_Answer):
    """One stage of a decode step."""

    stage: str
    seconds_per_token: float


class Warning(_Answer):
    """Something a user should know, with a code for programs."""

    code: str
    message: str


class Speculation(_Answer):
    """What drafting does for a user: `gain` is the speed with it over that without, 1 and less a loss."""

    gain: float
    kind: str
    max_tokens: int
    """Tokens drafted for each step: as asked, or as many as write fastest."""
    tokens_per_step: float
    acceptance: float
    """Accepted over drafted tokens."""
    extra_vram_gb: float
    """GiB for the draft's weights, its cache and its buffer."""


class Evidence(_Answer):
    """How many measured runs stand behind an answer, at the closest level that has any: "this machine", "this card and
    model", "this card", "its architecture" or "nobody". Where no card takes part, the processor stands for it.
    """

    level: str
    runs: int


class Prediction(_Answer):
    """What a scenario will do. Speeds are null where it cannot run; a warning then says what would make it fit."""

    scenario: Scenario
    fits: bool
    regime: str
    machine: str
    model: str
    quant: str
    placement: PlacementSummary
    decode_tok_s: Range | None
    """Of one user."""
    aggregate_tok_s: Range | None
    """Of all users together."""
    prefill_tok_s: Range | None
    time_to_first_token_s: float | None
    load_time_s: float | None
    warm_up_s: float | None
    """Until a memory-mapped RAM tier has been read in by page faults alone, from a cold page cache."""
    bottleneck: str | None
    breakdown: tuple[Stage, ...]
    flags: dict[str, str]
    warnings: tuple[Warning, ...]
    assumptions: tuple[str, ...]
    evidence: Evidence
    calibration: str
    speculation: Speculation | None = None


# How the codes are said. Stages, with their seconds, are in `advisor.physics.stages`.


class LimitWords(NamedTuple):
    """What limits a token: in a table's cell, and as a sentence that says what would help."""

    short: str
    sentence: str


class RegimeWords(NamedTuple):
    """Where the weights lie: of one prediction with its numbers of layers, in a cell, and as the name of a group."""

    sentence: str
    words: str
    group: str
    colour: str
    beside_ram: bool
    """Whether the CPU or the disk, not GPUs alone, read weights."""


LIMITS: Final[Mapping[str, LimitWords]] = {
    "vram_bandwidth": LimitWords(
        "GPU memory", "GPU memory bandwidth: each token reads the model's weights from GPU memory"
    ),
    "ram_bandwidth": LimitWords(
        "RAM speed", "RAM bandwidth: each token reads weights from RAM; more channels or faster modules help most"
    ),
    "cpu_compute": LimitWords(
        "CPU compute",
        "CPU compute: unpacking the weights takes longer than reading them; more or wider cores help most",
    ),
    "gpu_overhead": LimitWords("GPU overhead", "fixed costs on the GPU: the model is too small to keep it busy"),
    "cpu_overhead": LimitWords("CPU waits", "handing work to the CPU's threads and waiting for them"),
    "pcie": LimitWords("PCIe link", "the link (PCIe) between GPU and CPU"),
    "gpu_compute": LimitWords(
        "GPU compute", "GPU compute: so many tokens at once take as long as reading a prompt; with more all wait longer"
    ),
    "storage": LimitWords("disk", "the disk: part of the model does not fit into RAM and is read again and again"),
}
"""By `Prediction.bottleneck`."""

REGIMES: Final[Mapping[str, RegimeWords]] = {
    "full_gpu": RegimeWords("all of it on the GPU", "all on the GPU", "whole model in one GPU", BLUE, False),
    "unified": RegimeWords(
        "all of it in the memory that GPU and CPU share", "all in shared memory", "unified memory", GREEN, False
    ),
    "expert_offload": RegimeWords(
        "attention and context on the GPU; the experts of {moe} of {layers} layers in RAM, on the CPU",
        "experts in RAM", "experts in RAM", VERMILLION, True,
    ),
    "feed_forward_offload": RegimeWords(
        "attention and context on the GPU; the feed-forward weights of {moe} of {layers} layers in RAM, on the CPU",
        "feed-forward in RAM", "dense feed-forward in RAM", WINE, True,
    ),
    "cpu_only": RegimeWords("all of it in RAM, on the CPU", "on the CPU", "CPU only", PURPLE, True),
    "storage": RegimeWords(
        "what finds no room in RAM on the disk", "larger than RAM", "model larger than RAM", GREY, True
    ),
    "multi_gpu": RegimeWords(
        "all of it on the GPUs, a part on each", "all on the GPUs", "several GPUs", SKY, False
    ),
    "layer_split": RegimeWords(
        "{gpu_layers} of {layers} layers on the GPU, the rest of the model in RAM",
        "some layers in RAM", "dense split over GPU and RAM", ORANGE, True,
    ),
}
"""By `Prediction.regime`; all but "storage" are strategies of a placement too; "feed_forward_offload" is
"expert_offload" with a dense model's feed-forward matrices in the place of experts."""
