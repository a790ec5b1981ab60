"""Row types of the evidence: the measured public runs, and what they taught: the coefficients of the physics with their
uncertainty, and the errors on machines left out.
"""

from datetime import date
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Effect(BaseModel):
    """One effect on the logarithm of one coefficient.

    A coefficient of a scenario is exp(sum of the effects of its labels): the label "" is the base in the coefficient's
    unit, further labels (backend, architecture, quant family, engine, chip) multiply it. A label without a row has no
    effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    coefficient: str
    label: str = ""
    log_value: float = Field(allow_inf_nan=False)
    standard_error: float = Field(ge=0, allow_inf_nan=False)
    prior: float = Field(allow_inf_nan=False)
    prior_deviation: float = Field(gt=0)
    informed: bool
    """False: no run moved it, the number is the prior ("assumed")."""
    runs: int = Field(default=0, ge=0)
    """Measured speeds that move with it."""
    source: str
    as_of: date


class Spread(BaseModel):
    """Quantiles of log(measured / predicted) on machines never fitted, in units of each run's predicted deviation, for
    one kind of speed and regime.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    speed: str
    regime: str
    low: float = Field(le=0, allow_inf_nan=False)
    """Quantile 5 %, in deviations."""
    high: float = Field(ge=0, allow_inf_nan=False)
    """Quantile 95 %, in deviations."""
    rows: int = Field(ge=0)
    machines: int = Field(ge=0)
    source: str
    as_of: date


class RunsBehind(BaseModel):
    """How many fitted runs stand behind answers about a card (a processor, where no card takes part)."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    level: str
    """this card and model, this card, or its architecture"""
    name: str
    """Of the card, or of its architecture."""
    model: str = ""
    """At the first level."""
    runs: int = Field(gt=0)
    source: str
    as_of: date


class LeftOutRow(BaseModel):
    """How far off one measured speed was predicted by the fit that never saw its machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    speed: str
    """decode or prefill"""
    machine: str
    """Resolved GPU | CPU."""
    model: str
    quant: str
    measured_tok_s: float = Field(gt=0, allow_inf_nan=False)
    log_ratio: float = Field(allow_inf_nan=False)
    """log(predicted / measured)"""
    novelty: float = Field(ge=0, allow_inf_nan=False)
    """How novel the run was to that fit (see `advisor.physics.uncertainty`)."""
    unsaid: float = Field(ge=0, allow_inf_nan=False)
    """The same without what machines with like parts differ by."""
    gpu_share: float = Field(ge=0, le=1)
    cpu_share: float = Field(ge=0, le=1)
    link_share: float = Field(ge=0, le=1)
    """Parts of the predicted time that the GPUs, the processor and the links take; the rest is the disk's."""
    source: str
    as_of: date


class WiderRow(BaseModel):
    """Errors where more than a machine was left out of the fit before it was predicted."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    left_out: str
    """source or architecture"""
    speed: str
    regime: str
    """Where the weights lie, or all."""
    rows: int = Field(gt=0)
    groups: int = Field(gt=0)
    """Machines among them."""
    balanced: float = Field(ge=0, allow_inf_nan=False)
    """Median of the machines' median |predicted - measured| / measured."""
    p90: float = Field(ge=0, allow_inf_nan=False)
    bias: float = Field(allow_inf_nan=False)
    """Median of log(predicted / measured)."""
    source: str
    as_of: date


class PublicRun(NamedTuple):
    """One measured run, its names resolved. A light tuple: two thousand are read whenever a prediction is shown."""

    machine: str
    """GPUs and CPU as they are shown; unknown parts are left out."""
    gpus: str
    """Names of the GPUs, sorted, joined by " + "; "" without one."""
    architecture: str
    """Generation of the first GPU; "" without one."""
    gpu_gb_s: float
    """Peak bandwidth of the slowest GPU, 0 without one."""
    cpu: str
    """"" where it is not known, or does not matter (unified memory)."""
    ram_gb_s: float
    """Peak bandwidth of system memory, imputed where it was not said."""
    backend: str
    model: str
    file_gb: float
    active_share: float
    """Weights that a token is multiplied with over all weights."""
    quant: str
    regime: str
    gpu_share: float
    """Share of the weights that lies in GPU memory."""
    n_cpu_moe: int
    depth: int
    """Tokens in the context before the run."""
    decode_tok_s: float | None
    prefill_tok_s: float | None
    source: str
    as_of: str
    """When it was published, as far as the source says (a date, a month, or when it was collected)."""
