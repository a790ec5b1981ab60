"""Row type of the measured public runs as they are shown beside a prediction: what ran where, and how fast."""

from typing import NamedTuple


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
