"""How the engine is to load and run a model: what llama.cpp calls model and context parameters, typed and checked."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from advisor.sizes.buffers import padded
from advisor.sizes.tensor import EXPERTS, pattern_of

KvType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
GGML_TYPES = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30,
}
"""Source: llama.cpp ggml/include/ggml.h enum ggml_type (read 2026-11-25)."""
Sharing = Literal["layer", "row", "tensor"]
SPLIT_MODES: Mapping[Sharing, int] = {"layer": 1, "row": 2, "tensor": 3}
"""Source: llama.cpp include/llama.h enum llama_split_mode (read 2026-11-30)."""
LoadMode = Literal["mmap", "mlock", "mmap+mlock", "none", "direct-io"]
"""mmap: the file is mapped and read as it is needed; none: it is copied into memory; mlock: no page may leave memory;
direct-io: copied past the page cache.
"""


class Record(BaseModel):
    """A value that is checked when it is made or read, and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Override(Record):
    """Tensors whose names match go to a device's memory, whatever their layer does; "CPU" is system RAM."""

    pattern: Annotated[str, Field(min_length=1)]
    device: Annotated[str, Field(min_length=1)] = "CPU"


class Drafting(Record):
    """Tokens guessed ahead, which the model then checks in one pass: what it writes stays the same."""

    kind: Literal["mtp", "draft_model"]
    """By a layer of the model's own for multi-token prediction, or by a small model of the same vocabulary."""
    max_tokens: Annotated[int, Field(ge=1, le=16)] = 3
    file: str | None = None
    """Of the small model."""

    @model_validator(mode="after")
    def _a_file_drafts_alone(self) -> Self:
        if (self.file is None) == (self.kind == "draft_model"):
            raise ValueError("a draft model has a file, and layers of the model's own have none")
        return self


class EngineSettings(Record):
    """All that decides where a model's bytes lie and how it computes; the defaults are those of llama.cpp."""

    n_ctx: Annotated[int, Field(ge=1, le=100_000_000)] = 4096
    n_batch: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    n_ubatch: Annotated[int, Field(ge=1, le=65_536)] = 512
    threads: Annotated[int, Field(ge=1, le=4096)] = 1
    threads_batch: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Threads that read prompts; None: as many as write."""
    n_gpu_layers: Annotated[int, Field(ge=0, le=100_000)] = 0
    """The output and the last n - 1 layers run on the devices; more than there are means all."""
    n_cpu_moe: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Layers, counted from the first, whose routed experts stay in system RAM."""
    overrides: tuple[Override, ...] = ()
    """Placed before those of `n_cpu_moe`: the first pattern that matches a tensor holds."""
    split_mode: Sharing = "layer"
    """How several devices share the model: layers of its own for each, or a part of each layer."""
    tensor_split: tuple[float, ...] = ()
    """Share of the layers for each device; empty: by free memory."""
    devices: tuple[str, ...] = ()
    """Names of the devices to use, such as "CUDA0"; empty: all there are."""
    kv_type_k: KvType = "f16"
    kv_type_v: KvType = "f16"
    flash_attn: bool | None = None
    """None: as llama.cpp chooses."""
    load_mode: LoadMode = "mmap"
    extra_buffers: bool = True
    """Repack weights that stay in RAM for the CPU's kernels: faster, but the copy is not mapped from the file."""
    op_offload: bool = True
    """Large batches copy RAM-resident weights to a device that can take them."""
    offload_kv: bool = True
    """The KV cache of a layer lies on the layer's device."""
    full_window_cache: bool = False
    """Sliding layers keep the whole context; llama-server and llama-bench keep a window and a micro-batch."""
    n_outputs: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Tokens of a micro-batch whose logits are kept; 0: all of them."""
    rpc: tuple[str, ...] = ()
    """Endpoints (HOST:PORT) of RPC servers whose devices are to be used."""
    drafting: Drafting | None = None
    """What drafts when text is written; nothing that is measured drafts."""

    @model_validator(mode="after")
    def _v_cache_needs_flash_attention(self) -> Self:
        if self.flash_attn is False and self.kv_type_v not in {"f32", "f16", "bf16"}:
            raise ValueError(f"a {self.kv_type_v} V cache needs flash attention: do not turn it off")
        return self

    @property
    def n_ctx_padded(self) -> int:
        """The context as llama.cpp allocates it."""
        return padded(self.n_ctx)

    @property
    def mapped(self) -> bool:
        """Whether weights in RAM are pages of the file."""
        return self.load_mode in {"mmap", "mmap+mlock"}

    def all_overrides(self) -> tuple[Override, ...]:
        r"""The overrides asked for, then one pattern for the experts of each layer of `n_cpu_moe`.

        >>> EngineSettings(n_cpu_moe=1).all_overrides()[0].pattern
        'blk\\.0\\.ffn_(up|down|gate|gate_up)_(ch|)exps'
        """
        experts = tuple(Override(pattern=pattern_of([layer], EXPERTS)) for layer in range(self.n_cpu_moe))
        return self.overrides + experts
