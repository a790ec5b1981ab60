"""The answer's types: a prediction as other programs read it in JSON (the contract)."""

from pydantic import BaseModel, ConfigDict

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
    calibration: str
